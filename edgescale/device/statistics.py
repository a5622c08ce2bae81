"""Samples to the figures of a profile: pure, so that a test can check them by hand.

Quantiles are nearest-rank: the smallest sample that at least a fraction q of all samples do not
exceed. It is always a value that was measured, never one between two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_FEWEST_FOR_AUTOCORRELATION = 20  # below, the standard error of 1 / sqrt(n) says nothing


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


def quantile_interval(
    samples: Sequence[float], fraction: float, confidence: float = 0.95
) -> tuple[float, float | None]:
    """Returns an interval that holds the true quantile with this confidence, whatever the law.

    The ends are order statistics: of n independent samples the number below the true quantile is
    binomial (n, fraction), and each end may miss with half of what confidence leaves (David and
    Nagaraja 2003, Order Statistics, 7.1).

    Args:
        samples: at least one time, none of them negative.
        fraction: of the quantile, above 0 and below 1.
        confidence: of the interval, above 0 and below 1.

    Returns:
        The lower end (0 where there are too few samples to give one) and the upper end (None where
        there are too few: 95 % confidence takes 72 samples for a p95 and 368 for a p99).
    """
    ordered = sorted(samples)
    low, high = _interval_ranks(len(ordered), fraction, confidence)
    return ordered[low - 1] if low else 0.0, None if high is None else ordered[high - 1]


@lru_cache(maxsize=256)
def _interval_ranks(n: int, fraction: float, confidence: float) -> tuple[int, int | None]:
    """Returns the ranks (1 is the smallest) of both ends; 0 and None are "no such sample"."""
    miss = (1 - confidence) / 2
    log_yes, log_no = math.log(fraction), math.log1p(-fraction)
    below, low = 0.0, 0
    for count in range(n):
        ways = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
        below += math.exp(ways + count * log_yes + (n - count) * log_no)
        if below <= miss:
            low = count + 1
        if below >= 1 - miss:
            return low, count + 1
    return low, None


def at_most(count: int, n: int, share: float) -> float:
    """Returns the chance of at most ``count`` of n independent trials, each of chance ``share``."""
    yes, no = math.log(share), math.log1p(-share)
    return math.fsum(
        math.exp(
            math.lgamma(n + 1)
            - math.lgamma(k + 1)
            - math.lgamma(n - k + 1)
            + k * yes
            + (n - k) * no
        )
        for k in range(count + 1)
    )


def autocorrelation(samples: Sequence[float]) -> float | None:
    """Returns the lag-1 autocorrelation of samples in the order taken, None below 20 of them.

    Constant samples have none: 0.
    """
    if len(samples) < _FEWEST_FOR_AUTOCORRELATION:
        return None
    mean = math.fsum(samples) / len(samples)
    errors = [sample - mean for sample in samples]
    square = math.fsum(error * error for error in errors)
    if square == 0:
        return 0.0
    return math.fsum(one * two for one, two in pairwise(errors)) / square


def exceedances(samples: Sequence[float], limit: float) -> int:
    """Returns how many samples lie above a limit."""
    return sum(sample > limit for sample in samples)


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
