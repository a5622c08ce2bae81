"""Every frame of a video file.

OpenCV answers "end of file", "damaged" and "no such file" alike with False, so what a file says of
its length decides what a False means.
"""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from edgescale.errors import SourceLost, StreamError
from edgescale.stream.ffmpeg import ffmpeg_path
from edgescale.stream.frame import Frame
from edgescale.stream.sources.capture import bgr, open_ffmpeg, opencv

log = logging.getLogger(__name__)

# A video is foreign: one that names another place (a playlist, a chunk on a server) gets nothing.
_OPTIONS = {"protocol_whitelist": "file"}
_TIMEOUT_S = 10.0
# Containers that estimate their frame count may miss by a frame or two; a cut misses by more.
_FEWEST_MISSING = 5
_LARGEST_MISSING_SHARE = 0.05


class Video:
    """Every frame of a video that has an end."""

    def __init__(self, name: str, capture: Any) -> None:
        """Takes over an opened ``cv2.VideoCapture``; the name is for messages."""
        self._name, self._capture = name, capture
        self._cv2 = opencv()
        fps = self._capture.get(self._cv2.CAP_PROP_FPS)
        self.fps: float | None = fps if 0 < fps <= 1000 else None

    def __iter__(self) -> Iterator[Frame]:
        """Yields every frame in order.

        Raises:
            StreamError: there is no frame at all, or one of a kind that is not known.
            SourceLost: the file ends long before the length it announces.
        """
        index, position_s = 0, 0.0
        hole = _Hole()
        while True:
            start_s = time.monotonic()
            try:
                good, image = self._capture.read()
            except self._cv2.error as problem:
                raise SourceLost(f"{self._name}: frame {index} cannot be decoded") from problem
            if not good or image is None:
                break
            now_s, picture = time.monotonic(), bgr(image, self._name)
            before_s = position_s
            position_s = self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
            hole = max(hole, _Hole(position_s - before_s, before_s))
            yield Frame(
                *(index, picture, now_s, position_s),
                decode_ms=1000 * (now_s - start_s),
                source_fps=self.fps,
            )
            index += 1
        self._check_end(index, position_s, hole)

    def close(self) -> None:
        """Closes the file."""
        self._capture.release()

    def _check_end(self, frames: int, position_s: float, hole: "_Hole") -> None:
        """FFmpeg ends a damaged file as it ends a whole one; the announced length tells."""
        if frames == 0:
            raise StreamError(
                f"{self._name}: opens as video but gives no frame; it is damaged or of a codec that"
                " this OpenCV cannot decode"
            )
        announced = self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT)
        if not frames < announced < 1e9:
            return
        missing = announced - frames
        length_s = announced / self.fps if self.fps else 0.0
        few = missing <= max(_FEWEST_MISSING, _LARGEST_MISSING_SHARE * announced)
        # With a variable frame rate the announced count is length times rate, and may be far off
        # while the last frame is where the file ends.
        at_end = self.fps is None or position_s >= (1 - _LARGEST_MISSING_SHARE) * length_s
        text = f"{self._name}: ends after {frames} frames, but announces {announced:.0f}"
        if few or at_end:
            self._tell_hole(text, hole, few)
            return
        raise SourceLost(
            f"{text}: it is damaged or cut off at {position_s:.1f} s of {length_s:.1f} s; the"
            " frames until there were classified"
        )

    def _tell_hole(self, text: str, hole: "_Hole", few: bool) -> None:
        """Says how much is missing in the middle; a screen recording has such holes unharmed."""
        if few or self.fps is None or hole.length_s * self.fps <= _FEWEST_MISSING:
            log.info("%s", text)
            return
        log.warning(
            "%s: there is no frame from %.1f s on for %.1f s; it is damaged there, unless its"
            " frame rate varies",
            *(text, hole.start_s, hole.length_s),
        )


def open_video(path: Path) -> Video:
    """Opens a video file.

    Raises:
        StreamError: empty, or nothing that can be decoded.
    """
    _refuse_what_is_no_video(path)
    capture = open_ffmpeg(ffmpeg_path(path, StreamError), _OPTIONS, _TIMEOUT_S)
    if not capture.isOpened():
        raise StreamError(
            f"{path}: cannot be opened as video: it has no picture track, is damaged, or was"
            " cut off while it was written; check that a player plays it"
        )
    return Video(str(path), capture)


class _Hole(NamedTuple):
    """The time between two frames of a file; the longest is the largest tuple."""

    length_s: float = 0.0
    start_s: float = 0.0


def _refuse_what_is_no_video(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as problem:
        raise StreamError(f"{path}: cannot be read ({problem.strerror})") from problem
    if not head:
        raise StreamError(f"{path}: is empty (0 bytes); give a video, an image or a folder")
    # FFmpeg draws text files as if typed on a terminal, and follows the addresses of playlists.
    if b"\0" not in head and all(byte in b"\t\n\r\f" or byte >= 32 for byte in head):
        raise StreamError(f"{path}: is a text file, not a video; give a video, image or folder")
