"""Solving phi: equal to a scan of every thousandth, and clear about what cannot be had."""

import re
from dataclasses import replace
from functools import lru_cache

import pytest

from edgescale.architecture.baseline import Baseline, find_baseline
from edgescale.architecture.cost import Cost
from edgescale.architecture.file_size import file_bytes
from edgescale.architecture.network import laid_out
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.plateaus import Line
from edgescale.scaling.solve import Limits, in_words, phi_from_times, solve
from edgescale.scaling.variant import ScalingRules, SearchedNetwork, scale
from tests.small_baseline import SMALL

pytestmark = pytest.mark.usefixtures("remembered")
EDGETPU = find_baseline("efficientnet-edgetpu")
LINEAR = Coefficients.of("linear")
LOW, HIGH = -4000, 7000  # thousandths of phi


@lru_cache
def scan(baseline: Baseline, rules: ScalingRules, low: int, high: int) -> dict[int, Cost]:
    """Scales a baseline at every thousandth of phi, those without a network left out."""
    found = {}
    for step in range(low, high + 1):
        try:
            found[step] = scale(baseline, step / 1000, rules=rules).cost
        except ArchitectureError:
            continue
    return found


def by_scan(costs: dict[int, Cost], limits: Limits) -> float | None:
    """Returns the largest phi of a scan that keeps the limits."""
    fitting = [
        step
        for step, cost in costs.items()
        if all(getattr(cost, name) <= limit for name, limit in limits.given.items())
    ]
    return max(fitting) / 1000 if fitting else None


@pytest.mark.parametrize("trim", [True, False])
@pytest.mark.parametrize("name", ["weight_bytes", "parameters", "macs"])
def test_the_solved_phi_is_that_of_a_scan(name: str, trim: bool) -> None:
    rules = ScalingRules(trim=trim)
    costs = scan(EDGETPU, rules, LOW, HIGH)
    for step in (-3700, -2345, -700, -1, 0, 1, 1234, 3500, 5200):
        exactly: int = getattr(costs[step], name)
        for budget in (exactly, exactly - 1):
            limits = Limits().only(name, budget)
            assert solve(EDGETPU, limits, rules=rules).variant.phi == by_scan(costs, limits)


@pytest.mark.parametrize(
    ("limits", "trim", "phi", "used"),
    [
        (Limits(weight_bytes=2_000_000), True, -3.60, 0.997),
        (Limits(weight_bytes=4_000_000), True, -1.15, 0.988),
        (Limits(weight_bytes=6_600_000), True, 0.646, 0.945),
        (Limits(weight_bytes=7_900_000), True, 1.224, 0.969),
        (Limits(macs=4_000_000_000), False, 1.105, 0.84),
    ],
)
def test_the_examples_of_the_reference_come_out(
    limits: Limits, trim: bool, phi: float, used: float
) -> None:
    rules = ScalingRules(trim=trim)
    solution = solve(EDGETPU, limits, rules=rules)
    assert solution.variant.phi == by_scan(scan(EDGETPU, rules, LOW, HIGH), limits)
    assert solution.variant.phi == pytest.approx(phi, abs=0.006)
    assert list(solution.used.values()) == pytest.approx([used], abs=0.003)


def test_with_the_trim_macs_do_fall_along_phi_and_the_largest_phi_is_found() -> None:
    costs = scan(EDGETPU, ScalingRules(), LOW, HIGH)
    falls = [step for step in range(-1000, 3000) if costs[step + 1].macs < costs[step].macs]
    assert falls
    for step in falls[:5]:
        limits = Limits(macs=costs[step + 1].macs)
        assert solve(EDGETPU, limits).variant.phi == by_scan(costs, limits)


@pytest.mark.parametrize("name", ["weight_bytes", "parameters", "macs"])
@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(ScalingRules(LINEAR), id="Equation 4"),
        pytest.param(ScalingRules(rounding="reference", trim=False), id="reference"),
        pytest.param(ScalingRules(resolution_step=1), id="steps of a pixel"),
        pytest.param(ScalingRules(resolution_step=32, trim=False), id="steps of 32 pixels"),
        pytest.param(ScalingRules(resolution_step=32), id="steps of 32 pixels, trimmed"),
    ],
)
def test_other_rules_are_solved_too(rules: ScalingRules, name: str) -> None:
    costs = scan(SMALL, rules, -900, 3000)
    for step in (-800, -300, 0, 350, 700):
        exactly = getattr(costs[step], name)
        for budget in (exactly, exactly - 1):
            limits = Limits().only(name, budget)
            phi = by_scan(costs, limits)
            if phi is not None:
                assert phi < 2.9  # or a scan of so few would not know the largest
                assert solve(SMALL, limits, rules=rules).variant.phi == phi


@pytest.mark.parametrize("step", [1, 2, 8, 32])
def test_what_is_left_out_on_the_way_to_a_budget_of_macs_would_not_fit(step: int) -> None:
    rules = ScalingRules(resolution_step=step)
    line = Line(SMALL, 1000, rules)
    costs = scan(SMALL, rules, -900, 3000)
    for at in range(-800, 900, 100):
        limit = costs[at].macs
        ranges = list(line.may_fit(limit, -900, 3000))
        looked_at = {phi for low, high in ranges for phi in range(low, high + 1)}
        assert {phi for phi, cost in costs.items() if cost.macs <= limit} <= looked_at
        assert ranges == sorted(ranges, reverse=True)


