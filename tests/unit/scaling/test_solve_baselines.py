"""Solving phi for baselines out of the ordinary: many stages, off the grid, too large."""

import time
from dataclasses import replace

import pytest

from edgescale.architecture.block import parse_block
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.solve import Limits, solve
from edgescale.scaling.variant import ScalingRules, scale
from tests.small_baseline import SMALL


def test_a_baseline_of_many_stages_and_fine_steps_is_solved_soon() -> None:
    blocks = tuple(
        parse_block(f"r{1 + i % 4}_k3_s{'22' if i in (10, 30) else '11'}_e4_i{16 + i}_o{17 + i}")
        for i in range(100)
    )
    baseline = replace(SMALL, blocks=blocks, depth_divisor=1, resolution=123)
    rules = ScalingRules(resolution_step=1)
    limits = Limits(macs=2_000_000_000)
    start = time.process_time()
    phi = solve(baseline, limits, rules=rules).variant.phi
    assert time.process_time() - start < 5  # of looking at every plateau: half a minute
    assert phi is not None
    for further in (0, 1, 2, 3, 5, 9, 17, 40):
        variant = scale(baseline, phi + further / 1000, rules=rules)
        assert (variant.cost.macs <= 2_000_000_000) == (further == 0)


def test_the_search_of_a_budget_is_not_misled_by_the_resolution_of_phi_zero() -> None:
    # 27 px at phi 0, 24 px beside it; the search for the end looks at phi 0 first.
    baseline = replace(SMALL, resolution=27)
    rules = ScalingRules(Coefficients(1, 1.3, 1), trim=False)
    beside = scale(baseline, 0.001, rules=rules).cost.macs
    assert beside < scale(baseline, 0, rules=rules).cost.macs
    phi = solve(baseline, Limits(macs=beside), rules=rules).variant.phi
    assert phi is not None
    assert phi >= 0.001


def test_a_baseline_that_is_too_large_itself_is_named() -> None:
    long = replace(SMALL, blocks=(parse_block("r9000_k3_s11_e4_i8_o8"),))
    for name in ("macs", "weight_bytes"):
        with pytest.raises(ArchitectureError, match="the baseline 'small' itself is too large: "):
            solve(long, Limits().only(name, 10**9))
    with pytest.raises(ArchitectureError, match=r"itself is too large: .* use fewer repeats$"):
        scale(long, -1)
    wide = replace(SMALL, head_filters=99_999, stem_filters=99_999)
    with pytest.raises(ArchitectureError, match=r"'small' itself is too large: .* fewer filters$"):
        scale(wide, 0, classes=99_999)
