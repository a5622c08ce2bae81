"""Whether the run serves: what a supervisor of containers asks for, and may restart it for."""

import time
from collections.abc import Callable, Mapping

from edgescale.stream.silence import Silence
from edgescale.stream.snapshot import Snapshot

SILENCE_S = 30.0


class Health:
    """Judges by the snapshots it is shown, about one a second.

    Args:
        pauses_s: how long results may stay away because the user wants few, by source.
        clock: monotonic seconds.
    """

    def __init__(
        self, pauses_s: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._silence = Silence(pauses_s, clock)

    def observe(self, snapshot: Snapshot) -> None:
        """Looks at how the run is now."""
        self._silence.observe(snapshot)

    def serving(self) -> bool:
        """Says whether a result came in the last 30 s, or in the pause where that is longer.

        While no source plays none can come: then it serves, once it has begun, as long as it is
        still shown that. Before the first result or outage it does not serve yet.
        """
        allowed_s = max(SILENCE_S, self._silence.wanted_s)
        return self._silence.begun and self._silence.lasts_s() <= allowed_s
