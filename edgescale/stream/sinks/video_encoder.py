"""Which codec a video file gets, by its ending, and what both encoders have in common.

``.mp4`` is H.264, which browsers play, and needs PyAV; ``.mkv`` and ``.avi`` are MPEG-4 part 2,
which OpenCV's wheel can write. All three play on when the program was killed while it wrote.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from edgescale.errors import SinkFailed
from edgescale.inference.preparation import Image
from edgescale.units import mib

SUFFIXES = (".mp4", ".mkv", ".avi")
INSTALL_VIDEO = "pip install 'edgescale[video]'"
_REINSTALL = "the one here does not work: pip install --force-reinstall av"
_SMALLEST_PX = 16  # the encoders refuse less, and odd sizes
_LARGEST_PX = 8190  # MPEG-4 part 2 has 13 bits for a side, and no browser plays larger H.264
_FREE_BYTES = 2**20  # more than one frame, so that the disk is never quite full


class Encoder(Protocol):
    """An open video file; every frame has its size."""

    def write(self, image: Image, at_s: float) -> None:
        """Writes one frame.

        Args:
            image: uint8 (H, W, 3) BGR of the encoder's size.
            at_s: seconds since the first frame; rising.

        Raises:
            SinkFailed: it cannot be written; what was written before plays.
        """

    def close(self) -> None:
        """Finishes the file; may be called twice.

        Raises:
            SinkFailed: its end cannot be written; what was written before plays.
        """


def check_ending(path: Path) -> None:
    """Checks that video is written with this ending, wherever the needed packages are.

    Raises:
        SinkFailed: it is not; the sentence names what is.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SinkFailed(
            f"{path}: video is saved as .mp4, .mkv or .avi, not as '{suffix or path.name}'"
        )


def check_format(path: Path) -> None:
    """Checks that video with this ending can be written here.

    Raises:
        SinkFailed: it cannot be; the sentence names what can.
    """
    check_ending(path)
    if path.suffix.lower() == ".mp4" and not has_pyav():
        advice = INSTALL_VIDEO if find_spec("av") is None else _REINSTALL
        raise SinkFailed(
            f"{path}: an .mp4 that survives a kill or a power cut needs PyAV; {advice}, or"
            f" save to {path.with_suffix('.mkv').name} instead"
        )


def has_pyav() -> bool:
    """Says whether PyAV is here and works."""
    try:
        import av  # noqa: F401 - the import is the question
    except Exception:  # noqa: BLE001 - a broken package fails with whatever it likes
        return False
    return True


def open_encoder(path: Path, size: tuple[int, int], fps: float) -> Encoder:
    """Opens a video file, over whatever is there.

    Args:
        path: with an ending that ``check_format`` takes.
        size: (width, height) of every frame, from ``encodable``.
        fps: of the source; what .mkv and .avi run at, and a hint only for .mp4.

    Raises:
        SinkFailed: the file cannot be opened or its encoder does not start.
    """
    if path.suffix.lower() == ".mp4":
        from edgescale.stream.sinks.h264_encoder import H264Encoder

        return H264Encoder(path, size, fps)
    from edgescale.stream.sinks.mpeg4_encoder import Mpeg4Encoder

    return Mpeg4Encoder(path, size, fps)


def encodable(image: Image, path: Path) -> tuple[int, int]:
    """Returns the (width, height) in which a picture is encoded: even and not below 16.

    Raises:
        SinkFailed: it is larger than the codecs take.
    """
    height, width = image.shape[:2]
    size = (max(_SMALLEST_PX, width + width % 2), max(_SMALLEST_PX, height + height % 2))
    if max(size) > _LARGEST_PX:
        raise SinkFailed(
            f"{path}: frames of {width}x{height} are too large for a video, which ends at"
            f" {_LARGEST_PX} pixels a side; leave the video out"
        )
    return size


def fitted(image: Image, size: tuple[int, int]) -> Image:
    """Returns the image in the video's size; another shape is centred on black."""
    import cv2
    import numpy as np

    width, height = size
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = small
    return canvas


def check_room(path: Path, written: str) -> None:
    """Checks that the disk has room for more: OpenCV reports no write error at all.

    Args:
        path: what is written.
        written: how much was, in words.

    Raises:
        SinkFailed: it is full, or the folder is gone.
    """
    try:
        free_bytes = shutil.disk_usage(path.parent).free
    except OSError as problem:
        raise SinkFailed(f"{path}: its folder is gone ({problem.strerror})") from problem
    if free_bytes < _FREE_BYTES:
        raise SinkFailed(
            f"{path}: the disk is full after {written} (less than {mib(_FREE_BYTES)} is left);"
            " make room or save elsewhere"
        )
