"""How long a run has been silent without a reason: one judgement for whoever may restart it.

The page's health check and systemd's watchdog both look at it. A camera that is away is no reason
to restart, the run tries to reach it and says so; nor is one of which only a picture a minute is
wanted. That a source plays and no result comes is one.
"""

import time
from collections.abc import Callable, Sequence

from edgescale.stream.snapshot import Snapshot
from edgescale.stream.sources.source_spec import SourceSpec

_INTERVALS = 3  # a source may miss its moment, but not thrice


def longest_pause_s(specs: Sequence[SourceSpec]) -> float:
    """Returns for how many seconds results may stay away because the user wants few.

    That is three intervals of the lowest ``max_fps``; 0 where none has one.
    """
    rates = [spec.max_fps for spec in specs if spec.max_fps is not None]
    return _INTERVALS / min(rates) if rates else 0.0


class Silence:
    """Follows a run by the snapshots it is shown, about one a second.

    Args:
        clock: monotonic seconds.

    Attributes:
        begun: whether a result ever came, or was known not to: before that the run opens its
            sources and loads its model.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._frames = 0
        self._well_s: float | None = None  # when a result came, or no source played
        self.begun = False

    def observe(self, snapshot: Snapshot) -> float:
        """Looks at how the run is now; returns for how many seconds it has been silent.

        That is 0 where a result came since the last look, or no source plays: all are lost, have
        ended or are not open yet.
        """
        now_s = self._clock()
        frames = sum(source.frames for source in snapshot.sources)
        states = {source.state for source in snapshot.sources}
        came, plays = frames != self._frames, "playing" in states
        if came or not plays or self._well_s is None:
            self._frames, self._well_s = frames, now_s
        self.begun = self.begun or came or ("lost" in states and not plays)
        return now_s - self._well_s

    def lasts_s(self) -> float:
        """Returns for how many seconds it lasts now, whether anybody looked since or not."""
        return 0.0 if self._well_s is None else self._clock() - self._well_s
