"""The plateaus along phi are all there are, each with its two ends."""

from dataclasses import replace
from itertools import groupby, pairwise

import pytest

from edgescale.architecture.baseline import BASELINES, Baseline, find_baseline
from edgescale.architecture.network import Architecture
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.plateaus import Plateau, plateaus
from edgescale.scaling.variant import ScalingRules, scale
from tests.small_baseline import SMALL

EDGETPU = find_baseline("efficientnet-edgetpu")


def scanned(
    baseline: Baseline, low: int, high: int, rules: ScalingRules
) -> list[tuple[float, float, Architecture]]:
    """Scales every thousandth of phi and groups equal neighbours, the largest phi first."""
    found = []
    for step in range(high, low - 1, -1):
        try:
            found.append((step, scale(baseline, step / 1000, classes=5, rules=rules).architecture))
        except ArchitectureError:
            continue
    groups = [list(group) for _, group in groupby(found, key=lambda pair: pair[1])]
    return [(group[-1][0] / 1000, group[0][0] / 1000, group[0][1]) for group in groups]


def listed(found: Plateau) -> tuple[float, float, Architecture]:
    return (found.low_phi, found.high_phi, found.architecture)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(ScalingRules(), id="as usual"),
        pytest.param(ScalingRules(trim=False), id="no trim"),
        pytest.param(ScalingRules(resolution_step=1), id="steps of a pixel"),
        pytest.param(ScalingRules(rounding="reference", resolution_step=2), id="reference"),
        pytest.param(ScalingRules(Coefficients.of("linear"), resolution_step=4), id="Equation 4"),
        pytest.param(ScalingRules(Coefficients(1, 1.3, 1)), id="width only"),
        pytest.param(ScalingRules(resolution_step=32), id="steps of 32 pixels"),
    ],
)
@pytest.mark.parametrize("fixed", [False, True])
def test_the_plateaus_are_those_of_a_scan(rules: ScalingRules, fixed: bool) -> None:
    baseline = replace(SMALL, fix_stem_head=fixed)
    found = plateaus(baseline, low=-0.4, high=0.5, classes=5, rules=rules)
    assert [listed(plateau) for plateau in found] == scanned(baseline, -400, 500, rules)


def test_phi_zero_keeps_its_own_resolution() -> None:
    around = list(plateaus(SMALL, low=-0.001, high=0.001))
    assert [plateau.architecture.resolution for plateau in around] == [32, 30, 32]


def test_there_are_a_few_hundred_and_they_meet() -> None:
    found = list(plateaus(EDGETPU, low=0, high=7))
    assert 200 < len(found) < 400
    assert (found[0].high_phi, found[-1].low_phi) == (7, 0)
    for larger, smaller in pairwise(found):
        assert larger.low_phi == pytest.approx(smaller.high_phi + 0.001)
        assert larger.architecture != smaller.architecture
        assert larger.cost.weight_bytes >= smaller.cost.weight_bytes


def test_phis_without_a_network_are_left_out() -> None:
    lowest = list(plateaus(EDGETPU, low=-20, high=-3.7))[-1]
    assert scale(EDGETPU, lowest.low_phi).architecture == lowest.architecture
    with pytest.raises(ArchitectureError, match="vanishes"):
        scale(EDGETPU, lowest.low_phi - 0.001)
    largest = next(plateaus(EDGETPU, low=14, high=20))
    assert scale(EDGETPU, largest.high_phi).architecture == largest.architecture
    with pytest.raises(ArchitectureError, match="too large"):
        scale(EDGETPU, largest.high_phi + 0.001)
    assert list(plateaus(EDGETPU, low=19, high=20)) == []


def test_one_network_for_every_phi_is_one_plateau() -> None:
    (only,) = plateaus(EDGETPU, rules=ScalingRules(Coefficients(1, 1, 1)))
    assert (only.low_phi, only.high_phi) == (-20, 20)


def test_a_rounding_that_is_not_known_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="rounding 'up' is not known"):
        next(plateaus(BASELINES["efficientnet-lite"], rules=ScalingRules(rounding="up")))
