"""The search space: every candidate of one study, all at one realised cost, and what was left out.

Rounding makes the networks of the grid's points differ in cost (x1.70 to x2.43 of the baseline for
EfficientNet-EdgeTPU at phi 1), so that cost and not merit would decide. Each candidate's resolution
is therefore moved to where its MACs come nearest to the incumbent's; points that become the same
network are one candidate.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.cost import bounded_cost, macs_by_resolution
from edgescale.architecture.network import Architecture, laid_out
from edgescale.errors import ArchitectureError, SearchError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.variant import (
    ScalingRules,
    Variant,
    baseline_macs,
    scale,
    untrimmed_stages,
    variant_name,
)
from edgescale.search.grid import check_incumbent, grid_points, incumbent_of, resource_product
from edgescale.search.trial import candidate_identity

COST_TOLERANCE = 0.05  # of the incumbent's realised MACs
_FURTHEST = 4  # times the asked resolution, beyond which no candidate's cost is sought


@dataclass(frozen=True)
class Candidate:
    """One network to train.

    ``aliases`` are the other points that become this network. ``identity`` is the beginning of its
    digest, the same in every study. ``variant.macs_ratio`` is over the baseline, as everywhere.
    """

    identity: str
    coefficients: Coefficients
    aliases: tuple[Coefficients, ...]
    variant: Variant
    phi: float
    incumbent: bool


@dataclass(frozen=True)
class LeftOut:
    """A point that is no candidate, with the reason in words."""

    coefficients: Coefficients
    reason: str


@dataclass(frozen=True)
class Space:
    """All candidates, the incumbent first, the others in lexicographic order of coefficients.

    ``target_macs`` is the incumbent's realised cost; ``points`` counts the grid's points within
    the tolerance, ``distinct`` their networks before they are brought to that cost.
    """

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    target_macs: int
    points: int
    distinct: int

    @property
    def incumbent(self) -> Candidate:
        """The published coefficients."""
        return self.candidates[0]


def make_space(
    baseline: Baseline, *, classes: int, rules: ScalingRules, phi: float, step: str, tolerance: str
) -> Space:
    """Lists the candidates of a study.

    The incumbent is scaled by the recipe's own rules, resolution trim included; for the others the
    move to its cost takes the place of the trim.

    Args:
        baseline: the network to scale.
        classes: number of outputs.
        rules: equation, rounding and grid of resolutions; its coefficients are not used.
        phi: where the candidates are compared; 1 in the paper.
        step: of the grid of coefficients, a decimal text.
        tolerance: largest |alpha * beta^2 * gamma^2 - 2|, a decimal text.

    Raises:
        SearchError: a grid or tolerance with nothing to compare.
        ArchitectureError: a phi for which the incumbent is no network.
    """
    equation = rules.coefficients.equation
    check_incumbent(tolerance, equation)  # first: it is quick, and a fine grid is not
    points = grid_points(step, tolerance, equation)
    if phi == 0:
        raise SearchError("phi 0 is the baseline whatever the coefficients; search at phi 1")
    scaler = _Scaler(baseline, classes, rules, phi)
    groups: dict[Architecture, list[Coefficients]] = {
        scaler.incumbent.architecture: [scaler.published]
    }
    left_out = []
    for point in points:
        try:
            network = scaler.at_target(point)
        except ArchitectureError as problem:
            left_out.append(LeftOut(point, str(problem)))
        else:
            groups.setdefault(network, []).append(point)
    first, *others = (scaler.candidate(network, members) for network, members in groups.items())
    others.sort(key=lambda candidate: numbers(candidate.coefficients))
    space = Space((first, *others), tuple(left_out), first.variant.cost.macs, len(points),
                  len(scaler.untrimmed))  # fmt: skip
    if not others:
        raise SearchError(
            f"step {step} and tolerance {tolerance} leave nothing to compare with the published"
            f" coefficients: of {len(points)} points {len(left_out)} are left out"
            + (f" ({left_out[0].reason})" if left_out else "")
            + "; use a smaller step, a larger tolerance or a smaller resolution_step"
        )
    return space


def sample(space: Space, n: int, seed: int) -> tuple[Candidate, ...]:
    """Draws candidates at random: the incumbent, then n - 1 others in the order they were drawn.

    The same seed with a larger n begins with the same candidates.

    Raises:
        SearchError: fewer than one, or more than there are.
    """
    if not 1 <= n <= len(space.candidates):
        raise SearchError(
            f"{n} candidates were asked for, but there can be 1 to {len(space.candidates)}; use"
            " another number, a smaller step or a larger tolerance"
        )
    others = list(space.candidates[1:])
    random.Random(seed).shuffle(others)
    return (space.incumbent, *others[: n - 1])


def numbers(coefficients: Coefficients) -> tuple[float, float, float]:
    """Returns alpha, beta and gamma, the order in which points are listed."""
    return coefficients.alpha, coefficients.beta, coefficients.gamma


class _Scaler:
    """Builds the network of a point, at the asked resolution and at the common cost."""

    def __init__(self, baseline: Baseline, classes: int, rules: ScalingRules, phi: float) -> None:
        self.baseline, self.classes, self.phi = baseline, classes, phi
        self.published = incumbent_of(rules.coefficients.equation)
        self.rules = own = replace(rules, coefficients=self.published, searched=None)
        self.incumbent = scale(baseline, phi, classes=classes, rules=own)
        self.untrimmed: set[Architecture] = set()  # without layers
        # The resolution follows from the cost, so networks that differ in it alone become one.
        self.found = {_structure(self.incumbent.architecture): self.incumbent.architecture}

    def at_target(self, point: Coefficients) -> Architecture:
        """Returns the point's network with its MACs nearest to the incumbent's.

        Raises:
            ArchitectureError: there is none within 5 %, or no network at all.
        """
        rules = replace(self.rules, coefficients=point)
        step, target = rules.resolution_step, self.incumbent.cost.macs
        stages = untrimmed_stages(self.baseline, self.phi, classes=self.classes, rules=rules)
        self.untrimmed.add(stages)
        structure = _structure(stages)
        if structure not in self.found:
            resolutions = range(step, _FURTHEST * stages.resolution + step, step)
            macs = macs_by_resolution(laid_out(stages))
            resolution = _nearest(macs, resolutions, target)
            self.found[structure] = laid_out(replace(stages, resolution=resolution))
        return _at_one_cost(self.found[structure], target, step)

    def candidate(self, network: Architecture, members: Sequence[Coefficients]) -> Candidate:
        """Makes the candidate of all points that became one network."""
        incumbent = network is self.incumbent.architecture
        best = min(members, key=lambda point: (
            point != self.published, abs(resource_product(point) - 2), numbers(point),
        ))  # fmt: skip
        return Candidate(
            identity=candidate_identity(network),
            coefficients=best,
            aliases=tuple(sorted({*members} - {best}, key=numbers)),
            variant=self.incumbent if incumbent else self._variant(network, best),
            phi=self.phi,
            incumbent=incumbent,
        )

    def _variant(self, network: Architecture, point: Coefficients) -> Variant:
        multipliers = point.multipliers(self.phi)
        cost = bounded_cost(network)
        return Variant(
            name=variant_name(self.phi),
            phi=self.phi,
            depth_coefficient=multipliers.depth,
            width_coefficient=multipliers.width,
            resolution=network.resolution,
            dropout=None,
            architecture=network,
            cost=cost,
            macs_ratio=cost.macs / baseline_macs(self.baseline, self.classes),
            asked_macs_ratio=multipliers.macs_ratio,
        )


def _structure(network: Architecture) -> Architecture:
    """Returns the network's scaled numbers without resolution and layers, as a key."""
    return replace(network, layers=(), resolution=0)


def _nearest(macs: Callable[[int], int], resolutions: range, target: int) -> int:
    """Returns the resolution whose MACs are nearest to the target, in ratio.

    MACs never fall with resolution, but an odd size costs what the next even one does (padding);
    of equals the largest is taken, so that the result does not depend on where a search began.
    """
    above = bisect_right(resolutions, target, key=macs)
    near = [resolutions[max(0, above - 1)]]
    if above < len(resolutions):
        equals = bisect_right(resolutions, macs(resolutions[above]), lo=above, key=macs)
        near.append(resolutions[equals - 1])
    return min(near, key=lambda resolution: abs(math.log2(macs(resolution) / target)))


def _at_one_cost(network: Architecture, target: int, step: int) -> Architecture:
    cost = bounded_cost(network)
    if abs(cost.macs - target) > COST_TOLERANCE * target:
        raise ArchitectureError(
            f"its nearest cost is {cost.macs:,} MACs at {network.resolution} px, which is"
            f" {100 * (cost.macs / target - 1):+.1f} % off {target:,};"
            f" {100 * COST_TOLERANCE:g} % is allowed on a grid of {step} px"
        )
    return network
