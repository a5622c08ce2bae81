"""Equations 3 and 4: what they promise, and which numbers belong to which."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import Coefficients

PHIS = st.floats(-8, 8)
LINEAR = Coefficients.of("linear")


@given(PHIS, PHIS)
def test_equation_3_is_multiplicative(p: float, q: float) -> None:
    both, one, other = (Coefficients().multipliers(x) for x in (p + q, p, q))
    assert both.depth == pytest.approx(one.depth * other.depth)
    assert both.width == pytest.approx(one.width * other.width)
    assert both.resolution == pytest.approx(one.resolution * other.resolution)


@given(st.floats(-4, 8), st.floats(-4, 8))
def test_equation_4_is_affine(p: float, q: float) -> None:
    middle, one, other = (LINEAR.multipliers(x) for x in ((p + q) / 2, p, q))
    assert middle.depth == pytest.approx((one.depth + other.depth) / 2)
    assert middle.width == pytest.approx((one.width + other.width) / 2)
    assert middle.resolution == pytest.approx((one.resolution + other.resolution) / 2)
    assert LINEAR.multipliers(0).macs_ratio == 1


@pytest.mark.parametrize(
    ("phi", "power", "linear"),  # the printed digits: d, w, r, d w^2 r^2; and 2^phi
    [
        (1, ("1.20", "1.10", "1.15", "1.92"), ("1.20", "1.10", "1.15", "1.92")),
        (2, ("1.44", "1.21", "1.32", "3.69"), ("1.40", "1.20", "1.30", "3.41")),
        (3, ("1.73", "1.33", "1.52", "7.08"), ("1.60", "1.30", "1.45", "5.69")),
        (5, ("2.49", "1.61", "2.01", "26.1"), ("2.00", "1.50", "1.75", "13.8")),
        (7, ("3.58", "1.95", "2.66", "96.3"), ("2.40", "1.70", "2.05", "29.1")),  # 29.1485
    ],
)
def test_both_equations_give_the_table_of_the_reference(
    phi: int, power: tuple[str, ...], linear: tuple[str, ...]
) -> None:
    for coefficients, printed in ((Coefficients(), power), (LINEAR, linear)):
        m = coefficients.multipliers(phi)
        numbers = (m.depth, m.width, m.resolution, m.macs_ratio)
        decimals = [len(text.partition(".")[2]) for text in printed]
        assert tuple(f"{x:.{n}f}" for x, n in zip(numbers, decimals, strict=True)) == printed


def test_the_published_coefficients_promise_almost_twice_the_macs() -> None:
    assert Coefficients().multipliers(1).macs_ratio == pytest.approx(1.92027, abs=1e-5)


def test_coefficients_left_out_are_those_of_the_equation() -> None:
    assert Coefficients.of("power") == Coefficients()
    assert Coefficients.of("linear", alpha=0.0) == Coefficients(0.0, 0.1, 0.15, "linear")
    with pytest.raises(ArchitectureError, match="equation 'cubic' is not known"):
        Coefficients.of("cubic")


@pytest.mark.parametrize(
    "coefficients",
    [
        {"alpha": 0.9},
        {"gamma": 2.1},
        {"equation": "cubic"},
        {"equation": "linear"},
        {"alpha": 0.2, "beta": 0.1, "gamma": 0.15},
        {"beta": math.nan},
    ],
)
def test_coefficients_of_the_wrong_equation_are_refused(coefficients: dict[str, float]) -> None:
    with pytest.raises(ArchitectureError, match=r"Equation|equation"):
        Coefficients(**coefficients)  # type: ignore[arg-type]


def test_equation_4_ends_where_a_multiplier_would_be_zero() -> None:
    assert LINEAR.multipliers(-4.9).depth == pytest.approx(0.02)
    with pytest.raises(ArchitectureError, match=r"use a phi above -5\.00"):
        LINEAR.multipliers(-5)
