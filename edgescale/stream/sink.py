"""Where results go: one JSON object per frame, and an annotated video.

The video is Matroska or AVI: both still play when the program was killed while it wrote. OpenCV's
wheel has no H.264, so the codec is MPEG-4 part 2.
"""

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edgescale.errors import SinkFailed
from edgescale.inference.preparation import Image
from edgescale.stream.event import Event
from edgescale.stream.ffmpeg import ffmpeg_path
from edgescale.units import mib

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

SCHEMA_VERSION = 1
DEFAULT_FPS = 30.0
_CODEC = "mp4v"
_SUFFIXES = (".mkv", ".avi")
_SMALLEST_PX = 16  # the encoder refuses less, and odd sizes
_LARGEST_PX = 8190  # MPEG-4 part 2 has 13 bits for a side
_FREE_BYTES = 2**20  # more than one frame, so that the disk is never quite full


def result_record(result: "FrameResult", source: str) -> dict[str, Any]:
    """Returns one frame's result as plain dicts and lists, for one line of JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "time": result.time,
        "source": source,
        "variant": result.variant,
        "device": result.device,
        "runtime": result.runtime,
        "index": result.index,
        "position_s": result.position_s,
        "name": result.name,
        "age_ms": round(result.age_ms, 3),
        "latency_ms": round(result.latency_ms, 3),
        "invoke_ms": round(result.invoke_ms, 3),
        "dropped": result.dropped,
        "predictions": [asdict(prediction) for prediction in result.predictions],
    }


def event_record(event: Event, source: str) -> dict[str, Any]:
    """Returns what happened beside the results, for one line of JSON among theirs."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return {
        "schema_version": SCHEMA_VERSION,
        "event": event.kind,
        "time": now.replace("+00:00", "Z"),
        "source": source,
        "text": event.text,
        **event.details,
    }


class VideoSink:
    """Writes frames into a video file; the first frame sets the size, others are fitted into it."""

    def __init__(self, path: Path, *, source: str = "") -> None:
        """Checks, before any frame is classified, that the file can be written.

        Args:
            path: ``.mkv`` or ``.avi``.
            source: what is being read, which must not be overwritten.

        Raises:
            SinkFailed: a format that is not written, or a place that cannot be written.
        """
        self.path = path
        self._writer: Any = None
        self._size = (0, 0)  # (width, height)
        self.frames = 0
        _check_suffix(path)
        self._ffmpeg_path = ffmpeg_path(path, SinkFailed)
        _check_not_source(path, source)
        try:
            self._existed = _check_writable(path)
        except OSError as problem:
            raise SinkFailed(
                f"{path}: cannot be written ({problem.strerror}); choose a folder that exists and"
                " that you may write to"
            ) from problem

    def write(self, image: Image, *, fps: float | None = None) -> None:
        """Writes one frame.

        Args:
            image: uint8 (H, W, 3) BGR.
            fps: of the source, taken from the first frame; None writes 30.

        Raises:
            SinkFailed: the encoder does not start, or the disk is full.
        """
        if self._writer is None:
            self._open(image, fps or DEFAULT_FPS)
        self._writer.write(_fitted(image, self._size))
        self.frames += 1
        self._check_room()

    def close(self) -> None:
        """Finishes the file; without any frame there is none.

        Raises:
            SinkFailed: the disk is full, so that the file may lack its end.
        """
        if self._writer is not None:
            self._finish()
            self._check_room()
            if not os.path.isfile(self.path):  # noqa: PTH113 - never raises
                raise SinkFailed(f"{self.path}: nothing could be written; is a quota reached?")

    def __enter__(self) -> "VideoSink":
        """Returns the sink itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finishes the file, on Ctrl-C too; what ended the run is then the error that counts."""
        if problem is None:
            self.close()
        else:
            self._finish()

    def _open(self, image: Image, fps: float) -> None:
        import cv2

        height, width = image.shape[:2]
        self._size = (_encodable(width), _encodable(height))
        if max(self._size) > _LARGEST_PX:
            raise SinkFailed(
                f"{self.path}: frames of {width}x{height} are too large for its codec, MPEG-4 part"
                f" 2, which ends at {_LARGEST_PX} pixels a side; leave out --save"
            )
        codec = cv2.VideoWriter.fourcc(*_CODEC)
        self._writer = cv2.VideoWriter(self._ffmpeg_path, cv2.CAP_FFMPEG, codec, fps, self._size)
        if not self._writer.isOpened():
            self._finish()
            raise SinkFailed(
                f"{self.path}: the video encoder does not start for {width}x{height} at"
                f" {fps:g} fps; use another OpenCV build or leave out --save"
            )

    def _finish(self) -> None:
        """Ends the encoder and removes a file of ours into which nothing could be written."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.release()
        with suppress(OSError):
            if not self._existed and self.path.stat().st_size == 0:
                self.path.unlink()

    def _check_room(self) -> None:
        """The encoder reports no write error, so the room is watched."""
        try:
            free_bytes = shutil.disk_usage(self.path.parent).free
        except OSError as problem:
            raise SinkFailed(f"{self.path}: its folder is gone ({problem.strerror})") from problem
        if free_bytes < _FREE_BYTES:
            raise SinkFailed(
                f"{self.path}: the disk is full after {self.frames} frames (less than"
                f" {mib(_FREE_BYTES)} is left); make room or save elsewhere"
            )


def _check_writable(path: Path) -> bool:
    """Tries to write and leaves nothing; returns whether there is a file, which is left alone.

    Raises:
        SinkFailed: something else than a file is there.
        OSError: it cannot be written.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        # A file without a name: whatever kills this process, nothing stays behind.
        with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
            return False
    if not stat.S_ISREG(mode):  # opening a pipe would wait for its reader
        raise SinkFailed(f"{path}: cannot be written, because it is not a file")
    with path.open("ab"):
        return True


def _check_suffix(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix == ".mp4":
        raise SinkFailed(
            f"{path}: an .mp4 that is cut off by a kill or a power cut cannot be played at all;"
            f" save to {path.with_suffix('.mkv').name} instead"
        )
    if suffix not in _SUFFIXES:
        raise SinkFailed(f"{path}: video is saved as .mkv or .avi, not as '{suffix or path.name}'")


def _check_not_source(path: Path, source: str) -> None:
    try:
        same = path.samefile(source)
    except (OSError, ValueError):
        return
    if same:
        raise SinkFailed(f"{path}: is the source itself; save to another file")


def _encodable(side_px: int) -> int:
    return max(_SMALLEST_PX, side_px + side_px % 2)


def _fitted(image: Image, size: tuple[int, int]) -> Image:
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
