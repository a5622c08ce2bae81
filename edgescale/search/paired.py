"""Paired differences of scores: their interval, and how many seeds a difference would need.

Trials of one seed share what chance decides, so their difference varies less than the scores do;
the interval is that of Student's t on the differences.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev

from edgescale.errors import SearchError

CONFIDENCE = 0.95
INSTALL_SEARCH = "pip install 'edgescale[search]'"
_POWER_QUANTILES = 1.96 + 0.84  # 5 % two-sided, 80 % power
_NO_SPREAD = 1e-12  # float noise of differences that are equal


@dataclass(frozen=True)
class Difference:
    """One candidate against another on the same seeds, in units of the metric.

    ``gain`` is positive where the first is better, for either metric. ``low`` and ``high`` bound it
    at ``confidence``; they are None for one seed, and where the difference is the same on every
    seed, since no interval follows from either.
    """

    gain: float
    n: int
    sd: float | None
    low: float | None
    high: float | None
    confidence: float

    @property
    def better(self) -> bool:
        """Says whether the interval lies wholly on the better side."""
        return self.low is not None and self.low > 0

    @property
    def worse(self) -> bool:
        """Says whether the interval lies wholly on the worse side."""
        return self.high is not None and self.high < 0


def seeds_needed(sd: float, gain: float) -> int | None:
    """Returns how many paired seeds show a true difference of this size, 80 % power at 5 %.

    n = ((1.96 + 0.84) * sd / gain)^2, at least 2; None for no difference.
    """
    if gain == 0:
        return None
    return max(2, math.ceil((_POWER_QUANTILES * sd / gain) ** 2))


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
    try:
        from scipy.stats import t
    except ImportError as problem:
        raise SearchError(
            f"a verdict needs scipy, which is not installed; install it with: {INSTALL_SEARCH}"
        ) from problem
    return float(t.ppf(probability, degrees))
