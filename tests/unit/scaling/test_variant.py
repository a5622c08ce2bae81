"""Scaling: what the equations promise and what rounding leaves of it."""

import math
from dataclasses import replace

import pytest

from edgescale.architecture.baseline import find_baseline
from edgescale.architecture.network import laid_out
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.variant import ScalingRules, SearchedNetwork, published, scale

EDGETPU = find_baseline("efficientnet-edgetpu")
LITE = find_baseline("efficientnet-lite")


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


def test_phi_zero_is_the_baseline() -> None:
    for chosen, name in ((EDGETPU, "s"), (LITE, "lite0")):
        assert scale(chosen, 0).architecture == published(chosen, name).architecture


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


def _searched(resolution: int = 280) -> ScalingRules:
    """Rules with a network at phi 1 that the trim does not lead to."""
    untrimmed = replace(scale(EDGETPU, 1).architecture, resolution=resolution, layers=())
    return ScalingRules(searched=SearchedNetwork(1.0, resolution, laid_out(untrimmed).digest))


def test_at_the_phi_of_a_search_the_searched_network_is_taken() -> None:
    law, rules = scale(EDGETPU, 1), _searched()
    found = scale(EDGETPU, 1, rules=rules)
    assert law.resolution != found.resolution == 280
    assert rules.searched is not None
    assert found.architecture.digest == rules.searched.architecture_digest
    assert found.cost.macs == sum(layer.macs for layer in found.architecture.layers)
    assert found.macs_ratio > law.macs_ratio
    assert scale(EDGETPU, 1.001, rules=rules) == scale(EDGETPU, 1.001)
    assert scale(EDGETPU, 0, rules=rules) == scale(EDGETPU, 0)


def test_a_searched_network_of_something_else_is_not_taken() -> None:
    rules = _searched()
    assert scale(EDGETPU, 1, classes=10, rules=rules) == scale(EDGETPU, 1, classes=10)
    assert scale(LITE, 1, rules=rules) == scale(LITE, 1)
    other = replace(rules, coefficients=Coefficients(1.0, 1.4, 1.0))
    assert scale(EDGETPU, 1, rules=other) == scale(EDGETPU, 1, rules=replace(other, searched=None))
