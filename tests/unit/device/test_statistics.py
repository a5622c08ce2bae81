import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.device.statistics import (
    autocorrelation,
    exceedances,
    nearest_rank,
    quantile_interval,
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


@pytest.mark.parametrize(
    ("n", "fraction", "low", "high"),
    [
        pytest.param(200, 0.95, 184, 197, id="p95 of 200"),
        pytest.param(71, 0.95, 63, None, id="one too few for the upper end of a p95"),
        pytest.param(72, 0.95, 64, 72, id="just enough for it"),
        pytest.param(367, 0.99, 359, None, id="one too few for a p99"),
        pytest.param(368, 0.99, 360, 368, id="just enough for a p99"),
        pytest.param(20_000, 0.95, 18_939, 19_061, id="many"),
        pytest.param(3, 0.5, 0, None, id="nothing known"),
    ],
)
def test_the_ends_of_an_interval_are_order_statistics(
    n: int, fraction: float, low: int, high: int | None
) -> None:
    samples = [float(value) for value in range(n, 0, -1)]
    assert quantile_interval(samples, fraction) == (low, high)


def test_the_interval_holds_the_true_quantile_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    true_p95 = float(np.exp(1.6448536269514722))  # of a lognormal
    worlds = np.exp(random.standard_normal((2000, 120)))
    ends = [quantile_interval(world.tolist(), 0.95) for world in worlds]
    held = sum(high is not None and low <= true_p95 <= high for low, high in ends)
    assert 0.95 <= held / len(ends) <= 0.99  # more than asked, since ranks are whole


def test_autocorrelation_tells_drift_from_independence() -> None:
    assert autocorrelation([1.0] * 19) is None
    assert autocorrelation([1.0] * 20) == 0.0
    assert autocorrelation([0.0, 1.0] * 50) == pytest.approx(-0.99)
    assert autocorrelation([0.0] * 50 + [1.0] * 50) == pytest.approx(0.98, abs=0.02)


def test_only_what_lies_above_the_limit_exceeds_it() -> None:
    assert exceedances([1.0, 2.0, 3.0, 2.0], 2.0) == 1
