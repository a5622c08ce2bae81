"""Solving phi for a latency that is not monotone: equal to a scan of every thousandth."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import pytest

from edgescale.architecture.baseline import Baseline, find_baseline
from edgescale.architecture.network import Architecture
from edgescale.device.forecast import least_ms
from edgescale.device.known import find_device
from edgescale.edgetpu.latency import predict
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.solve import LatencyLimit, Limits, in_words, solve
from edgescale.scaling.variant import ScalingRules, Variant, scale
from tests.small_baseline import SMALL

pytestmark = pytest.mark.usefixtures("remembered")
EDGETPU = find_baseline("efficientnet-edgetpu")
Latency = Callable[[Architecture], float]


def cliffs(network: Architecture) -> float:
    """Takes MACs, and a jump that comes and goes with the number of weights and the input size."""
    macs = sum(layer.macs for layer in network.layers)
    weights = sum(layer.weights for layer in network.layers)
    return 1 + macs / 1e5 + 4 * (weights // 97 % 5) + 2 * (network.resolution // 8 % 2)


def on_usb3(network: Architecture) -> float:
    return predict(network.layers, "usb3").latency_ms


def limit(most_ms: float, latency_ms: Latency = cliffs) -> LatencyLimit:
    bound = least_ms(find_device("usb3")) if latency_ms is on_usb3 else lambda macs, _: macs / 1e5
    return LatencyLimit(most_ms, latency_ms, bound)


@lru_cache
def scan(
    baseline: Baseline, rules: ScalingRules, low: int, high: int, latency_ms: Latency
) -> dict[int, tuple[Variant, float]]:
    found: dict[int, tuple[Variant, float]] = {}
    for step in range(low, high + 1):
        try:
            one = scale(baseline, step / 1000, rules=rules)
        except ArchitectureError:
            continue
        before = found.get(step - 1)
        same = before is not None and before[0].architecture is one.architecture
        found[step] = (one, before[1] if before and same else latency_ms(one.architecture))
    return found


RULES = [
    pytest.param(ScalingRules(), id="as shipped"),
    pytest.param(ScalingRules(trim=False), id="no trim"),
    pytest.param(ScalingRules(resolution_step=1), id="steps of a pixel"),
    pytest.param(ScalingRules(Coefficients.of("linear")), id="Equation 4"),
]


@pytest.mark.parametrize("rules", RULES)
def test_the_solved_phi_is_that_of_a_scan_however_often_latency_falls(rules: ScalingRules) -> None:
    found = scan(SMALL, rules, -900, 3000, cliffs)
    times = {step: time for step, (_, time) in found.items()}
    steps = sorted(times)
    assert sum(times[b] < times[a] for a, b in pairwise(steps)) >= 3
    for at in range(-800, 900, 170):
        most_ms = times[at]
        largest = max(step for step in steps if times[step] <= most_ms)
        assert largest < 2900  # or a scan of so few would not know the largest
        solution = solve(SMALL, Limits(latency=limit(most_ms)), rules=rules)
        assert solution.variant.phi == largest / 1000
        assert solution.used == {"latency_ms": times[largest] / most_ms}


@pytest.mark.parametrize("at", [-400, 400, 800])
def test_smaller_networks_that_break_the_limit_are_named_as_ranges(at: int) -> None:
    found = scan(SMALL, ScalingRules(), -2500, 3000, cliffs)
    solution = solve(SMALL, Limits(latency=limit(found[at][1])))
    assert solution.variant.phi is not None
    top = round(1000 * solution.variant.phi)
    lowest = top
    while found[lowest][0].architecture == found[top][0].architecture:
        lowest -= 1  # the range looked at ends 1 below the solved plateau
    ranges = [(round(1000 * low), round(1000 * high)) for low, high in solution.broken]
    broken = [step for low, high in ranges for step in range(low, high + 1)]
    assert broken
    assert broken == [
        step
        for step in range(lowest - 1000, top)
        if step in found and found[step][1] > found[at][1]
    ]
    assert all(low - high > 1 for (_, high), (low, _) in pairwise(ranges))


def test_a_latency_holds_together_with_the_other_limits() -> None:
    found = scan(SMALL, ScalingRules(), -900, 3000, cliffs)
    for most_ms, parameters in ((found[700][1], 10**9), (1e9, 45_000), (found[700][1], 45_000)):
        both = Limits(parameters=parameters, latency=limit(most_ms))
        fitting = [
            step
            for step, (one, time) in found.items()
            if time <= most_ms and one.cost.parameters <= parameters
        ]
        solution = solve(SMALL, both)
        assert solution.variant.phi == max(fitting) / 1000
        assert set(solution.used) == {"parameters", "latency_ms"}
        assert solution.next is not None
        assert not both.fits(solution.next.architecture, solution.next.cost)


@pytest.mark.parametrize("most_ms", [3.5, 5.0, 10.0])
def test_the_prediction_for_usb_3_is_solved_like_a_scan(most_ms: float) -> None:
    found = scan(EDGETPU, ScalingRules(), -1200, 1400, on_usb3)
    largest = max(step for step, (_, time) in found.items() if time <= most_ms)
    solution = solve(EDGETPU, Limits(latency=limit(most_ms, on_usb3)))
    assert solution.variant.phi == largest / 1000
    assert solution.used["latency_ms"] <= 1


def test_a_bound_spares_most_networks_a_prediction() -> None:
    asked: list[Architecture] = []

    def counted(network: Architecture) -> float:
        asked.append(network)
        return cliffs(network)

    bound = limit(30, counted)
    solve(SMALL, Limits(latency=replace(bound, at_least_ms=lambda *_: 0)))
    without = len(asked)
    asked.clear()
    solve(SMALL, Limits(latency=bound))
    assert 0 < len(asked) < without / 2


def test_a_latency_below_every_network_names_the_fastest() -> None:
    with pytest.raises(ArchitectureError, match=r"keeps to 0\.5 ms of latency; the smallest there"):
        solve(SMALL, Limits(latency=limit(0.5)))


@pytest.mark.parametrize(
    ("amount_ms", "beside_ms", "text"),
    [
        (10, 10.94, "10 ms"),
        (1.501036, 1.5, "1.501 ms"),
        (1.5, 1.501036, "1.5 ms"),
        (1025.72, 1000, "1,025.72 ms"),
        (2, 2, "2 ms"),
        (0.015, 1.54, "0.015 ms"),
        (0.001, 1.54, "0.001 ms"),
        (1e-9, 1.54, "1e-09 ms"),
        (0.51234, 2, "0.512 ms"),
    ],
)
def test_milliseconds_have_the_digits_that_tell_them_apart(
    amount_ms: float, beside_ms: float, text: str
) -> None:
    said = in_words({"latency_ms": amount_ms}, {"latency_ms": beside_ms})
    assert said == f"{text} of latency"
