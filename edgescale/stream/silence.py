"""How long a run has been silent without a reason: one judgement for whoever may restart it.

The page's health check and systemd's watchdog both look at it. A camera that is away is no reason
to restart, the run tries to reach it and says so; nor is one of which only a picture a minute is
wanted. That a source plays and no result comes is one.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from edgescale.stream.snapshot import Snapshot
from edgescale.stream.sources.source_spec import SourceSpec

_INTERVALS = 3  # a source may miss its moment, but not thrice


def wanted_pauses_s(specs: Sequence[SourceSpec]) -> dict[str, float]:
    """Returns for how many seconds a source may give no result because the user wants few.

    By its name; that is three intervals of its ``max_fps``. One without is not in it.
    """
    return {spec.name: _INTERVALS / spec.max_fps for spec in specs if spec.max_fps is not None}


class Silence:
    """Follows a run by the snapshots it is shown, about one a second.

    Args:
        pauses_s: of ``wanted_pauses_s``.
        clock: monotonic seconds.

    Attributes:
        wanted_s: for how many seconds it may be silent now: the least of the sources that play.
        begun: whether a result ever came, or was known not to: before that the run opens its
            sources and loads its model.
    """

    def __init__(
        self, pauses_s: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pauses_s, self._clock = pauses_s, clock
        self._frames = 0
        self._well_s: float | None = None  # when a result came, or no source played
        self.begun = False
        self.wanted_s = 0.0

    def observe(self, snapshot: Snapshot) -> float:
        """Looks at how the run is now; returns for how many seconds it has been silent.

        That is 0 where a result came since the last look, or no source plays: all are lost, have
        ended or are not open yet.
        """
        now_s = self._clock()
        frames = sum(source.frames for source in snapshot.sources)
        states = {source.state for source in snapshot.sources}
        playing = [source.name for source in snapshot.sources if source.state == "playing"]
        self.wanted_s = min((self._pauses_s.get(name, 0.0) for name in playing), default=0.0)
        came, plays = frames != self._frames, bool(playing)
        if came or not plays or self._well_s is None:
            self._frames, self._well_s = frames, now_s
        self.begun = self.begun or came or ("lost" in states and not plays)
        return now_s - self._well_s

    def lasts_s(self) -> float:
        """Returns for how many seconds it lasts now, whether anybody looked since or not."""
        return 0.0 if self._well_s is None else self._clock() - self._well_s
