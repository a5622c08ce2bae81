"""From a baseline and a phi to a variant: scaled, rounded, trimmed and counted."""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache

from edgescale.architecture.baseline import Baseline, find_published
from edgescale.architecture.cost import Cost, bounded_cost, macs_by_resolution
from edgescale.architecture.network import (
    Architecture,
    TooLarge,
    build_architecture,
    laid_out,
    scaled_stages,
)
from edgescale.architecture.rounding import round_resolution
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import Coefficients, Multipliers
from edgescale.scaling.resolution import trimmed_resolution

LARGEST_PHI = 20.0  # MACs times a million; beyond it lies a typing error, not a network


@dataclass(frozen=True)
class SearchedNetwork:
    """The network that a search trained with coefficients, which brought all to one cost.

    ``resolution`` in pixels is where it was trained; the trim need not lead there.
    """

    phi: float
    resolution: int
    architecture_digest: str


@dataclass(frozen=True)
class ScalingRules:
    """How phi becomes whole numbers.

    ``resolution_step`` is the grid of input sizes in pixels; ``trim`` moves the resolution on that
    grid to where the realised MACs come nearest to the promised ones. At the phi of ``searched``
    the searched network itself is taken, so that its weights fit; see ``scale``.
    """

    coefficients: Coefficients = field(default_factory=Coefficients)
    rounding: str = "nearest"
    resolution_step: int = 8
    trim: bool = True
    searched: SearchedNetwork | None = None


@dataclass(frozen=True)
class Variant:
    """One member of a family before training.

    ``macs_ratio`` is the realised MACs over the baseline's, ``asked_macs_ratio`` what the
    coefficients promise. ``phi`` is None and ``dropout`` known for a published name only.
    """

    name: str
    phi: float | None
    depth_coefficient: float
    width_coefficient: float
    resolution: int
    dropout: float | None
    architecture: Architecture
    cost: Cost
    macs_ratio: float
    asked_macs_ratio: float


def variant_name(phi: float) -> str:
    """Returns the name of a generated variant: ``phi-1``, ``phi0``, ``phi0.5``."""
    return f"phi{phi + 0.0:g}"


def scale(
    baseline: Baseline, phi: float, *, classes: int = 1000, rules: ScalingRules | None = None
) -> Variant:
    """Scales a baseline to one phi.

    At the phi of a search it is the searched network, where baseline, classes and rounding still
    make that; otherwise, and at every other phi, the law decides.

    Args:
        baseline: the network to scale; phi 0 gives it back unchanged.
        phi: the compound coefficient; negative for smaller networks.
        classes: number of outputs.
        rules: coefficients and rounding; the defaults are the paper's 1.2, 1.1, 1.15.

    Raises:
        ArchitectureError: a phi for which there is no network.
    """
    rules = rules or ScalingRules()
    if not math.isfinite(phi) or abs(phi) > LARGEST_PHI:
        raise ArchitectureError(f"phi {phi:g} is not between {-LARGEST_PHI:g} and {LARGEST_PHI:g}")
    multipliers = rules.coefficients.multipliers(phi)
    unscaled_macs = baseline_macs(baseline, classes)
    try:
        architecture = _network(baseline, phi, classes, rules)
        cost = bounded_cost(architecture)
    except TooLarge as problem:
        if phi == 0:
            raise _too_large_itself(baseline, problem) from problem
        raise ArchitectureError(
            f"phi {phi:g} is too large for '{baseline.name}': {problem} or a smaller phi"
        ) from problem
    except ArchitectureError as problem:
        raise ArchitectureError(f"phi {phi:g} is too small for '{baseline.name}': {problem}"
                                ) from problem  # fmt: skip
    return Variant(
        name=variant_name(phi),
        phi=phi,
        depth_coefficient=multipliers.depth,
        width_coefficient=multipliers.width,
        resolution=architecture.resolution,
        dropout=None,
        architecture=architecture,
        cost=cost,
        macs_ratio=cost.macs / unscaled_macs,
        asked_macs_ratio=multipliers.macs_ratio,
    )


def _network(baseline: Baseline, phi: float, classes: int, rules: ScalingRules) -> Architecture:
    stages = untrimmed_stages(baseline, phi, classes=classes, rules=rules)
    start = laid_out(stages)
    bounded_cost(start)  # before the trim, which might shrink what is beyond reason
    if rules.searched is not None and rules.searched.phi == phi:
        searched = laid_out(replace(stages, resolution=rules.searched.resolution))
        if searched.digest == rules.searched.architecture_digest:
            return searched
    if not rules.trim:
        return start
    promised = baseline_macs(baseline, classes) * rules.coefficients.multipliers(phi).macs_ratio
    resolution = trimmed_resolution(
        start.resolution,
        macs_by_resolution(start),
        target_macs=promised,
        step=rules.resolution_step,
    )
    return laid_out(replace(start, resolution=resolution, layers=()))


def untrimmed_stages(
    baseline: Baseline, phi: float, *, classes: int, rules: ScalingRules
) -> Architecture:
    """Returns the network of one phi before the trim, without its layers.

    Along phi all its numbers are monotone, but for phi 0, which keeps the baseline's resolution.

    Raises:
        ArchitectureError: a stage vanishes, or Equation 4 makes a multiplier zero or less.
    """
    multipliers = rules.coefficients.multipliers(phi)
    resolution = baseline.resolution  # at phi 0 the baseline itself, even off the grid
    if phi != 0:
        resolution = round_resolution(resolution * multipliers.resolution, rules.resolution_step)
    return scaled_stages(
        baseline,
        width=multipliers.width,
        depth=multipliers.depth,
        resolution=resolution,
        classes=classes,
        rounding=rules.rounding,
    )


@lru_cache
def baseline_macs(baseline: Baseline, classes: int) -> int:
    """Returns the MACs of a baseline that is not scaled.

    Raises:
        ArchitectureError: it has too many layers.
    """
    try:
        unscaled = build_architecture(
            baseline, width=1, depth=1, resolution=baseline.resolution, classes=classes
        )
    except TooLarge as problem:
        raise _too_large_itself(baseline, problem) from problem
    return sum(layer.macs for layer in unscaled.layers)


def _too_large_itself(baseline: Baseline, problem: TooLarge) -> ArchitectureError:
    return ArchitectureError(f"the baseline '{baseline.name}' itself is too large: {problem}")


def published(baseline: Baseline, name: str, *, classes: int = 1000) -> Variant:
    """Returns a published member (``s``, ``m``, ``l``; ``lite0`` to ``lite4``), unchanged.

    Raises:
        ArchitectureError: the baseline has no such member.
    """
    member = find_published(baseline, name)
    architecture = build_architecture(
        baseline,
        width=member.width_coefficient,
        depth=member.depth_coefficient,
        resolution=member.resolution,
        classes=classes,
        rounding="reference",
    )
    asked = Multipliers(
        member.depth_coefficient,
        member.width_coefficient,
        member.resolution / baseline.resolution,
    )
    cost = bounded_cost(architecture)
    return Variant(
        name=name,
        phi=None,
        depth_coefficient=member.depth_coefficient,
        width_coefficient=member.width_coefficient,
        resolution=member.resolution,
        dropout=member.dropout,
        architecture=architecture,
        cost=cost,
        macs_ratio=cost.macs / baseline_macs(baseline, classes),
        asked_macs_ratio=asked.macs_ratio,
    )
