"""How a live source fares: playing, lost or ended, how often and for how long it was lost.

Kept apart from the threads: it takes times and gives records, so that every way through it can be
tested.
"""

import threading
from dataclasses import dataclass

from edgescale.stream.sources.source_spec import SourceState


@dataclass(frozen=True)
class Counts:
    """What the capture counts: frames delivered, and those that nobody saw."""

    captured: int
    dropped: int


class Outages:
    """The state of one live source; every method may be called from any thread."""

    def __init__(self, name: str) -> None:
        """Begins with a source that is being opened."""
        self._name = name
        self._lock = threading.Lock()
        self._state, self._reason = "opening", ""
        self._outages, self._past_s, self._lost_s = 0, 0.0, 0.0

    def lost(self, reason: str, now_s: float) -> bool:
        """Notes that it is lost; False where that was known, and the reason then replaces it."""
        with self._lock:
            if self._state == "ended":
                return False
            self._reason = reason
            if self._state == "lost":
                return False
            self._state, self._lost_s = "lost", now_s
            self._outages += 1
            return True

    def back(self, now_s: float) -> float | None:
        """Notes a frame; returns for how many seconds it was lost, None where it was not."""
        with self._lock:
            was, self._state = self._state, "playing"
            if was != "lost":
                return None
            lasted_s = max(0.0, now_s - self._lost_s)  # a clock may be set back
            self._past_s += lasted_s
            self._reason = ""
            return lasted_s

    def end(self, now_s: float) -> None:
        """Notes that no frame will come any more."""
        with self._lock:
            if self._state == "lost":
                self._past_s += max(0.0, now_s - self._lost_s)
            self._state = "ended"

    @property
    def state(self) -> str:
        """Returns ``opening``, ``playing``, ``lost`` or ``ended``."""
        return self._state

    def record(self, counts: Counts, now_s: float) -> SourceState:
        """Returns how it fares now."""
        with self._lock:
            present_s = max(0.0, now_s - self._lost_s) if self._state == "lost" else 0.0
            return SourceState(
                *(self._name, True, self._state, self._reason, self._outages),
                outage_s=self._past_s + present_s,
                captured=counts.captured,
                dropped=counts.dropped,
            )
