"""Paired differences: Student's interval and the number of seeds."""

import builtins
import math
import random
from typing import Any

import pytest

from edgescale.errors import SearchError
from edgescale.search.paired import MOST_SEEDS, paired_difference, seeds_needed, t_quantile


@pytest.mark.parametrize(
    ("probability", "degrees", "golden"),  # printed tables of Student's t
    [(0.975, 2, 4.303), (0.975, 3, 3.182), (0.975, 9, 2.262), (0.995, 4, 4.604), (0.5, 5, 0.0)],
)
def test_the_quantile_is_the_one_of_printed_tables(
    probability: float, degrees: int, golden: float
) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(golden, abs=5e-4)


def test_the_interval_is_the_textbook_s() -> None:
    difference = paired_difference([0.01, 0.02, 0.03])
    assert difference.gain == pytest.approx(0.02)
    assert difference.sd == pytest.approx(0.01)
    reach = 4.30265 * 0.01 / math.sqrt(3)
    assert difference.low == pytest.approx(0.02 - reach, abs=1e-6)
    assert difference.high == pytest.approx(0.02 + reach, abs=1e-6)
    assert not difference.better
    assert not difference.worse


def test_a_clear_gain_is_better_and_a_clear_loss_worse() -> None:
    assert paired_difference([0.050, 0.051, 0.052]).better
    assert paired_difference([-0.050, -0.051, -0.052]).worse


@pytest.mark.parametrize("gains", [[0.3], [0.3, 0.3, 0.3], [0.1 + 0.2, 0.3, 0.3], [0.0, 0.0]])
def test_one_seed_or_no_spread_proves_nothing(gains: list[float]) -> None:
    difference = paired_difference(gains)
    assert (difference.low, difference.high) == (None, None)
    assert not difference.better
    assert not difference.worse


@pytest.mark.parametrize(
    ("sd", "gain", "n"),
    [
        (1.0, 1.0, 10),  # Cohen 1988, table 2.4.1 for one sample: d = 1 needs 10
        (1.0, 0.5, 34),  # and d = 0.5 needs 34
        (1.0, -0.5, 34),
        (0.1, -5.0, 2),
        (1.0, 1e-9, MOST_SEEDS + 1),
        (1.0, 0.0, None),
        (0.0, 1.0, None),
    ],
)
def test_seeds_needed_are_those_of_the_paired_t_test(sd: float, gain: float, n: int | None) -> None:
    assert seeds_needed(sd, gain) == n


def test_seeds_needed_reach_their_power_and_no_fewer_do() -> None:
    effect, found = 1.36, seeds_needed(1.0, 1.36)
    assert found == 7
    chance = random.Random(1)

    def power(n: int) -> float:
        worlds = ([chance.gauss(effect, 1) for _ in range(n)] for _ in range(2_000))
        return sum(paired_difference(world).better for world in worlds) / 2_000

    assert power(found) > 0.78
    assert power(found - 1) < 0.80


def test_a_gap_without_spread_is_constant() -> None:
    assert paired_difference([0.1, 0.1]).constant
    assert not paired_difference([0.1]).constant
    assert not paired_difference([0.1, 0.2]).constant


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_scipy(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(SearchError, match=r"needs scipy.*pip install 'edgescale\[search\]'"):
        t_quantile(0.975, 2)
