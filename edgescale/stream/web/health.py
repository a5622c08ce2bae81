"""Whether the run serves: what a supervisor of containers asks for, and may restart it for.

A camera that is away is no reason to restart: the run tries to reach it and says so. Silence
while a source plays is one.
"""

import time
from collections.abc import Callable

from edgescale.stream.snapshot import Snapshot

SILENCE_S = 30.0


class Health:
    """Judges by the snapshots it is shown, about one a second.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._frames = 0
        self._seen_s: float | None = None  # the last snapshot
        self._result_s: float | None = None  # the last one with a new result
        self._known_outage = False

    def observe(self, snapshot: Snapshot) -> None:
        """Looks at how the run is now."""
        self._seen_s = self._clock()
        frames = sum(source.frames for source in snapshot.sources)
        if frames != self._frames:
            self._frames, self._result_s = frames, self._seen_s
        states = {source.state for source in snapshot.sources}
        self._known_outage = "lost" in states and "playing" not in states

    def serving(self) -> bool:
        """Says whether a result came in the last 30 s, or none can come and that is known."""
        return self._recent(self._result_s) or (self._known_outage and self._recent(self._seen_s))

    def _recent(self, moment_s: float | None) -> bool:
        return moment_s is not None and self._clock() - moment_s <= SILENCE_S
