"""How warm it is, for whoever watches a run: the Edge TPU, else the hottest part of the machine."""

import time
from collections.abc import Callable
from pathlib import Path

from edgescale.device.thermal import temperatures

_READING_S = 1.0  # a sensor on a slow bus may take milliseconds


class Heat:
    """Reads temperatures at most once a second.

    Args:
        edge_tpu_c: reads the Edge TPU that serves now; None where it tells nothing.
        root: where ``sys`` is; ``/`` outside tests.
        clock: in seconds, monotonic.
    """

    def __init__(
        self,
        edge_tpu_c: Callable[[], float | None],
        *,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._edge_tpu_c, self._root, self._clock = edge_tpu_c, root, clock
        self._read_s: float | None = None
        self._celsius: float | None = None

    def __call__(self) -> float | None:
        """Returns degrees Celsius, None where nothing tells."""
        now_s = self._clock()
        if self._read_s is None or now_s - self._read_s >= _READING_S:
            self._read_s = now_s
            self._celsius = self._edge_tpu_c()
            if self._celsius is None:
                found = (one.celsius for one in temperatures(self._root))
                self._celsius = max(found, default=None)
        return self._celsius
