import random
from itertools import pairwise

import pytest

from edgescale.device.statistics import nearest_rank
from edgescale.stream.histogram import BOUNDS_MS, Histogram


def test_bounds_rise_by_a_quarter_from_ten_microseconds_to_a_hundred_seconds() -> None:
    assert (BOUNDS_MS[0], BOUNDS_MS[-1], len(BOUNDS_MS)) == (0.01, 100_000.0, 71)
    ratios = [high / low for low, high in pairwise(BOUNDS_MS)]
    assert min(ratios) > 1.24
    assert max(ratios) < 1.29
    assert 3.15 in BOUNDS_MS


def test_quantiles_are_right_to_a_quarter() -> None:
    chance = random.Random(1)
    times_ms = [chance.lognormvariate(2.0, 1.0) for _ in range(20_000)]
    histogram = Histogram()
    for time_ms in times_ms:
        histogram.add(time_ms)
    for fraction in (0.5, 0.95, 0.99):
        exact = nearest_rank(times_ms, fraction)
        assert histogram.quantile_ms(fraction) == pytest.approx(exact, rel=0.05)


def test_a_bucket_holds_what_is_at_most_its_bound() -> None:
    histogram = Histogram()
    for time_ms in (1.0, 1.01, 1.25, 1e9, -0.5):
        histogram.add(time_ms)
    stage = histogram.stage("infer")
    at_most = dict(stage.buckets)
    assert (at_most[1.0], at_most[1.25], at_most[1e5]) == (2, 4, 4)
    assert (stage.stage, stage.count) == ("infer", 5)
    assert stage.sum_ms == pytest.approx(1e9 + 2.76)


def test_without_a_time_there_is_no_quantile() -> None:
    stage = Histogram().stage("wait")
    assert (stage.count, stage.p50_ms, stage.p95_ms, stage.p99_ms) == (0, None, None, None)


def test_what_is_beyond_the_last_bound_is_given_as_that_bound() -> None:
    histogram = Histogram()
    histogram.add(1e7)
    assert histogram.quantile_ms(0.5) == 1e5
