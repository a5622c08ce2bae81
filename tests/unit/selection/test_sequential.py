import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.selection.sequential import (
    DOES_NOT_FIT,
    FITS,
    RULES,
    UNDECIDED,
    RateLimit,
    TailLimit,
    Trial,
    mean_interval,
)

P95 = TailLimit(10.0, RULES[95])


def runs(n: int, over: int) -> list[float]:
    """Returns n latencies of which these many, spread evenly, exceed 10 ms."""
    slow = {round((index + 0.5) * n / over) for index in range(over)} if over else set()
    return [11.0 if index in slow else 10.0 for index in range(n)]


# ln 19 / -ln(0.95 / 0.975) = 113.4: the fewest runs that Wald's test of 2.5 against 5 % accepts.
@pytest.mark.parametrize(("percentile", "fewest"), [(95, 114), (99, 585)])
def test_a_yes_takes_as_many_runs_as_walds_boundary_says(percentile: int, fewest: int) -> None:
    rule = RULES[percentile]
    assert rule.fewest_runs == fewest
    test = TailLimit(10.0, rule)
    assert test.judge([10.0] * (fewest - 1)) == Trial(UNDECIDED, fewest - 1, 0)
    assert test.judge([10.0] * fewest) == Trial(FITS, fewest, 0)


def test_exceedances_in_three_tens_are_a_no() -> None:
    # Two of each ten count: 5 ln 2 = 3.47 is above ln 19 = 2.94 at the fifth.
    assert P95.judge([11.0] * 50) == Trial(DOES_NOT_FIT, 21, 21)


def test_one_slow_moment_is_no_no() -> None:
    burst = [10.0] * 10 + [11.0] * 10
    assert P95.judge(burst + [10.0] * 580).state == FITS
    apart = ([10.0] * 8 + [11.0] * 2) * 3
    assert P95.judge(apart) == Trial(DOES_NOT_FIT, 30, 6)


def test_in_between_it_gives_up_at_its_most_runs() -> None:
    rare = runs(600, 22)  # 3.7 %: between 2.5 and 5
    assert P95.judge(rare) == Trial(UNDECIDED, 600, 22)


def test_many_stored_runs_all_count() -> None:
    # 114 good runs are a yes, but not beside 20 bad ones of the next 86: of 200 that is 10 %.
    assert P95.judge([10.0] * 114) == Trial(FITS, 114, 0)
    turned = [10.0] * 114 + runs(86, 20)
    assert P95.judge(turned) == Trial(DOES_NOT_FIT, 200, 20)
    # 3.5 % of 2,000 is clearly below 5 %, which 600 runs in order do not tell.
    assert P95.judge(runs(600, 22)).state == UNDECIDED
    assert P95.judge(runs(2000, 70)) == Trial(FITS, 2000, 70)


def test_a_run_exactly_at_the_limit_keeps_it() -> None:
    assert P95.judge([10.0] * 200).exceedances == 0


@given(
    st.lists(st.floats(5, 15), max_size=400),
    st.floats(6, 14),
    st.floats(0, 5),
)
def test_raising_the_limit_never_turns_a_yes_into_a_no(
    latencies: list[float], limit: float, more: float
) -> None:
    rank = {DOES_NOT_FIT: 0, UNDECIDED: 1, FITS: 2}
    below = TailLimit(limit, RULES[95]).judge(latencies).state
    above = TailLimit(limit + more, RULES[95]).judge(latencies).state
    assert rank[above] >= rank[below]


def test_a_rate_is_judged_by_the_interval_of_block_means() -> None:
    steady = [10.0, 11.0] * 50
    low, high = mean_interval(steady)
    assert low == high == 10.5
    assert RateLimit(10.5).judge(steady) == Trial(FITS, 100, None)
    assert RateLimit(10.4).judge(steady) == Trial(DOES_NOT_FIT, 100, None)
    wild = [5.0] * 50 + [15.0] * 50
    assert RateLimit(10.0).judge(wild) == Trial(UNDECIDED, 100, None)


def test_too_few_runs_leave_a_rate_undecided() -> None:
    assert RateLimit(10.0).judge([1.0] * 99) == Trial(UNDECIDED, 0, None)


def test_the_interval_of_a_mean_is_students() -> None:
    # Ten blocks with means 1..10: 5.5 +- t(9) * 3.0277 / sqrt(10), t at 1 - 0.05 / 6 is 2.933.
    latencies = [float(block) for block in range(1, 11) for _ in range(10)]
    low, high = mean_interval(latencies)
    assert (low, high) == pytest.approx((5.5 - 2.808, 5.5 + 2.808), abs=0.005)
