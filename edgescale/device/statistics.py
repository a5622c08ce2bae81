"""Samples to the figures of a profile: pure, so that a test can check them by hand.

Quantiles are nearest-rank: the smallest sample that at least a fraction q of all samples do not
exceed. It is always a value that was measured, never one between two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantiles:
    """What is kept of a list of times in milliseconds; quantiles are nearest-rank."""

    min: float
    median: float
    p95: float
    p99: float


def nearest_rank(samples: Sequence[float], fraction: float) -> float:
    """Returns the nearest-rank quantile of at least one sample, 0 < fraction <= 1."""
    # Rounded first: 0.95 * 20 is 19.000000000000004 in floats, and its ceiling would be 20.
    rank = math.ceil(round(fraction * len(samples), 9))
    return sorted(samples)[max(1, rank) - 1]


def quantiles(samples: Sequence[float]) -> Quantiles:
    """Returns the quantiles that a profile keeps of at least one sample."""
    return Quantiles(
        min=min(samples),
        median=nearest_rank(samples, 0.5),
        p95=nearest_rank(samples, 0.95),
        p99=nearest_rank(samples, 0.99),
    )


def serial_fps(latencies_ms: Sequence[float]) -> float:
    """Returns the frames per second of one frame after another: n over the sum of their times."""
    return 1000 * len(latencies_ms) / sum(latencies_ms)


def stalled_percent(before_us: int | None, after_us: int | None, wall_s: float) -> float | None:
    """Returns the share of a span in which some task waited for a CPU, from PSI totals."""
    if before_us is None or after_us is None or wall_s <= 0:
        return None
    return min(100.0, max(0.0, (after_us - before_us) / (wall_s * 1e6) * 100))


def share(total: int, parts: int) -> tuple[int, ...]:
    """Splits a number of runs into nearly equal blocks, none of them empty."""
    parts = max(1, min(parts, total))
    return tuple(total // parts + (index < total % parts) for index in range(parts))
