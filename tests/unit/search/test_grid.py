"""The patent's grid in exact arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgescale.errors import SearchError
from edgescale.scaling.coefficients import Coefficients
from edgescale.search.grid import (
    MOST_POINTS,
    check_incumbent,
    grid_points,
    incumbent_of,
    resource_product,
)


@pytest.mark.parametrize(
    ("step", "tolerance", "points"),
    [
        ("0.05", "0.05", 54),
        ("0.05", "0.1", 109),
        ("0.05", "0.2", 217),
        ("0.1", "0.05", 10),
        ("0.1", "0.1", 21),
        ("0.1", "0.2", 37),
    ],
)
def test_the_points_are_as_many_as_exact_arithmetic_finds(
    step: str, tolerance: str, points: int
) -> None:
    power, linear = (grid_points(step, tolerance, equation) for equation in ("power", "linear"))
    assert len(power) == points
    assert list(power) == sorted(power, key=lambda c: (c.alpha, c.beta, c.gamma))
    below_two = [point for point in power if max(point.alpha, point.beta, point.gamma) < 2]
    assert [resource_product(point) for point in linear] == [
        resource_product(point) for point in below_two
    ]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["0.05", "0.1", "0.125", "0.2", "0.3", "1"]), st.integers(0, 400))
def test_every_point_within_the_tolerance_is_found_and_no_other(
    step: str, thousandths: int
) -> None:
    size, allowed = Fraction(step), Fraction(thousandths, 1000)
    values = [1 + index * size for index in range(int(1 / size) + 1)]
    wanted = [
        (alpha, beta, gamma)
        for alpha in values
        for beta in values
        for gamma in values
        if abs(alpha * beta**2 * gamma**2 - 2) <= allowed
    ]
    if not wanted:
        with pytest.raises(SearchError, match="admits no point"):
            grid_points(step, f"{thousandths / 1000:.3f}")
        return
    found = grid_points(step, f"{thousandths / 1000:.3f}")
    assert [(p.alpha, p.beta, p.gamma) for p in found] == [
        tuple(float(value) for value in point) for point in wanted
    ]


def test_points_that_lie_on_the_tolerance_itself_are_kept() -> None:
    on_it = Coefficients(1.9, 1.0, 1.0)
    assert abs(1.9 - 2) > 0.1, "floats would lose it"
    assert on_it in grid_points("0.1", "0.1")
    assert on_it not in grid_points("0.1", "0.099999999")


def test_the_published_coefficients_need_a_tolerance_that_admits_them() -> None:
    assert resource_product(incumbent_of("power")) == Fraction("1.92027")
    assert resource_product(incumbent_of("linear")) == Fraction("1.92027")
    check_incumbent("0.07973", "power")
    for equation, said in (("power", r"1\.2/1\.1/1\.15"), ("linear", r"0\.2/0\.1/0\.15")):
        with pytest.raises(SearchError, match=rf"0\.0797 refuses .* {said}.*at least 0\.07973"):
            check_incumbent("0.0797", equation)


@pytest.mark.parametrize(
    ("step", "tolerance", "said"),
    [
        ("0", "0.1", "step is 0; it must be from 0.001 to 1"),
        ("1.5", "0.1", "step is 1.5"),
        ("0.0001", "0.1", "step is 0.0001"),
        ("nan", "0.1", "step is 'nan'; give a plain decimal"),
        ("-0.1", "0.1", "step is '-0.1'"),
        ("1e-2", "0.1", "step is '1e-2'"),
        ("0.1", "inf", "tolerance is 'inf'"),
        ("0.1", "-1", "tolerance is '-1'"),
        ("0.1", "31", "tolerance is 31; it must be from 0 to 30"),
        ("0.001", "0.1", f"has more than {MOST_POINTS:,} points"),
        ("0.3", "0.001", "tolerance 0.001 admits no point of the grid with step 0.3"),
    ],
)
def test_a_grid_that_is_none_is_refused_in_one_sentence(
    step: str, tolerance: str, said: str
) -> None:
    with pytest.raises(SearchError, match=said.replace("(", r"\(")):
        grid_points(step, tolerance)


def test_an_unknown_equation_is_refused() -> None:
    with pytest.raises(SearchError, match="equation 'cubic' is not known; power or linear"):
        grid_points("0.1", "0.1", "cubic")


def test_a_step_of_one_knows_the_corners_of_the_cube() -> None:
    assert grid_points("1", "0") == (Coefficients(2.0, 1.0, 1.0),)
    assert len(grid_points("1", "30")) == 8
