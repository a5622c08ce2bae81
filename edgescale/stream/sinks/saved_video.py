"""One video file: checked before the first frame, opened by it, finished however the run ends."""

import os
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from edgescale.errors import SinkFailed
from edgescale.inference.preparation import Image
from edgescale.stream.ffmpeg import ffmpeg_path
from edgescale.stream.sinks.video_encoder import (
    Encoder,
    check_format,
    check_room,
    encodable,
    fitted,
    open_encoder,
)
from edgescale.stream.sources.paths import reads

DEFAULT_FPS = 30.0


class SavedVideo:
    """Writes frames into a video file; the first frame sets the size, others are fitted into it.

    Args:
        path: ``.mp4`` (needs PyAV), ``.mkv`` or ``.avi``. A file that is there is written over by
            the first frame.
        source: addresses of what is being read, one or several; none of their files must be
            overwritten.

    Attributes:
        frames: written so far.

    Raises:
        SinkFailed: a format that is not written, or a place that cannot be written.
    """

    def __init__(self, path: Path, *, source: str | Sequence[str] = "") -> None:
        self.path = path
        self.frames = 0
        self._encoder: Encoder | None = None
        self._size = (0, 0)  # (width, height)
        check_format(path)
        ffmpeg_path(path, SinkFailed)
        for address in (source,) if isinstance(source, str) else source:
            if reads(address, path):
                raise SinkFailed(f"{path}: is the source itself; save to another file")
        try:
            self._existed = _check_writable(path)
        except OSError as problem:
            raise SinkFailed(
                f"{path}: cannot be written ({problem.strerror}); choose a folder that exists and"
                " that you may write to"
            ) from problem

    def write(self, image: Image, *, fps: float | None = None, at_s: float | None = None) -> None:
        """Writes one frame.

        Args:
            image: uint8 (H, W, 3) BGR.
            fps: of the source, taken from the first frame; None is 30.
            at_s: seconds since the first frame; None is as many frames at ``fps``.

        Raises:
            SinkFailed: the encoder does not start, or the disk is full; what was written plays.
        """
        rate = fps or DEFAULT_FPS
        if self._encoder is None:
            self._size = encodable(image, self.path)
            try:
                self._encoder = open_encoder(self.path, self._size, rate)
            except SinkFailed:
                self._remove_empty()
                raise
        self._encoder.write(fitted(image, self._size), self.frames / rate if at_s is None else at_s)
        self.frames += 1
        check_room(self.path, f"{self.frames} frames")

    def size_bytes(self) -> int:
        """Returns how much is on the disk so far; 0 before the first frame."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def close(self) -> None:
        """Finishes the file; without any frame there is none. May be called twice.

        Raises:
            SinkFailed: the disk is full, so that the file may lack its end.
        """
        if self._encoder is not None:
            self._finish()
            check_room(self.path, f"{self.frames} frames")
            if not os.path.isfile(self.path):  # noqa: PTH113 - never raises
                raise SinkFailed(f"{self.path}: nothing could be written; is a quota reached?")

    def __enter__(self) -> "SavedVideo":
        """Returns the video itself."""
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
            with suppress(SinkFailed):
                self._finish()

    def _finish(self) -> None:
        """Ends the encoder and removes a file of ours into which nothing could be written."""
        encoder, self._encoder = self._encoder, None
        try:
            if encoder is not None:
                encoder.close()
        finally:
            self._remove_empty()

    def _remove_empty(self) -> None:
        with suppress(OSError):
            if not self._existed and self.path.stat().st_size == 0:
                self.path.unlink()


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