def test_a_fixed_stem_and_head_are_solved_too() -> None:
    fixed = replace(SMALL, fix_stem_head=True)
    costs = scan(fixed, ScalingRules(), -900, 1500)
    limits = Limits(macs=costs[300].macs)
    assert solve(fixed, limits).variant.phi == by_scan(costs, limits)


def test_phi_zero_is_found_where_its_neighbours_cost_more() -> None:
    rules = ScalingRules(resolution_step=32, trim=False)
    at_zero = scale(SMALL, 0, rules=rules).cost.macs
    assert at_zero < scale(SMALL, -0.001, rules=rules).cost.macs
    assert solve(SMALL, Limits(macs=at_zero), rules=rules).variant.phi == 0


def test_all_limits_hold_together() -> None:
    both = Limits(weight_bytes=6_600_000, macs=2_000_000_000)
    solution = solve(EDGETPU, both)
    assert solution.variant.phi == by_scan(scan(EDGETPU, ScalingRules(), LOW, HIGH), both)
    assert set(solution.used) == {"weight_bytes", "macs"}
    assert max(solution.used.values()) <= 1
    assert solution.next is not None
    assert not both.fits(solution.next.architecture, solution.next.cost)


def test_a_file_is_larger_than_its_weights() -> None:
    by_weights = solve(EDGETPU, Limits(weight_bytes=6_600_000)).variant
    solution = solve(EDGETPU, Limits(file_bytes=6_600_000))
    found = solution.variant
    assert found.phi is not None
    assert by_weights.phi is not None
    assert found.phi < by_weights.phi
    assert file_bytes(found.architecture) <= 6_600_000
    for further in range(1, 400):
        net = scale(EDGETPU, found.phi + further / 1000).architecture
        assert file_bytes(net) > 6_600_000
    assert solution.used == {"file_bytes": file_bytes(found.architecture) / 6_600_000}


def test_the_next_plateau_is_a_thousandth_on() -> None:
    solution = solve(EDGETPU, Limits(weight_bytes=6_600_000))
    assert solution.next is not None
    assert (solution.variant.phi, solution.next.phi) == (0.646, 0.647)
    assert solution.next.cost.weight_bytes == 6_832_192


@pytest.mark.parametrize(
    ("coefficients", "limits"),
    [
        pytest.param(Coefficients(), Limits(weight_bytes=10**13), id="any"),
        pytest.param(Coefficients(1, 1, 1), Limits(macs=10**12), id="one network only"),
    ],
)
def test_above_the_largest_network_there_is_no_next(
    coefficients: Coefficients, limits: Limits
) -> None:
    solution = solve(EDGETPU, limits, rules=ScalingRules(coefficients))
    assert solution.next is None
    assert max(solution.used.values()) < 1
    phi = solution.variant.phi
    assert phi is not None
    with pytest.raises(ArchitectureError):
        scale(EDGETPU, phi + 0.001, rules=ScalingRules(coefficients))


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        pytest.param(Limits(weight_bytes=1_000_000), "1.92 MB of int8 weights", id="bytes"),
        pytest.param(Limits(macs=10**8), "146.85 M MACs", id="MACs"),
        pytest.param(Limits(parameters=999), "1.9 M parameters", id="parameters"),
        pytest.param(Limits(file_bytes=999), "MB .tflite file", id="file"),
    ],
)
def test_a_budget_below_the_smallest_network_names_it(limits: Limits, named: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        solve(EDGETPU, limits)
    said = str(caught.value)
    assert said.startswith(
        f"no network of 'efficientnet-edgetpu' keeps to {in_words(limits.given)}"
    )
    assert named in said
    match = re.search(r"the smallest there is: phi (-[0-9.]+) with", said)
    assert match
    smallest = scale(EDGETPU, float(match[1]))
    (needed,) = limits.amounts(smallest.architecture, smallest.cost).values()
    (name,) = limits.given
    assert solve(EDGETPU, Limits().only(name, needed)).variant.phi == float(match[1])
    with pytest.raises(ArchitectureError):
        solve(EDGETPU, Limits().only(name, needed - 1))


def test_no_limit_and_a_file_that_is_never_written_are_refused() -> None:
    with pytest.raises(ArchitectureError, match="no limit is given"):
        solve(EDGETPU, Limits())
    with pytest.raises(ArchitectureError, match="'efficientnet-b' is planned, not built"):
        solve(find_baseline("efficientnet-b"), Limits(file_bytes=10**7))


def test_n_times_larger_is_the_logarithm() -> None:
    assert [phi_from_times(times) for times in (1, 4, 32, 0.5)] == [0, 2, 5, -1]
    with pytest.raises(ArchitectureError, match="the equation is 'linear'; ask for the MACs"):
        phi_from_times(4, "linear")


@pytest.mark.parametrize("times", [0, -4, float("nan"), float("inf")])
def test_times_that_are_no_network_are_refused(times: float) -> None:
    with pytest.raises(ArchitectureError, match="give a number above zero"):
        phi_from_times(times)


def test_a_searched_network_is_no_plateau_of_the_law() -> None:
    limits = Limits(macs=scale(SMALL, 1).cost.macs)
    law = solve(SMALL, limits)
    stages = replace(law.variant.architecture, resolution=8, layers=())
    phi = law.variant.phi
    assert phi is not None
    rules = ScalingRules(searched=SearchedNetwork(phi, 8, laid_out(stages).digest))
    assert scale(SMALL, phi, rules=rules).resolution == 8
    assert solve(SMALL, limits, rules=rules) == law
