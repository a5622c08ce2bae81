from collections.abc import Iterable
from pathlib import Path

import pytest

from edgescale.selection.budget import Budget
from edgescale.stream.recertify import (
    WARM_UP_RESULTS,
    Limit,
    Recertifier,
    Verdict,
    contradiction,
    fewest_to_prove,
    limit_of,
    sentence,
)
from tests.fakes import fake_family, measured

BUDGET = Limit(10.0, 95, budgeted=True)
OWN = Limit(10.0, 95, budgeted=False)


def fed(one: Recertifier, latencies_ms: Iterable[float]) -> list[Verdict]:
    verdicts = (one.observe(latency_ms) for latency_ms in latencies_ms)
    return [verdict for verdict in verdicts if verdict is not None]


def warm(limit: Limit = BUDGET) -> Recertifier:
    one = Recertifier(limit)
    assert fed(one, [99.0] * WARM_UP_RESULTS) == []  # the first ones do not count
    return one


def test_the_counts_are_those_of_the_tables() -> None:
    assert (fewest_to_prove(0.05), fewest_to_prove(0.01)) == (59, 299)
    # P(X >= 7 | 59, .05) = .032, P(X >= 6) = .080
    assert (contradiction(59, 0.05), contradiction(299, 0.01)) == (7, 7)
    assert (contradiction(1, 0.05), contradiction(10, 0.05)) == (2, 3)


def test_no_result_over_the_budget_in_59_confirms_once() -> None:
    one = warm()
    assert fed(one, [9.0] * 58) == []
    assert fed(one, [10.0]) == [Verdict(True, 59, 0, BUDGET)]
    assert fed(one, [99.0] * 200) == []
    assert one.close() is None


def test_a_p99_takes_299() -> None:
    limit = Limit(10.0, 99, budgeted=True)
    (verdict,) = fed(warm(limit), [9.0] * 500)
    assert (verdict.confirmed, verdict.n) == (True, 299)


def test_too_many_over_it_doubt_as_soon_as_they_are_there() -> None:
    (verdict,) = fed(warm(), [9.0, 11.0] * 100)
    assert (verdict.confirmed, verdict.n, verdict.over) == (False, 14, 7)


@pytest.mark.parametrize("over", [1, 6])
def test_some_over_the_budget_say_neither(over: int) -> None:
    (verdict,) = fed(warm(), [11.0] * over + [9.0] * 59)
    assert (verdict.confirmed, verdict.n, verdict.over) == (None, 59, over)


@pytest.mark.parametrize("over", [0, 6])
def test_of_its_own_p95_some_must_be_over(over: int) -> None:
    (verdict,) = fed(warm(OWN), [11.0] * over + [9.0] * 59)
    assert verdict.confirmed


def test_closed_early_it_judges_what_came() -> None:
    one = warm()
    assert fed(one, [11.0] * 5 + [9.0] * 5) == []
    verdict = one.close()
    assert verdict is not None
    assert (verdict.confirmed, verdict.n, verdict.over) == (False, 10, 5)
    one = warm()
    fed(one, [9.0] * 30)
    verdict = one.close()
    assert verdict is not None
    assert verdict.confirmed is None
    assert warm().close() is None


def test_the_budget_is_the_limit_or_else_the_profile_with_room(tmp_path: Path) -> None:
    (variant,) = fake_family(tmp_path, {"phi0": 1}).manifest.variants
    known = measured(variant, p95_ms=20.0, n=200)
    assert limit_of(Budget(latency_ms=7.0, percentile=99), known) == Limit(7.0, 99, budgeted=True)
    limit = limit_of(Budget(), known)
    assert limit is not None
    assert limit.ms == pytest.approx(1.25 * 1.1 * 20.0)  # the interval's upper end is a slow one
    assert not limit.budgeted
    assert limit_of(Budget(), measured(variant, n=20)) is None  # too few for an upper end


def test_the_sentence_says_what_follows() -> None:
    assert sentence(Verdict(True, 59, 0, BUDGET), "phi1") == (
        "0 of the first 59 results of 'phi1' took longer than the budget (10.0 ms): its profile"
        " holds"
    )
    doubted = sentence(Verdict(False, 14, 7, OWN), "phi1")
    assert "a quarter above the profile's p95 (10.0 ms)" in doubted
    assert doubted.endswith("the next start measures again")
