"""Which of the variants is the largest that keeps its limits, with as few runs as may be.

Bisection on the medians of a few runs finds about where the limit lies; tests that stop early then
certify the candidate, go down where it fails, and up where the next one might do too. Raising a
limit never lowers the answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edgescale.device.statistics import nearest_rank
from edgescale.selection.sequential import FITS, UNDECIDED, LimitTest, Trial, worst_state

LOOK_RUNS = 5


class Sampler(Protocol):
    """Where latencies come from: a stored profile, a measurement made now, or a simulation."""

    def latencies(self, variant: str, count: int) -> Sequence[float]:
        """Returns at least ``count`` latencies of a variant in ms, fewer where it does not run.

        The same variant gives the same latencies in the same order however often it is asked.
        """


@dataclass
class Search:
    """What the search found.

    Attributes:
        chosen: the largest variant that fits, None where none does.
        looks: median in ms of each variant when it was looked at.
        trials: what each test said, by variant and in the order of the tests; without a test that
            failed there is one trial for each.
    """

    chosen: str | None = None
    looks: dict[str, float] = field(default_factory=dict)
    trials: dict[str, tuple[Trial, ...]] = field(default_factory=dict)

    def state(self, variant: str) -> str | None:
        """Returns what the tests of a variant came to, None where it was not tested."""
        return worst_state(self.trials[variant]) if variant in self.trials else None


class LargestWithin:
    """One search for the largest variant that keeps all limits.

    Args:
        sampler: gives latencies; a variant for which it has none cannot run and is passed over.
        tests: the limits on time.
        keeps: says whether a variant that was looked at keeps the other limits (memory).
    """

    def __init__(
        self,
        sampler: Sampler,
        tests: Sequence[LimitTest],
        keeps: Callable[[str], bool] = lambda variant: True,
    ) -> None:
        self._sampler, self._tests, self.keeps = sampler, tests, keeps
        self._within_ms = min((test.median_within_ms for test in tests), default=float("inf"))
        self._hopeless_ms = min((test.median_hopeless_ms for test in tests), default=float("inf"))
        self.found = Search()

    def search(self, variants: Sequence[str]) -> Search:
        """Returns what was found among variants, smallest first, along which time should rise."""
        usable = list(variants)
        index = self._bisected(usable)
        while index >= 0 and not self._certified(usable[index]):
            index -= 1
        while index + 1 < len(usable) and usable[index + 1] not in self.found.trials:
            median_ms = self.look(usable[index + 1])
            if median_ms is None:
                del usable[index + 1]
                continue
            if median_ms > self._hopeless_ms:
                median_ms = self._second_look(usable[index + 1])
            if median_ms > self._hopeless_ms or not self._certified(usable[index + 1]):
                break
            index += 1
        self.found.chosen = usable[index] if index >= 0 else None
        return self.found

    def look(self, variant: str) -> float | None:
        """Returns the median of at least a few runs in ms, None where the variant does not run."""
        if variant not in self.found.looks:
            latencies = self._sampler.latencies(variant, LOOK_RUNS)
            if not latencies:
                return None
            self.found.looks[variant] = nearest_rank(latencies, 0.5)
        return self.found.looks[variant]

    def _second_look(self, variant: str) -> float:
        """Returns the smaller of two medians: a slow moment must not end the search."""
        latencies = self._sampler.latencies(variant, 2 * LOOK_RUNS)[LOOK_RUNS : 2 * LOOK_RUNS]
        if latencies:
            again_ms = nearest_rank(latencies, 0.5)
            self.found.looks[variant] = min(self.found.looks[variant], again_ms)
        return self.found.looks[variant]

    def _bisected(self, usable: list[str]) -> int:
        """Returns the place of the largest that seems to keep the limits, or -1."""
        low, high = -1, len(usable)
        while high - low > 1:
            middle = (low + high) // 2
            median_ms = self.look(usable[middle])
            if median_ms is None:
                del usable[middle]
                high -= 1
            elif median_ms <= self._within_ms and self.keeps(usable[middle]):
                low = middle
            else:
                high = middle
        return low

    def _certified(self, variant: str) -> bool:
        """Runs the tests, measuring until each has its answer or gives up."""
        if not self.keeps(variant):
            return False
        self.found.trials[variant] = ()
        for test in self._tests:
            trial = self._trial(variant, test)
            self.found.trials[variant] += (trial,)
            if trial.state != FITS:
                return False
        return True

    def _trial(self, variant: str, test: LimitTest) -> Trial:
        wanted = test.wanted_runs(0)
        while True:
            latencies = self._sampler.latencies(variant, wanted)
            trial = test.judge(latencies)
            if trial.state != UNDECIDED or len(latencies) < wanted or wanted >= test.most_runs:
                return trial
            wanted = test.wanted_runs(wanted)
