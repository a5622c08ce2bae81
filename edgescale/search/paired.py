"""Paired differences of scores: their interval, and how many seeds a difference would need.

Trials of one seed share what chance decides, so their difference varies less than the scores do;
the interval is that of Student's t on the differences.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any

from edgescale.errors import SearchError

CONFIDENCE = 0.95
INSTALL_SEARCH = "pip install 'edgescale[search]'"
MOST_SEEDS = 10_000
_POWER = 0.8
_FAR = 30.0  # noncentrality beyond which the power is over 98 % even for two seeds
_NO_SPREAD = 1e-12  # float noise of differences that are equal


@dataclass(frozen=True)
class Difference:
    """One candidate against another on the same seeds, in units of the metric.

    ``gain`` is positive where the first is better, for either metric. ``low`` and ``high`` bound it
    at ``confidence``; they are None for one seed, and where the difference is the same on every
    seed (``constant``), since no interval follows from either.
    """

    gain: float
    n: int
    sd: float | None
    low: float | None
    high: float | None
    confidence: float

    @property
    def constant(self) -> bool:
        """Says whether the difference is the same on every one of several seeds."""
        return self.sd is not None and self.low is None

    @property
    def better(self) -> bool:
        """Says whether the interval lies wholly on the better side."""
        return self.low is not None and self.low > 0

    @property
    def worse(self) -> bool:
        """Says whether the interval lies wholly on the worse side."""
        return self.high is not None and self.high < 0


def seeds_needed(sd: float, gain: float) -> int | None:
    """Returns how many paired seeds show a true difference of this size.

    The fewest with which the paired t test, two-sided at 5 %, finds a true difference of ``gain``
    whose standard deviation is ``sd`` with a power of at least 80 %, by the noncentral t
    distribution (Cohen 1988, section 2.3.5). ``MOST_SEEDS + 1`` stands for more than that; None
    for no difference, and for one that does not vary.

    Raises:
        SearchError: scipy is not installed.
    """
    if gain == 0 or sd < _NO_SPREAD:
        return None
    effect = abs(gain) / sd
    return 2 + bisect_left(range(2, MOST_SEEDS + 1), _POWER, key=lambda n: _power(effect, n))


def paired_difference(gains: Sequence[float], confidence: float = CONFIDENCE) -> Difference:
    """Returns the mean of paired gains with its two-sided interval of Student's t."""
    n = len(gains)
    mean = math.fsum(gains) / n
    sd = stdev(gains) if n > 1 else None
    if sd is None or sd < _NO_SPREAD:
        return Difference(mean, n, sd, None, None, confidence)
    reach = t_quantile(0.5 + confidence / 2, n - 1) * sd / math.sqrt(n)
    return Difference(mean, n, sd, mean - reach, mean + reach, confidence)


def t_quantile(probability: float, degrees: int) -> float:
    """Returns a quantile of Student's t distribution.

    Raises:
        SearchError: scipy is not installed.
    """
    return float(_distributions().t.ppf(probability, degrees))


def _power(effect: float, n: int) -> float:
    """Returns how often n pairs show a difference of so many of its standard deviations."""
    away = min(_FAR, effect * math.sqrt(n))
    needed = t_quantile(0.5 + CONFIDENCE / 2, n - 1)
    distribution = _distributions().nct
    beyond = distribution.sf(needed, n - 1, away) + distribution.cdf(-needed, n - 1, away)
    return float(beyond)


def _distributions() -> Any:
    try:
        from scipy import stats
    except ImportError as problem:
        raise SearchError(
            f"a verdict needs scipy, which is not installed; install it with: {INSTALL_SEARCH}"
        ) from problem
    return stats
