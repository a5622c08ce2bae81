"""The trim: the nearest realised cost over the whole grid, found apart from its walk."""

import math
from dataclasses import replace

import pytest

from edgescale.architecture.baseline import Baseline, find_baseline
from edgescale.architecture.cost import macs_by_resolution
from edgescale.architecture.network import laid_out
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.resolution import trimmed_resolution
from edgescale.scaling.variant import ScalingRules, baseline_macs, untrimmed_stages
from tests.small_baseline import SMALL

EDGETPU, B = (  # small, so that every size can be laid out
    replace(find_baseline(f"efficientnet-{name}"), resolution=56) for name in ("edgetpu", "b")
)


@pytest.mark.parametrize("step", [1, 8, 32])
@pytest.mark.parametrize("phi", [-2, -0.3, 0.2, 1, 2.4])
@pytest.mark.parametrize("baseline", [SMALL, EDGETPU, B], ids=lambda baseline: baseline.name)
def test_no_resolution_of_the_grid_is_nearer(baseline: Baseline, phi: float, step: int) -> None:
    rules = ScalingRules(resolution_step=step)
    start = laid_out(untrimmed_stages(baseline, phi, classes=10, rules=rules))
    target = baseline_macs(baseline, 10) * Coefficients().multipliers(phi).macs_ratio
    misses = {}
    for size in range(step, 2 * start.resolution + 2 * step, step):
        net = laid_out(replace(start, resolution=size, layers=()))
        misses[size] = abs(math.log2(sum(layer.macs for layer in net.layers) / target))
    found = trimmed_resolution(
        start.resolution, macs_by_resolution(start), target_macs=target, step=step
    )
    least = min(misses.values())
    best = {size for size, miss in misses.items() if miss == least}
    assert found in best
    assert abs(found - start.resolution) == min(abs(size - start.resolution) for size in best)


def test_sizes_of_equal_cost_do_not_end_the_walk() -> None:
    costs = {8: 100, 9: 100, 10: 100, 11: 190, 12: 400}  # in pairs, as strides of 2 make them
    assert trimmed_resolution(8, costs.__getitem__, target_macs=200, step=1) == 11
    downwards = {5: 10, 6: 40, 7: 100, 8: 100, 9: 100}
    assert trimmed_resolution(9, downwards.__getitem__, target_macs=38, step=1) == 6


def test_the_smallest_size_is_one_step() -> None:
    assert trimmed_resolution(24, lambda size: size**2, target_macs=1, step=8) == 8
