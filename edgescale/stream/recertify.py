"""Do the first results of a live run bear out the profile that chose the variant?

A profile is days old, and was taken with nothing else running. Counting how many of the first
results exceed the limit costs nothing and needs no shape of the distribution; no result waits for
it. Sources of the counts: 0 of 59 proves a p95, 0 of 299 a p99, both with confidence 95 %, as
0.95**59 and 0.99**299 are below 0.05; a count is a contradiction when a true p95 or p99 would give
so many with a chance below 5 % (binomial).
"""

import math
from dataclasses import dataclass

from edgescale.device.profile import Measurement
from edgescale.device.statistics import quantile_interval
from edgescale.selection.budget import Budget
from edgescale.units import milliseconds

WARM_UP_RESULTS = 4  # a profile leaves as many out
# Without a budget nothing is broken by a drift, and a live run decodes video beside the model.
_DRIFT = 1.25
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Limit:
    """What the results are held against.

    Attributes:
        ms: the limit.
        percentile: of the results that keep it, 95 or 99.
        budgeted: whether it is the user's budget; else it is what the profile itself measured.
    """

    ms: float
    percentile: int
    budgeted: bool

    @property
    def allowed(self) -> float:
        """Returns the share that may exceed it."""
        return 1 - self.percentile / 100


@dataclass(frozen=True)
class Verdict:
    """What the first results say; ``confirmed`` is None where they say neither yes nor no."""

    confirmed: bool | None
    n: int
    over: int
    limit: Limit


def limit_of(budget: Budget, measurement: Measurement) -> Limit | None:
    """Returns the latency budget, or else a quarter above the profile's own p95.

    Above the upper end of its interval, since a p95 of a few dozen runs is itself uncertain; None
    where there are too few of them to have one.
    """
    if budget.latency_ms is not None:
        return Limit(budget.latency_ms, budget.percentile, budgeted=True)
    if not measurement.latencies_ms:
        return None
    _, high_ms = quantile_interval(measurement.latencies_ms, 0.95)
    return None if high_ms is None else Limit(_DRIFT * high_ms, 95, budgeted=False)


class Recertifier:
    """Counts the first results of a run; ``observe`` gives the verdict once."""

    def __init__(self, limit: Limit) -> None:
        """Takes what the results are held against."""
        self.limit = limit
        self._wanted = fewest_to_prove(limit.allowed)
        self._skipped = self._n = self._over = 0
        self._done = False

    def observe(self, latency_ms: float) -> Verdict | None:
        """Takes a latency and returns the verdict when it is clear or the results are in."""
        if self._done:
            return None
        if self._skipped < WARM_UP_RESULTS:
            self._skipped += 1
            return None
        self._n += 1
        self._over += latency_ms > self.limit.ms
        if self._n == self._wanted or self._over >= contradiction(self._wanted, self.limit.allowed):
            return self.close()
        return None

    def close(self) -> Verdict | None:
        """Judges what has come so far, as when another variant takes over; the verdict or None."""
        if self._done or self._n == 0:
            return None
        self._done = True
        over = self._over
        if over >= contradiction(self._n, self.limit.allowed):
            return Verdict(False, self._n, over, self.limit)
        enough = self._n == self._wanted and (over == 0 or not self.limit.budgeted)
        return Verdict(True if enough else None, self._n, over, self.limit)


def fewest_to_prove(allowed: float) -> int:
    """Returns how many results, none of them over the limit, prove the percentile: 59, 299."""
    return math.ceil(math.log(1 - _CONFIDENCE) / math.log1p(-allowed))


def contradiction(n: int, allowed: float) -> int:
    """Returns the fewest over the limit that contradict the percentile; n + 1 where none would."""
    at_least = 1.0  # the chance of so many or more
    for over in range(n + 1):
        if at_least < 1 - _CONFIDENCE:
            return over
        at_least -= math.comb(n, over) * allowed**over * (1 - allowed) ** (n - over)
    return n + 1


def sentence(verdict: Verdict, variant: str) -> str:
    """Returns a verdict in words."""
    limit = verdict.limit
    whose = "the budget" if limit.budgeted else f"a quarter above the profile's p{limit.percentile}"
    counted = (
        f"{verdict.over} of the first {verdict.n} results of '{variant}' took longer than {whose}"
        f" ({milliseconds(limit.ms)})"
    )
    if verdict.confirmed:
        return f"{counted}: its profile holds"
    if verdict.confirmed is None:
        return f"{counted}: neither proof nor contradiction of its profile"
    return f"{counted}: too many for its profile to be true; the next start measures again"
