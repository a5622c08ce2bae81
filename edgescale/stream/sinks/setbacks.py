"""What goes wrong with the files of a live run and may pass: a disk that is full for a moment.

A camera's pictures do not come back, but the next ones matter as much: an output into a folder goes
on after some seconds, says meanwhile what is wrong, and is an error at the end all the same.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from edgescale.errors import SinkFailed

log = logging.getLogger(__name__)

PAUSE_S = 2.0


class Setbacks:
    """Remembers what went wrong and how much it cost.

    Args:
        folder: named in the error at the end.
        what: is written, in the singular.
        clock: seconds since 1970.

    Attributes:
        lost: how many could not be written.
        error: what went wrong first; empty where nothing did.
    """

    def __init__(self, folder: Path, what: str, clock: Callable[[], float]) -> None:
        self._folder, self._what, self._clock = folder, what, clock
        self._first: SinkFailed | None = None
        self._since_s: float | None = None  # of the last one
        self.lost = 0

    @property
    def error(self) -> str:
        return "" if self._first is None else str(self._first)

    @property
    def pausing(self) -> bool:
        """Says whether it is too early for another attempt; a clock that was set ends the wait."""
        return self._since_s is not None and abs(self._clock() - self._since_s) < PAUSE_S

    def note(self, problem: SinkFailed) -> None:
        """Takes what went wrong, which is told once."""
        log.log(logging.WARNING if self._first is None else logging.INFO, "%s", problem)
        self._first = self._first or problem

    def pause(self, problem: SinkFailed) -> None:
        """Takes what keeps the next ones from being written too."""
        self.note(problem)
        self._since_s = self._clock()

    def settle(self) -> None:
        """Raises what went wrong; at the end.

        Raises:
            SinkFailed: anything did.
        """
        if self._first is None:
            return
        if not self.lost:
            raise self._first
        what = self._what if self.lost == 1 else f"{self._what}s"
        raise SinkFailed(
            f"{self._folder}: {self.lost} {what} could not be written ({self._first})"
        ) from self._first
