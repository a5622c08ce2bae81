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

    Raises:
        SinkFailed: the folder cannot be made or written.
        ValueError: a limit that is not above zero.
    """

    name = "snapshots"
    queue_size = 8

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int | None = None,
        max_age_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._retention = Retention(
            folder, (_SUFFIX, _UNFINISHED), max_bytes=max_bytes, max_age_s=max_age_s, clock=clock
        )
        self._folder = own_folder(folder)
        self._retention.make_room()

    def result(self, result: "FrameResult") -> None:
        """Does nothing: most frames are no event."""

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Writes the picture, if a label entered.

        Raises:
            SinkFailed: it cannot be written.
        """
        if event.kind != "entered" or result is None:
            return
        import cv2

        _, encoded = cv2.imencode(".jpg", result.image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        self._retention.make_room(encoded.size)
        source, label = event.details.get("source", ""), event.details.get("label", "")
        name = stamped(self._clock(), str(source), str(label), suffix=_SUFFIX)
        _write_whole(unused(self._folder / name), encoded.tobytes())

    def tick(self) -> None:
        """Does nothing: what is too old goes when the next one comes, and at the end."""

    def close(self) -> None:
        """Lets what is too old go."""
        self._retention.make_room()


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
