"""The search for the largest variant, on figures whose truth is known."""

import random
from collections.abc import Sequence

import pytest

from edgescale.selection.policy import LargestWithin, Search
from edgescale.selection.sequential import FITS, RULES, TailLimit
from tools.simulate_policy import Drawn, certified, score, worlds


class Fixed:
    """Every run of a variant takes the same time; None cannot run. Counts the runs."""

    def __init__(self, **times_ms: float | None) -> None:
        self.times_ms = times_ms
        self.runs: dict[str, int] = {}

    def latencies(self, variant: str, count: int) -> Sequence[float]:
        time_ms = self.times_ms[variant]
        if time_ms is None:
            return ()
        self.runs[variant] = max(self.runs.get(variant, 0), count)
        return [time_ms] * count


def search(figures: Fixed, limit_ms: float) -> Search:
    return LargestWithin(figures, [TailLimit(limit_ms, RULES[95])]).search(list(figures.times_ms))


@pytest.mark.parametrize(
    ("limit_ms", "chosen"), [(0.5, None), (1.0, "a"), (3.9, "c"), (4.0, "d"), (99.0, "e")]
)
def test_finds_the_largest_within_the_limit(limit_ms: float, chosen: str | None) -> None:
    figures = Fixed(a=1.0, b=2.0, c=3.0, d=4.0, e=5.0)
    assert search(figures, limit_ms).chosen == chosen


def test_only_what_matters_is_measured() -> None:
    figures = Fixed(**{f"v{index}": 1.35**index for index in range(9)})
    found = search(figures, 1.1 * 1.35**3)
    assert found.chosen == "v3"
    assert found.state("v3") == FITS
    assert figures.runs == {"v4": 10, "v1": 5, "v2": 5, "v3": 114}
    assert found.state("v8") is None


def test_a_slow_first_look_does_not_end_the_search() -> None:
    class Waking(Fixed):
        def latencies(self, variant: str, count: int) -> Sequence[float]:
            found = list(super().latencies(variant, count))
            return [9 * ms for ms in found[:5]] + found[5:] if variant == "b" else found

    found = search(Waking(a=1.0, b=2.0, c=3.0), 2.5)
    assert found.chosen == "b"
    assert found.looks["b"] == 2.0


@pytest.mark.parametrize("broken", ["a", "c", "d", "e"])
def test_a_variant_that_cannot_run_hides_no_other(broken: str) -> None:
    times: dict[str, float | None] = dict(zip("abcde", (1.0, 2.0, 3.0, 4.0, 5.0), strict=True))
    found = search(Fixed(**(times | {broken: None})), 4.5)
    assert found.chosen == ("c" if broken == "d" else "d")
    assert broken not in found.looks


def test_one_that_breaks_another_limit_is_not_chosen() -> None:
    figures = Fixed(a=1.0, b=2.0, c=3.0)
    tests = [TailLimit(10.0, RULES[95])]
    found = LargestWithin(figures, tests, lambda name: name != "c").search(["a", "b", "c"])
    assert found.chosen == "b"


def test_without_a_limit_nothing_is_tested() -> None:
    figures = Fixed(a=1.0, b=2.0, c=3.0)
    assert LargestWithin(figures, []).search(["a", "b", "c"]).chosen == "c"
    assert set(figures.runs.values()) == {5}


def test_in_simulated_worlds_the_choice_keeps_the_budget() -> None:
    # The gates are those of tools/simulate_policy.py, which takes five times as many.
    found = score(certified, worlds(1000, seed=7))
    assert found.violations <= 0.005
    assert found.regret <= 0.30
    assert found.exact >= 0.77
    assert found.runs <= 450


def test_a_larger_budget_never_gives_a_smaller_variant() -> None:
    names = [str(index) for index in range(9)]
    random.seed(5)
    for world, limit_ms in worlds(40, seed=3):
        limits = sorted(limit_ms * random.uniform(0.8, 1.25) for _ in range(6))
        chosen = [certified(names, Drawn(world), one) for one in limits]
        places = [-1 if name is None else int(name) for name in chosen]
        assert places == sorted(places)
