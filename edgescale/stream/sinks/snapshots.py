"""A JPEG of each arrival: the picture on which a label was told to have entered."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edgescale.errors import SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.sinks.file_names import own_folder, stamped, unused
from edgescale.stream.sinks.retention import Retention
from edgescale.stream.sinks.setbacks import Setbacks

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

_QUALITY = 90
_SUFFIX, _UNFINISHED = ".jpg", ".part"


class SnapshotSink:
    """Writes the plain picture of each ``entered`` event; see ``outputs.Sink``.

    A file has its name only once it is whole: ``edgescale_UTC_source_label.jpg``.

    Args:
        folder: made where it is missing.
        max_bytes: so much all snapshots may take; None is no limit. The oldest go first.
        max_age_s: none is kept longer; None is no limit.
        clock: seconds since 1970.

    Attributes:
        lossless: whether a picture that cannot be written is an error at once; else the next ones
            are tried all the same, and it is one at the end.
        written: pictures so far.

    Raises:
        SinkFailed: the folder cannot be made or written.
        ValueError: a limit that is not above zero.
    """

    name = "snapshots"
    queue_size = 8
    takes_results = False
    lossless = False

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int | None = None,
        max_age_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock, self.written = clock, 0
        self._retention = Retention(
            folder, (_SUFFIX, _UNFINISHED), max_bytes=max_bytes, max_age_s=max_age_s, clock=clock
        )
        self._folder = own_folder(folder)
        self._setbacks = Setbacks(folder, "snapshot", clock)
        self._retention.make_room()

    def result(self, result: "FrameResult") -> None:
        """Does nothing: most frames are no event, and none is given."""

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Writes the picture, if a label entered.

        Raises:
            SinkFailed: it cannot be written, and nothing may be lost.
        """
        if event.kind != "entered" or result is None:
            return
        import cv2

        _, encoded = cv2.imencode(".jpg", result.image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        try:
            self._write(event, encoded.tobytes())
        except SinkFailed:
            if self.lossless:
                raise
            self._write_again(event, encoded.tobytes())

    @property
    def lost(self) -> int:
        """Returns how many pictures could not be written."""
        return self._setbacks.lost

    @property
    def error(self) -> str:
        """Returns what went wrong first; empty where nothing did."""
        return self._setbacks.error

    def tick(self) -> None:
        """Does nothing: what is too old goes when the next one comes, and at the end."""

    def close(self) -> None:
        """Lets what is too old go.

        Raises:
            SinkFailed: a picture could not be written.
        """
        self._retention.make_room()
        self._setbacks.settle()

    def _write(self, event: Event, content: bytes) -> None:
        self._retention.make_room(len(content))
        source, label = event.details.get("source", ""), event.details.get("label", "")
        name = stamped(self._clock(), str(source), str(label), suffix=_SUFFIX)
        _write_whole(unused(self._folder / name), content)
        self.written += 1

    def _write_again(self, event: Event, content: bytes) -> None:
        """Writes the picture in place of old ones, where the disk is full; else it is lost."""
        try:
            self._retention.clear_disk()
            self._write(event, content)
        except SinkFailed as problem:
            self._setbacks.lost += 1
            self._setbacks.note(problem)


def _write_whole(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(_UNFINISHED)
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as problem:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise SinkFailed(
            f"{path}: the snapshot cannot be written ({problem.strerror}); make room or name"
            " another folder"
        ) from problem
