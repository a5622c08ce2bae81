"""The error of a choice that found nothing: the nearest miss, and what to do about it."""

from collections.abc import Mapping, Sequence

from edgescale.errors import DeviceError, NothingFits
from edgescale.family.store import Family
from edgescale.selection.budget import Budget
from edgescale.selection.explanation import NOT_MEASURED, NOT_PROVEN, Rejection, budget_text
from edgescale.selection.figures import Figures
from edgescale.selection.order import Order
from edgescale.units import mib


def nothing_fits(
    family: Family,
    figures: Figures,
    rejections: Sequence[Rejection],
    budget: Budget,
    order: Order,
    looks: Mapping[str, float],
) -> NothingFits | DeviceError:
    """Returns the error that names the nearest miss, or says that no variant runs at all.

    Args:
        family: the family.
        figures: what was measured.
        rejections: one for each variant.
        budget: the limits.
        order: what ordered the variants.
        looks: medians in ms of those that were looked at.
    """
    name = family.manifest.name
    broken = [one for one in rejections if one.kind == NOT_MEASURED]
    if len(broken) == len(rejections):
        reasons = "; ".join(f"{one.variant} {one.text}" for one in broken)
        return DeviceError(f"no variant of '{name}' runs on this machine: {reasons}")
    # Tested ones first: a median of few runs says little of how far a percentile is off.
    close = sorted(
        (one for one in rejections if one.excesses or one.trials),
        key=lambda one: (not one.trials, max([e.over_percent for e in one.excesses], default=0)),
    )
    if not close:
        reasons = "; ".join(dict.fromkeys(one.text for one in rejections))
        return NothingFits(
            f"no variant of '{name}' can be held against the budget ({budget_text(budget)}):"
            f" {reasons}",
            tuple(rejections),
            order=order,
            looks=looks,
        )
    nearest = close[0]
    entries = [figures.measurement(one.variant) for one in rejections]
    main_bytes = min(
        [one.main_pss_bytes for one in entries if one and one.main_pss_bytes], default=0
    )
    advice = "relax the budget or build a smaller variant"
    if budget.memory_bytes is not None and main_bytes > budget.memory_bytes:
        advice = (
            f"no variant can: the main process alone takes {mib(main_bytes)}; allow more memory"
        )
    fits = "is proven to fit" if any(one.kind == NOT_PROVEN for one in rejections) else "fits"
    return NothingFits(
        f"no variant of '{name}' {fits} ({budget_text(budget)}); the nearest miss is"
        f" '{nearest.variant}': {nearest.text}; {advice}",
        tuple(rejections),
        order=order,
        looks=looks,
    )
