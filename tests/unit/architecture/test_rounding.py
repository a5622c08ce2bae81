"""Rounding of channels, repeats and resolutions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.architecture.rounding import (
    round_filters,
    round_half_up,
    round_repeats,
    round_resolution,
)
from edgescale.errors import ArchitectureError


def test_halves_go_up_whatever_the_last_bits_say() -> None:
    assert [round_half_up(x) for x in (0.5, 1.5, 2.5, 3 * (1 / 1.2))] == [1, 2, 3, 3]
    assert round_half_up(2.4999999999) == 3  # nine decimals decide
    assert round_half_up(2.4999) == 2


@pytest.mark.parametrize(
    ("filters", "width", "expected"),
    [(32, 1.0, 32), (32, 1.2, 40), (24, 1.2, 32), (1280, 1.2, 1536), (192, 1.2, 232), (8, 0.1, 8)],
)
def test_filters_follow_the_published_code(filters: int, width: float, expected: int) -> None:
    assert round_filters(filters, width, 8) == expected


@given(st.integers(8, 2048), st.floats(0.2, 4), st.floats(0, 0.5))
def test_filters_never_fall_as_width_grows(filters: int, width: float, more: float) -> None:
    assert round_filters(filters, width, 8) <= round_filters(filters, width + more, 8)


@given(st.integers(8, 2048), st.floats(0.2, 4))
def test_filters_lose_at_most_a_tenth(filters: int, width: float) -> None:
    rounded = round_filters(filters, width, 8)
    assert rounded % 8 == 0
    assert rounded >= 0.9 * round(filters * width, 9)


def test_reference_adds_a_block_where_nearest_does_not() -> None:
    assert round_repeats(4, 1.01, "reference") == 5
    assert round_repeats(4, 1.01, "nearest") == 4


def test_a_stage_that_would_vanish_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="vanishes"):
        round_repeats(1, 0.49, "nearest")
    assert round_repeats(1, 0.49, "reference") == 1


def test_resolution_stays_on_its_grid_and_above_zero() -> None:
    assert round_resolution(257.6, 8) == 256
    assert round_resolution(260, 8) == 264  # halves up
    assert round_resolution(1, 8) == 8


def test_the_noise_of_float_decides_nothing() -> None:
    assert round_filters(36, 15 * (1 / 9), 8) == round_filters(60, 1, 8) == 64  # 59.99999999
    assert round_repeats(10, 0.35, "nearest") == 4  # 3.5
    assert round_resolution(8 * (3 * (1 / 1.2)), 8) == 24  # 2.5 steps
