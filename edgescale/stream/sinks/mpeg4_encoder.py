"""MPEG-4 part 2 with OpenCV, for where PyAV is not: its wheel has no H.264 encoder.

OpenCV writes at a fixed rate only. A frame is therefore repeated until the next one is due, and one
that comes too early for the rate is left out, so that a minute of video is a minute of the source.
"""

from pathlib import Path

from edgescale.errors import SinkFailed
from edgescale.inference.preparation import Image
from edgescale.stream.ffmpeg import ffmpeg_path

_CODEC = "mp4v"
_LONGEST_STILL_S = 1.0  # an outage of an hour is not an hour of the same picture


class Mpeg4Encoder:
    """Writes frames into ``.mkv`` or ``.avi``; see ``video_encoder.Encoder``.

    Args:
        path: the file, written over.
        size: (width, height), even.
        fps: what the video runs at.

    Raises:
        SinkFailed: the encoder does not start.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        import cv2

        self._fps = fps
        self._written = self._left_out = 0
        self._last: Image | None = None
        name = ffmpeg_path(path, SinkFailed)
        codec = cv2.VideoWriter.fourcc(*_CODEC)
        self._writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, codec, fps, size)
        if not self._writer.isOpened():
            self._writer.release()
            raise SinkFailed(
                f"{path}: the video encoder does not start for {size[0]}x{size[1]} at {fps:g} fps;"
                " use another OpenCV build or leave the video out"
            )

    def write(self, image: Image, at_s: float) -> None:
        """Writes one frame; see ``Encoder.write``. OpenCV reports no error."""
        missing = round(at_s * self._fps) - self._left_out - self._written
        if missing < 0:
            return
        still = min(missing, round(_LONGEST_STILL_S * self._fps))
        self._left_out += missing - still
        for _ in range(still):
            self._writer.write(image if self._last is None else self._last)
        self._writer.write(image)
        self._written += still + 1
        self._last = image

    def close(self) -> None:
        """Finishes the file; see ``Encoder.close``."""
        self._writer.release()
