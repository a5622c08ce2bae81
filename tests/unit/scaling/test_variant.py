"""Scaling: what the equations promise and what rounding leaves of it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgescale.architecture.baseline import find_baseline
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.variant import ScalingRules, published, scale

EDGETPU = find_baseline("efficientnet-edgetpu")
LITE = find_baseline("efficientnet-lite")
PHIS = st.floats(-8, 8)


@given(PHIS, PHIS)
def test_equation_3_is_multiplicative(p: float, q: float) -> None:
    both, one, other = (Coefficients().multipliers(x) for x in (p + q, p, q))
    assert both.depth == pytest.approx(one.depth * other.depth)
    assert both.width == pytest.approx(one.width * other.width)
    assert both.resolution == pytest.approx(one.resolution * other.resolution)


def test_equation_4_is_affine() -> None:
    linear = Coefficients(0.2, 0.1, 0.15, "linear")
    assert linear.multipliers(2).depth == pytest.approx(1.4)
    assert linear.multipliers(2).macs_ratio == pytest.approx(1.4 * 1.2**2 * 1.3**2)


def test_the_published_coefficients_promise_almost_twice_the_macs() -> None:
    assert Coefficients().multipliers(1).macs_ratio == pytest.approx(1.92027, abs=1e-5)


@pytest.mark.parametrize(
    ("coefficients", "said"),
    [
        (Coefficients(2, 1, 1), "blocks make more than 5,000 layers"),
        (Coefficients(1, 2, 1), "parameters are more than 1,000,000,000"),
        (Coefficients(1, 1, 2), "GiB of activations are more than 4 GiB"),
    ],
)
def test_networks_beyond_any_machine_are_refused(coefficients: Coefficients, said: str) -> None:
    with pytest.raises(ArchitectureError, match=f"phi 18 is too large for '.*': .*{said}"):
        scale(EDGETPU, 18, rules=ScalingRules(coefficients))


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


def test_phi_zero_is_the_baseline() -> None:
    for chosen, name in ((EDGETPU, "s"), (LITE, "lite0")):
        assert scale(chosen, 0).architecture == published(chosen, name).architecture


def test_macs_follow_the_promise_within_seven_percent() -> None:
    misses = []
    for hundredths in range(-200, 501, 20):
        variant = scale(EDGETPU, hundredths / 100)
        misses.append(math.log2(variant.macs_ratio / variant.asked_macs_ratio))
    assert max(map(abs, misses)) <= 0.10
    assert math.sqrt(sum(miss**2 for miss in misses) / len(misses)) <= 0.04


def test_without_trim_the_promise_is_missed_by_more() -> None:
    rules = ScalingRules(trim=False)
    misses = [
        abs(math.log2(variant.macs_ratio / variant.asked_macs_ratio))
        for variant in (scale(EDGETPU, tenths / 10, rules=rules) for tenths in range(0, 71, 2))
    ]
    assert 0.10 < max(misses) <= 0.33


@given(st.floats(-3, 6), st.floats(0, 2))
@settings(max_examples=40, deadline=None)
def test_parameters_and_bytes_never_fall_along_phi(phi: float, more: float) -> None:
    small, large = scale(EDGETPU, phi), scale(EDGETPU, phi + more)
    assert small.cost.parameters <= large.cost.parameters
    assert small.cost.weight_bytes <= large.cost.weight_bytes


def test_reference_rounding_makes_a_large_step_of_a_small_phi() -> None:
    reference = scale(EDGETPU, 0.01, rules=ScalingRules(rounding="reference", trim=False))
    nearest = scale(EDGETPU, 0.01, rules=ScalingRules(trim=False))
    assert reference.macs_ratio > 1.4
    assert nearest.macs_ratio < 1.05


def test_lite_keeps_stem_head_and_the_ends() -> None:
    net = scale(LITE, 2).architecture
    assert (net.stem_filters, net.head_filters) == (32, 1280)
    assert (net.blocks[0].num_repeat, net.blocks[-1].num_repeat) == (1, 1)
    assert net.blocks[2].num_repeat > 2


def test_names_say_phi() -> None:
    assert [scale(EDGETPU, phi).name for phi in (-1, 0, -0.0, 0.5)] == [
        "phi-1", "phi0", "phi0", "phi0.5",
    ]  # fmt: skip


@pytest.mark.parametrize("phi", [-6.0, -21.0, 1e9, math.nan, math.inf])
def test_a_phi_without_a_network_is_refused(phi: float) -> None:
    with pytest.raises(ArchitectureError, match="phi"):
        scale(EDGETPU, phi)


def test_an_unknown_published_name_lists_the_known() -> None:
    with pytest.raises(ArchitectureError, match="s, m, l"):
        published(EDGETPU, "xl")
