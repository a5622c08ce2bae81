"""Times of months in the memory of a minute: counts in buckets of fixed width on a log scale.

Percentiles of all frames would need all frames; a bucket's width, a quarter of its value, is finer
than what differs from day to day. The bounds are the preferred numbers of ISO 3 (R10), so that they
read well in Prometheus too.
"""

from bisect import bisect_left
from itertools import accumulate

from edgescale.stream.snapshot import StageLatency

_R10 = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
# 10 us to 100 s; what is longer goes into one more bucket.
BOUNDS_MS = (*(round(one * 10.0**power, 9) for power in range(-2, 5) for one in _R10), 1e5)


class Histogram:
    """Counts times in milliseconds; its size does not depend on how many."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_MS) + 1)
        self._sum_ms = 0.0

    def add(self, time_ms: float) -> None:
        """Counts one time; a bucket holds what is at most its bound."""
        self._counts[bisect_left(BOUNDS_MS, time_ms)] += 1
        self._sum_ms += time_ms

    @property
    def count(self) -> int:
        """Returns how many were counted."""
        return sum(self._counts)

    def quantile_ms(self, fraction: float) -> float | None:
        """Returns the quantile, on a line through its bucket; None without a time.

        What lies beyond the last bound is given as that bound.

        Args:
            fraction: above 0, at most 1.
        """
        rank, below = fraction * self.count, 0
        if rank <= 0:
            return None
        for index, count in enumerate(self._counts[:-1]):
            if count and below + count >= rank:
                lower = BOUNDS_MS[index - 1] if index else 0.0
                return lower + (BOUNDS_MS[index] - lower) * (rank - below) / count
            below += count
        return BOUNDS_MS[-1]

    def stage(self, name: str) -> StageLatency:
        """Returns all of it as the latency of a stage."""
        return StageLatency(
            stage=name,
            count=self.count,
            sum_ms=self._sum_ms,
            p50_ms=self.quantile_ms(0.5),
            p95_ms=self.quantile_ms(0.95),
            p99_ms=self.quantile_ms(0.99),
            buckets=tuple(zip(BOUNDS_MS, accumulate(self._counts[:-1]), strict=True)),
        )
