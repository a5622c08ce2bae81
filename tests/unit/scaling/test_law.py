"""MACs follow 2^phi: the law without rounding, and what rounding and the trim leave of it.

The figures are those of a count made apart from this code, for alpha, beta, gamma = 1.2, 1.1, 1.15.
"""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgescale.architecture.baseline import BASELINES, Baseline, find_baseline
from edgescale.architecture.block import BlockArgs
from edgescale.architecture.rounding import ROUNDINGS
from edgescale.scaling.coefficients import Coefficients, Multipliers
from edgescale.scaling.variant import ScalingRules, baseline_macs, scale

EDGETPU = find_baseline("efficientnet-edgetpu")


def unrounded_macs(baseline: Baseline, by: Multipliers) -> float:
    """Counts MACs with channels, repeats and sizes as real numbers; 1000 classes."""
    ends = 1.0 if baseline.fix_stem_head else by.width
    side = baseline.resolution * by.resolution / 2
    channels = baseline.stem_filters * ends
    macs = side**2 * 27 * channels
    for index, block in enumerate(baseline.blocks):
        fixed = baseline.fix_stem_head and index in (0, len(baseline.blocks) - 1)
        repeats = block.num_repeat * (1.0 if fixed else by.depth)
        declared, out = block.input_filters * by.width, block.output_filters * by.width
        after = side / block.stride
        macs += _block_macs(block, channels, declared, out, (side, after))
        macs += (repeats - 1) * _block_macs(block, out, out, out, (after, after))
        side, channels = after, out
    head = baseline.head_filters * ends
    return macs + side**2 * channels * head + head * 1000


def _block_macs(
    block: BlockArgs, real: float, declared: float, out: float, sides: tuple[float, float]
) -> float:
    before, after = sides
    wide, taps = declared * block.expand_ratio, block.kernel_size**2
    squeeze = 2 * wide * declared * block.se_ratio
    if block.fused:
        return after**2 * (taps * real * wide + wide * out) + squeeze
    expand = before**2 * real * wide if block.expand_ratio != 1 else 0.0
    return expand + after**2 * (taps * wide + wide * out) + squeeze


@pytest.mark.parametrize(
    ("name", "growth"),
    [("efficientnet-edgetpu", 0.947), ("efficientnet-b", 0.935), ("efficientnet-lite", 0.933)],
)
def test_without_rounding_macs_grow_as_promised(name: str, growth: float) -> None:
    # A stem and head that stay as they are (Lite) grow by less: the law is of whole networks.
    baseline, coefficients = replace(find_baseline(name), fix_stem_head=False), Coefficients()
    logs = [math.log2(unrounded_macs(baseline, coefficients.multipliers(phi))) for phi in range(8)]
    assert 2 ** logs[0] == pytest.approx(baseline_macs(baseline, 1000))
    slope = sum((phi - 3.5) * log for phi, log in enumerate(logs)) / sum(
        (phi - 3.5) ** 2 for phi in range(8)
    )
    assert slope == pytest.approx(growth, abs=0.002)
    assert abs(slope - math.log2(coefficients.multipliers(1).macs_ratio)) <= 0.015


def misses(low: int, high: int, rules: ScalingRules) -> list[float]:
    """Returns log2 of realised over promised MACs for phis in hundredths, both included."""
    variants = (scale(EDGETPU, step / 100, rules=rules) for step in range(low, high + 1))
    return [math.log2(variant.macs_ratio / variant.asked_macs_ratio) for variant in variants]


def rms(values: list[float]) -> float:
    return math.sqrt(sum(value**2 for value in values) / len(values))


def test_with_the_trim_macs_follow_the_promise_within_seven_percent() -> None:
    missed = misses(-200, 500, ScalingRules())
    assert max(map(abs, missed)) <= 0.10
    assert rms(missed) <= 0.04


def test_without_the_trim_macs_follow_the_promise_on_average() -> None:
    missed = misses(0, 700, ScalingRules(trim=False))
    assert abs(sum(missed) / len(missed)) <= 0.06
    assert rms(missed) <= 0.12
    assert 0.10 < max(map(abs, missed)) <= 0.33


@pytest.mark.parametrize("name", list(BASELINES))
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_costs_never_fall_along_phi_without_the_trim(name: str, rounding: str) -> None:
    rules = ScalingRules(rounding=rounding, trim=False)
    costs = [scale(BASELINES[name], step / 20, rules=rules).cost for step in range(-60, 121)]
    for smaller, larger in pairwise(costs):
        assert smaller.parameters <= larger.parameters
        assert smaller.weight_bytes <= larger.weight_bytes
        assert smaller.macs <= larger.macs


@given(st.floats(-3, 6), st.floats(0, 2))
@settings(max_examples=40, deadline=None)
def test_parameters_and_bytes_never_fall_along_phi(phi: float, more: float) -> None:
    small, large = scale(EDGETPU, phi), scale(EDGETPU, phi + more)
    assert small.cost.parameters <= large.cost.parameters
    assert small.cost.weight_bytes <= large.cost.weight_bytes
