"""What a recipe's limits come to: how much of them is used, and a file that breaks its own.

The limits are solved on predictions; a file's bytes are then measured, because that is what must
fit on a device.
"""

from dataclasses import replace

from edgescale.architecture.file_size import file_bytes
from edgescale.builder.plan import Plan, PlannedVariant
from edgescale.builder.recipe import LIMIT_KEYS
from edgescale.errors import ArchitectureError, BuildError
from edgescale.scaling.solve import Limits, solve
from edgescale.units import share


def budget_line(plan: Plan) -> str | None:
    """Says how much of the limits the solved variant uses and what the next would; None without."""
    limits, solution = plan.recipe.variants.limits, plan.solution
    if limits is None or solution is None:
        return None
    keys = {part: key for key, part in LIMIT_KEYS.items()}
    fitting = solution.variant
    amounts = limits.amounts(fitting.architecture, fitting.cost)
    used = ", ".join(f"{share(amounts[part], limit)} of {keys[part]}"
                     for part, limit in limits.given.items())  # fmt: skip
    line = f"{solution.variant.name} is the largest within the limits and uses {used}"
    following = solution.next
    if following is None:
        return line
    amounts = limits.amounts(following.architecture, following.cost)
    needed = ", ".join(share(amounts[part], limit) for part, limit in limits.given.items())
    return f"{line}; the next, {following.name}, would use {needed}"


def checked_size(plan: Plan, planned: PlannedVariant, size_bytes: int) -> str:
    """Says a model file's size, and how much of its limit that is.

    Raises:
        BuildError: more than its limit; names the phi that is predicted to fit.
    """
    limit = planned.max_file_bytes
    if limit is None:
        return f"{size_bytes / 1e6:.2f} MB int8"
    if size_bytes > limit:
        raise BuildError(
            f"its file has {size_bytes:,} bytes, {size_bytes - limit:,} more than max_file_bytes ="
            f" {limit:,}; {_what_fits(plan, planned, limit - size_bytes)}"
        )
    return f"{size_bytes / 1e6:.2f} MB int8, {share(size_bytes, limit)} of max_file_bytes"


def _what_fits(plan: Plan, planned: PlannedVariant, spare: int) -> str:
    """Solves again, with the limit lowered by what the prediction missed.

    ``spare`` are the bytes of the limit that the file left, below zero.
    """
    recipe, limits = plan.recipe, plan.recipe.variants.limits or Limits()
    lowered = replace(limits, file_bytes=file_bytes(planned.variant.architecture) + spare)
    try:
        solution = solve(recipe.baseline, lowered, classes=len(plan.labels), rules=recipe.rules)
    except ArchitectureError:
        return "no network of this baseline is predicted to fit, raise it"
    return (
        f"phi {solution.variant.phi:g} is predicted to fit: build"
        f" phis = [{solution.variant.phi:g}] in place of the limits"
    )
