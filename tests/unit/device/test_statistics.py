import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.device.statistics import (
    nearest_rank,
    quantiles,
    serial_fps,
    share,
    stalled_percent,
)


def test_quantiles_are_nearest_rank_of_hand_counted_samples() -> None:
    samples = [float(value) for value in range(200, 0, -1)]
    found = quantiles(samples)
    assert (found.min, found.median, found.p95, found.p99) == (1, 100, 190, 198)


@pytest.mark.parametrize(
    ("n", "fraction", "rank"), [(1, 0.99, 1), (20, 0.95, 19), (5, 0.5, 3), (100, 0.07, 7)]
)
def test_rank_is_not_pushed_up_by_rounding(n: int, fraction: float, rank: int) -> None:
    assert nearest_rank([float(value) for value in range(1, n + 1)], fraction) == rank


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.floats(0.01, 1))
def test_a_quantile_is_a_sample_that_enough_samples_do_not_exceed(
    samples: list[float], fraction: float
) -> None:
    value = nearest_rank(samples, fraction)
    assert value in samples
    assert sum(sample <= value for sample in samples) >= fraction * len(samples) - 1e-6


def test_fps_is_frames_over_the_sum_of_their_times() -> None:
    assert serial_fps([10.0, 30.0]) == 50.0


@given(st.integers(1, 1000), st.integers(1, 50))
def test_shares_add_up_and_differ_by_one_at_most(total: int, parts: int) -> None:
    blocks = share(total, parts)
    assert sum(blocks) == total
    assert min(blocks) >= 1
    assert max(blocks) - min(blocks) <= 1


def test_stalled_share_comes_from_the_difference_of_the_totals() -> None:
    assert stalled_percent(1_000_000, 1_500_000, 2.0) == 25.0
    assert stalled_percent(None, 5, 1.0) is None
    assert stalled_percent(0, 10**9, 1.0) == 100.0
