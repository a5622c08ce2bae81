"""One frame on its way from a source to its result."""

from dataclasses import dataclass

from edgescale.inference.preparation import Image


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame.

    Attributes:
        index: 0, 1, 2, ... in the source; a camera's gaps are frames that were dropped.
        image: uint8 (H, W, 3) BGR.
        captured_s: monotonic clock when it was decoded.
        position_s: its place in a video file, None for cameras and images.
        name: the file of an image in a folder, None elsewhere.
        source: name of the source it came from.
        decode_ms: how long it took to get it, without the wait for a live source to deliver.
        dropped: frames of its source so far that nobody saw.
        source_fps: what a video file says of its rate, None elsewhere.
    """

    index: int
    image: Image
    captured_s: float
    position_s: float | None = None
    name: str | None = None
    source: str = ""
    decode_ms: float = 0.0
    dropped: int = 0
    source_fps: float | None = None
