"""Whether the run serves: what a supervisor of containers asks for, and may restart it for."""

import time
from collections.abc import Callable

from edgescale.stream.silence import Silence
from edgescale.stream.snapshot import Snapshot

SILENCE_S = 30.0


class Health:
    """Judges by the snapshots it is shown, about one a second.

    Args:
        pause_s: how long results may stay away because the user wants few.
        clock: monotonic seconds.
    """

    def __init__(self, pause_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowed_s = max(SILENCE_S, pause_s)
        self._silence = Silence(clock)

    def observe(self, snapshot: Snapshot) -> None:
        """Looks at how the run is now."""
        self._silence.observe(snapshot)

    def serving(self) -> bool:
        """Says whether a result came in the last 30 s, or in the pause where that is longer.

        While no source plays none can come: then it serves, once it has begun, as long as it is
        still shown that. Before the first result or outage it does not serve yet.
        """
        return self._silence.begun and self._silence.lasts_s() <= self._allowed_s
