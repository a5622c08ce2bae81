"""Does a variant keep a limit on its time? Tests that stop as soon as the answer is clear.

A mean says nothing about the tail: "mean under the budget" picks a variant that breaks its p95 in
two of five simulated worlds. Counting exceedances needs no shape of the distribution.

Sources: A. Wald, Sequential Tests of Statistical Hypotheses (1945), section 5.3, binomial case; for
the rate, the interval of block means (Law, Simulation Modeling and Analysis, 9.5.3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Protocol

from edgescale.device.statistics import at_most, exceedances

FITS, DOES_NOT_FIT, UNDECIDED = "fits", "does not fit", "undecided"

_BLOCK_RUNS = 10  # runs beside each other are alike; means of blocks are less so
_RATE_RUNS = (100, 600)
_RATE_LOOKS = _RATE_RUNS[1] // _RATE_RUNS[0]
_CHUNK_RUNS = 10
_MOST_OF_CHUNK = 2  # exceedances that count towards a no: one slow moment is not five of them
_STORED_RUNS = 50  # so many more than the test needed were not measured for it
_WRONG = 0.05


@dataclass(frozen=True)
class Trial:
    """What a test says of one variant: the state, and the runs it stands on.

    ``exceedances`` counts the runs over a latency limit; a rate has none.
    """

    state: str
    n: int
    exceedances: int | None


def worst_state(trials: Sequence[Trial]) -> str:
    """Returns what several tests of one variant come to; none at all fits."""
    states = [trial.state for trial in trials]
    return next((one for one in (DOES_NOT_FIT, UNDECIDED) if one in states), FITS)


class LimitTest(Protocol):
    """A limit on the time of a run, and how it is tested."""

    @property
    def median_within_ms(self) -> float:
        """Returns the largest median with which a variant is worth the test."""

    @property
    def median_hopeless_ms(self) -> float:
        """Returns the median from which on the test would be a waste."""

    @property
    def fewest_runs(self) -> int:
        """Returns how many runs the quickest yes takes."""

    @property
    def most_runs(self) -> int:
        """Returns where the test gives up."""

    def wanted_runs(self, n: int) -> int:
        """Returns how many runs the next look at the answer needs after one at n."""

    def judge(self, latencies_ms: Sequence[float]) -> Trial:
        """Judges latencies in the order they were measured."""


@dataclass(frozen=True)
class Rule:
    """When the test of a percentile says yes, no, or gives up.

    Attributes:
        allowed: share of the runs that may exceed the limit, 0.05 for a p95.
        clear: a share at which the answer should be yes; between the two lies the indifference
            zone, where either answer is as good.
        wrong: chance of a yes at ``allowed``, and of a no at ``clear``.
        most_runs: where it gives up.
    """

    allowed: float
    clear: float
    wrong: float
    most_runs: int

    @property
    def step_over(self) -> float:
        """Returns what a run over the limit adds to the log likelihood ratio of no against yes."""
        return math.log(self.allowed / self.clear)

    @property
    def step_under(self) -> float:
        """Returns what a run within the limit adds to it; negative."""
        return math.log((1 - self.allowed) / (1 - self.clear))

    @property
    def decided(self) -> float:
        """Returns the log likelihood ratio that is a no, and whose negative is a yes."""
        return math.log((1 - self.wrong) / self.wrong)

    @property
    def fewest_runs(self) -> int:
        """Returns how many runs a yes takes when none exceeds the limit."""
        return math.ceil(self.decided / -self.step_under)


RULES = {
    95: Rule(allowed=0.05, clear=0.025, wrong=0.05, most_runs=600),
    99: Rule(allowed=0.01, clear=0.005, wrong=0.05, most_runs=3000),
}


@dataclass(frozen=True)
class TailLimit:
    """A limit on a percentile of the latency, tested by counting what exceeds it.

    Runs beside each other share their moment, so for a no at most two of every ten in a row count;
    for a yes all do. More exceedances at every point never turn a no into a yes, so raising the
    limit never turns a yes into a no.
    """

    limit_ms: float
    rule: Rule

    @property
    def median_within_ms(self) -> float:
        """Returns the limit less 5 %: a median closer to it leaves no room for a tail."""
        return self.limit_ms / 1.05

    @property
    def median_hopeless_ms(self) -> float:
        """Returns the limit and 10 %: few medians of few runs miss by more."""
        return 1.1 * self.limit_ms

    @property
    def fewest_runs(self) -> int:
        """Returns how many runs the quickest yes takes."""
        return self.rule.fewest_runs

    @property
    def most_runs(self) -> int:
        """Returns where the test gives up."""
        return self.rule.most_runs

    def wanted_runs(self, n: int) -> int:
        """Returns ten more each time, as a clear no comes early; no more than a yes takes."""
        fewest, more = self.rule.fewest_runs, n + _CHUNK_RUNS
        return min(self.rule.most_runs, fewest if n < fewest < more else more)

    def judge(self, latencies_ms: Sequence[float]) -> Trial:
        """Judges latencies in the order they were measured.

        Where a profile holds many more than the sequential test needed, all of them count: an exact
        binomial test goes before it.
        """
        trial, n = self._in_order(latencies_ms), len(latencies_ms)
        if n < trial.n + _STORED_RUNS:
            return trial
        over = exceedances(latencies_ms, self.limit_ms)
        if at_most(over, n, self.rule.allowed) <= self.rule.wrong:
            return Trial(FITS, n, over)
        if over and 1 - at_most(over - 1, n, self.rule.allowed) <= self.rule.wrong:
            return Trial(DOES_NOT_FIT, n, over)
        return trial

    def _in_order(self, latencies_ms: Sequence[float]) -> Trial:
        rule = self.rule
        over_step, under_step, decided = rule.step_over, rule.step_under, rule.decided
        no = yes = 0.0
        over = of_chunk = 0
        for n, latency_ms in enumerate(latencies_ms[: rule.most_runs], start=1):
            exceeds = latency_ms > self.limit_ms
            over += exceeds
            of_chunk = exceeds + (of_chunk if n % _CHUNK_RUNS != 1 else 0)
            yes += over_step if exceeds else under_step
            if not exceeds or of_chunk <= _MOST_OF_CHUNK:
                no += over_step if exceeds else under_step
            if no >= decided:
                return Trial(DOES_NOT_FIT, n, over)
            if yes <= -decided:
                return Trial(FITS, n, over)
        return Trial(UNDECIDED, min(len(latencies_ms), rule.most_runs), over)


@dataclass(frozen=True)
class RateLimit:
    """A limit on the mean time of a run: as many frames per second, one after another."""

    limit_ms: float

    @property
    def median_within_ms(self) -> float:
        """Returns the limit."""
        return self.limit_ms

    @property
    def median_hopeless_ms(self) -> float:
        """Returns the limit and 10 %: few medians of few runs miss by more."""
        return 1.1 * self.limit_ms

    @property
    def fewest_runs(self) -> int:
        """Returns how many runs the quickest yes takes."""
        return _RATE_RUNS[0]

    @property
    def most_runs(self) -> int:
        """Returns where the test gives up."""
        return _RATE_RUNS[1]

    def wanted_runs(self, n: int) -> int:
        """Returns the next hundred."""
        fewest, most = _RATE_RUNS
        return min(most, fewest * (n // fewest + 1))

    def judge(self, latencies_ms: Sequence[float]) -> Trial:
        """Judges by an interval of the mean of block means, at each hundred runs.

        The 5 % of wrong answers are shared out over the looks.
        """
        fewest, most = _RATE_RUNS
        n = 0
        for n in range(fewest, min(most, len(latencies_ms)) + 1, fewest):
            low_ms, high_ms = mean_interval(latencies_ms[:n])
            if high_ms <= self.limit_ms:
                return Trial(FITS, n, None)
            if low_ms > self.limit_ms:
                return Trial(DOES_NOT_FIT, n, None)
        return Trial(UNDECIDED, n, None)


def mean_interval(latencies_ms: Sequence[float]) -> tuple[float, float]:
    """Returns both ends of an interval of the mean of at least 20 latencies, by blocks.

    One of the looks that a test may take at it is wrong on one side with a chance of 5 % at most.
    """
    starts = range(0, len(latencies_ms) - _BLOCK_RUNS + 1, _BLOCK_RUNS)
    blocks = [fmean(latencies_ms[start : start + _BLOCK_RUNS]) for start in starts]
    half_ms = _student(len(blocks) - 1) * stdev(blocks) / math.sqrt(len(blocks))
    middle_ms = fmean(blocks)
    return middle_ms - half_ms, middle_ms + half_ms


def _student(freedom: int) -> float:
    """Returns the quantile of Student's t for one look (Abramowitz and Stegun, 26.7.5)."""
    z = NormalDist().inv_cdf(1 - _WRONG / _RATE_LOOKS)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
