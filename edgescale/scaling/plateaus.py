"""The distinct networks along phi: rounding makes a few hundred plateaus of a continuous number.

A budget is solved on them and not on the formula, because with the resolution trim the realised
MACs are not monotone in phi, so that no bisection finds the largest phi that fits.

Along phi every channel count, every repeat and the rounded resolution are monotone, so a run of
equal ones is known by its two ends. Within such a run the network is fixed, the promised MACs rise
and so does the trimmed resolution: its runs are known by their ends too. Phi 0 stands alone, since
it keeps the baseline's own resolution.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import TypeVar

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.cost import (
    LARGEST_ACTIVATION_BYTES,
    LARGEST_PARAMETERS,
    Cost,
    bounded_cost,
    cost_of,
    macs_by_resolution,
)
from edgescale.architecture.network import Architecture, TooLarge, laid_out
from edgescale.errors import ArchitectureError
from edgescale.layer import elements
from edgescale.scaling.resolution import trimmed_resolution
from edgescale.scaling.variant import (
    LARGEST_PHI,
    ScalingRules,
    baseline_macs,
    untrimmed_stages,
)

STEPS = 1000  # phi is told apart in thousandths
LARGEST_STEP = round(LARGEST_PHI * STEPS)

_FEW_STEPS = 8
_LARGEST_SIDE = 40_000  # the image alone would have more than LARGEST_ACTIVATION_BYTES
_ALMOST = 1 - 1e-9  # leaves room for the noise of float

Value = TypeVar("Value")


@dataclass(frozen=True)
class Plateau:
    """One network, its cost, and the smallest and largest phi on the grid of 0.001 that give it."""

    low_phi: float
    high_phi: float
    architecture: Architecture
    cost: Cost


def plateaus(
    baseline: Baseline,
    *,
    low: float = -LARGEST_PHI,
    high: float = LARGEST_PHI,
    classes: int = 1000,
    rules: ScalingRules | None = None,
) -> Iterator[Plateau]:
    """Finds the plateaus between two phis, the largest phi first, each when it is asked for.

    Phis for which there is no network (too large, or too small) are left out.
    """
    line = Line(baseline, classes, rules or ScalingRules())
    bottom = max(math.ceil(round(low * STEPS, 6)), line.lowest())
    top = min(math.floor(round(high * STEPS, 6)), line.highest())
    yield from line.between(bottom, top)


@dataclass(frozen=True)
class Line:
    """All networks of one baseline along phi, which is counted in steps of a thousandth."""

    baseline: Baseline
    classes: int
    rules: ScalingRules

    def lowest(self) -> int:
        """Returns the smallest step at which no stage vanishes.

        Raises:
            ArchitectureError: rules that make no network even at phi 0.
        """
        self.stages(0)

        def exists(step: int) -> bool:
            try:
                self.stages(step)
            except ArchitectureError:
                return False
            return True

        return _first(exists, -LARGEST_STEP, 0)

    def highest(self, exceeds: Callable[[float, Cost], bool] | None = None) -> int:
        """Returns a step beyond which no network can be built, or keeps a budget.

        Args:
            exceeds: says of a phi and the costs before the trim whether a budget is exceeded from
                there on; it must never become false again along phi.
        """

        def beyond(step: int) -> bool:
            step = step or 1  # phi 0, whose resolution is its own, must not break the order
            try:
                net = laid_out(self.stages(step))
            except TooLarge:
                return True
            cost, stem = cost_of(net), net.layers[0]
            activations = elements(stem.input_shape) + elements(stem.output_shape)
            return (
                cost.parameters > LARGEST_PARAMETERS
                or activations > LARGEST_ACTIVATION_BYTES
                or (exceeds is not None and exceeds(step / STEPS, cost))
            )

        return _first(beyond, self.lowest(), LARGEST_STEP) - 1

    def between(self, low: int, high: int) -> Iterator[Plateau]:
        """Yields the plateaus from one step to another, the largest phi first."""
        parts = (
            part
            for below, above in ((1, LARGEST_STEP), (0, 0), (-LARGEST_STEP, -1))
            for part in self._parts(max(low, below), min(high, above))
        )
        # One network may go on where only the resolution before the trim changes.
        for _, group in groupby(parts, key=lambda part: part.architecture):
            first, *more = group
            yield replace(first, low_phi=more[-1].low_phi) if more else first

    def may_fit(self, macs: int, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yields the ranges of steps in which a trimmed network may have so few MACs, from above.

        Left out is only what provably has more, by halves: a plateau costs far more to look at.
        """
        if low > high or (self.rules.trim and self._all_above(macs, low, high)):
            return
        if not self.rules.trim or high - low < _FEW_STEPS:
            yield low, high
            return
        middle = (low + high) // 2
        yield from self.may_fit(macs, middle + 1, high)
        yield from self.may_fit(macs, low, middle)

    def _all_above(self, limit: int, low: int, high: int) -> bool:
        """Says whether every trimmed network from one step to another has more MACs than a limit.

        Where one had no more, at size s, its two neighbours on the grid would enclose the promise
        p with s the nearer in ratio: macs(s) * macs(s + step) >= p^2. From ``low`` to ``high``
        stages and promise only grow, so that no macs(s) is below the first network's, no
        macs(s + step) above the last one's, and no p below the first.
        """
        if low <= 0 <= high:
            return False  # phi 0 has a grid of its own
        ratio = self.rules.coefficients.multipliers(low / STEPS).macs_ratio
        promised = baseline_macs(self.baseline, self.classes) * ratio
        if promised <= limit:
            return False
        first, last = _macs_at(self, low), _macs_at(self, high)
        step = self.rules.resolution_step
        fitting = bisect_right(range(step, _LARGEST_SIDE, step), limit, key=first)
        return limit * last(step * fitting + step) < _ALMOST * promised**2

    def _parts(self, low: int, high: int) -> Iterator[Plateau]:
        for bottom, top, stages in _runs(self.stages, low, high):
            try:
                start = laid_out(stages)
                bounded_cost(start)
            except TooLarge:
                continue
            for lower, upper, size in _runs(self._trimmed(start), bottom, top):
                same = size == start.resolution
                net = start if same else laid_out(replace(stages, resolution=size))
                with suppress(TooLarge):
                    yield Plateau(lower / STEPS, upper / STEPS, net, bounded_cost(net))

    def stages(self, step: int) -> Architecture:
        """Returns the network before the trim, without its layers."""
        phi = step / STEPS
        return untrimmed_stages(self.baseline, phi, classes=self.classes, rules=self.rules)

    def _trimmed(self, start: Architecture) -> Callable[[int], int]:
        """Returns the function from a step to the trimmed resolution of one network."""
        macs = macs_by_resolution(start)
        base_macs = baseline_macs(self.baseline, self.classes)

        def resolution(step: int) -> int:
            if not self.rules.trim:
                return start.resolution
            ratio = self.rules.coefficients.multipliers(step / STEPS).macs_ratio
            return trimmed_resolution(
                start.resolution,
                macs,
                target_macs=base_macs * ratio,
                step=self.rules.resolution_step,
            )

        return resolution


@lru_cache(maxsize=64)
def _macs_at(line: Line, step: int) -> Callable[[int], int]:
    return macs_by_resolution(laid_out(line.stages(step)))


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Returns the first step from which on a condition holds; ``high + 1`` if it never does."""
    return low + bisect_left(range(low, high + 1), True, key=holds)


def _runs(value: Callable[[int], Value], low: int, high: int) -> Iterator[tuple[int, int, Value]]:
    """Yields first step, last step and value of each run of equal values, the last run first."""
    top = high
    while top >= low:
        bottom, here = _run_below(value, low, top)
        yield bottom, top, here
        top = bottom - 1


def _run_below(value: Callable[[int], Value], low: int, top: int) -> tuple[int, Value]:
    here = value(top)
    width = 1  # most runs are short, so the search widens from their end
    while top - width >= low and value(top - width) == here:
        width *= 2
    known = top - width // 2
    return _first(lambda step: value(step) == here, max(low, top - width + 1), known), here
