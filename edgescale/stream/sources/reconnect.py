"""When a lost stream is tried again, and which of its first frames are too old to be used.

A server or camera hands out what it has buffered as soon as it is reached: a second of the past, at
the speed of the decoder. Only a frame that had to be waited for is of now.
"""

from collections import deque
from collections.abc import Callable
from statistics import median

SHORTEST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
_PROBE_EVERY_S = 0.5
# A stream that never has to be waited for is faster than its decoder: nothing newer will come.
_LONGEST_DRAIN_S = 1.0
_USUAL_INTERVAL_S = 1 / 30
# One wait may be the scheduler's; two in a row are the source's.
_WAITS_IN_A_ROW = 2


class BackOff:
    """Waits between attempts: from 0.25 s doubling to 5 s, from start to start of the attempts.

    An attempt that itself took long (a server that accepts and says nothing) thus needs no further
    wait, and the stream is noticed to be back soon after it is.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], object]) -> None:
        """Waits by ``sleep``, which may return early when all shall end."""
        self._clock, self._sleep = clock, sleep
        self._wait_s = SHORTEST_WAIT_S
        self._started_s: float | None = None

    def reset(self) -> None:
        """Begins anew: a frame has come."""
        self._wait_s, self._started_s = SHORTEST_WAIT_S, None

    def wait(self, reachable: Callable[[], bool] | None, stopped: Callable[[], bool]) -> None:
        """Waits until the next attempt is due.

        Args:
            reachable: looks whether the place answers; when it begins to, the wait is over.
            stopped: says that all shall end.
        """
        now_s = self._clock()
        took_s = 0.0 if self._started_s is None else max(0.0, now_s - self._started_s)
        left_s = max(SHORTEST_WAIT_S, self._wait_s - took_s)
        self._wait_s = min(LONGEST_WAIT_S, 2 * self._wait_s)
        was_reachable = True
        while left_s > 0 and not stopped():
            slice_s = min(left_s, _PROBE_EVERY_S)
            self._sleep(slice_s)
            left_s -= slice_s
            if left_s > 0 and reachable is not None:
                is_reachable = reachable()
                if is_reachable and not was_reachable:
                    break
                was_reachable = is_reachable
        self._started_s = self._clock()


class Staleness:
    """Tells the frames of a backlog from those of now, by how long each was waited for."""

    def __init__(self, *, drain: bool) -> None:
        """Drains after each opening, or never."""
        self._drain = drain
        self._waits_s: deque[float] = deque(maxlen=31)
        self._draining, self._in_a_row = drain, 0
        self._since_s: float | None = None
        self._starved = False

    def opened(self) -> None:
        """Begins anew after an opening; what was learnt of the interval is kept."""
        self._draining, self._in_a_row, self._since_s = self._drain and not self._starved, 0, None

    def lost(self) -> bool:
        """Notes that no more frames come; says whether some came and all were of a backlog.

        The next openings are then not drained, until frames have to be waited for: a short file on
        a server, or a stream that always breaks off early, would else never give one.
        """
        starved = self._draining and self._since_s is not None
        self._starved = self._starved or starved
        return starved

    def is_stale(self, waited_s: float, interval_s: float, now_s: float) -> bool:
        """Says whether the frame at hand is of a backlog.

        Args:
            waited_s: how long it was waited for, without the work of decoding it.
            interval_s: since the frame before.
            now_s: monotonic clock.
        """
        if not self._draining and not self._starved:
            self._waits_s.append(interval_s)
            return False
        if self._since_s is None:
            self._since_s = now_s
        usual_s = median(self._waits_s) if self._waits_s else _USUAL_INTERVAL_S
        self._in_a_row = self._in_a_row + 1 if waited_s >= usual_s / 2 else 0
        is_live = self._in_a_row >= _WAITS_IN_A_ROW
        self._starved = self._starved and not is_live
        self._draining = (
            self._draining and not is_live and 0 <= now_s - self._since_s < _LONGEST_DRAIN_S
        )
        return self._draining
