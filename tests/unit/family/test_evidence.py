"""Intervals and the paired test, against values worked out elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.family.evidence import compare, sign_test, wilson_interval


def test_the_interval_is_wilsons() -> None:
    assert wilson_interval(890, 1000) == pytest.approx((0.8691, 0.9079), abs=2e-4)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=2e-4)
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)


@given(st.integers(1, 2000), st.data())
def test_the_interval_holds_the_fraction(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    low, high = wilson_interval(correct, n)
    assert 0 <= low <= correct / n + 1e-12
    assert correct / n - 1e-12 <= high <= 1


def test_no_images_have_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        wilson_interval(0, 0)


def test_the_sign_test_is_exact() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == 2 / 32
    assert sign_test(8, 2) == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert sign_test(131, 39) < 1e-11


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_sign_test_is_symmetric_and_a_probability(better: int, worse: int) -> None:
    assert 0 <= sign_test(better, worse) <= 1
    assert sign_test(better, worse) == sign_test(worse, better)


def test_images_both_solve_or_both_miss_do_not_count() -> None:
    result = compare("a", [True, True, False, False], "b", [True, False, True, True])
    assert (result.better, result.worse) == (2, 1)
    assert not result.resolved


def test_lists_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare("a", [True], "b", [True, False])
