"""``select()``: the largest variant that fits the budget, and why not each of the others.

Largest is most MACs. With no budget everything that could be measured fits, so the choice is the
largest variant that runs here at all.
"""

from dataclasses import asdict, dataclass
from typing import Any

from edgescale.device.profile import DeviceProfile, Measurement
from edgescale.errors import NothingFits, ProfileError
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.selection.budget import Budget
from edgescale.selection.explanation import (
    Rejection,
    budget_text,
    excesses,
    not_measured,
    over_budget,
    smaller,
)


@dataclass(frozen=True)
class Selection:
    """The chosen variant with its figures, and one rejection for every other variant."""

    chosen: VariantRecord
    measurement: Measurement
    budget: Budget
    rejections: tuple[Rejection, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain dicts and lists, ready for JSON."""
        return {
            "chosen": self.chosen.name,
            "macs": self.chosen.macs,
            "budget": asdict(self.budget),
            "measurement": asdict(self.measurement),
            "rejections": rejections_to_list(self.rejections),
        }


def select(family: Family, profile: DeviceProfile, budget: Budget | None = None) -> Selection:
    """Chooses the variant with most MACs among those that fit; equal MACs: the faster one.

    Args:
        family: the family.
        profile: its figures on this machine.
        budget: the limits; None is none.

    Raises:
        NothingFits: no variant fits; it carries every rejection and names the nearest miss.
        ProfileError: the profile is of another family.
    """
    budget = budget or Budget()
    if profile.family != family.manifest.name:
        raise ProfileError(
            f"the profile is of family '{profile.family}', not of '{family.manifest.name}'; profile"
            " this family"
        )
    fitting: list[tuple[VariantRecord, Measurement]] = []
    rejected: dict[str, Rejection] = {}
    for variant in family.manifest.variants:
        verdict = _verdict(variant, profile, budget)
        if isinstance(verdict, Rejection):
            rejected[variant.name] = verdict
        else:
            fitting.append((variant, verdict))
    if not fitting:
        raise _nothing_fits(family, tuple(rejected.values()), budget)
    chosen, measurement = max(fitting, key=_rank)
    for variant, _ in fitting:
        if variant is not chosen:
            rejected[variant.name] = smaller(variant.name, variant.macs, chosen.macs)
    names = [variant.name for variant in family.manifest.variants if variant is not chosen]
    return Selection(chosen, measurement, budget, tuple(rejected[name] for name in names))


def rejections_to_list(rejections: tuple[Rejection, ...]) -> list[dict[str, Any]]:
    """Returns rejections as plain dicts, ready for JSON."""
    return [
        {
            "variant": rejection.variant,
            "kind": rejection.kind,
            "excesses": [
                {**asdict(excess), "over": excess.over, "over_percent": excess.over_percent}
                for excess in rejection.excesses
            ],
            "text": rejection.text,
        }
        for rejection in rejections
    ]


def _verdict(
    variant: VariantRecord, profile: DeviceProfile, budget: Budget
) -> Measurement | Rejection:
    measurement = profile.measurement(variant.name)
    if measurement is None:
        return not_measured(variant.name, "it is not in the profile")
    if measurement.error is not None:
        return not_measured(variant.name, measurement.error)
    models = (variant.model, variant.compiled)
    if measurement.model_sha256 not in [model.sha256 for model in models if model is not None]:
        return not_measured(variant.name, "the profile is of another model file; profile it again")
    broken = excesses(measurement, budget)
    return over_budget(variant.name, broken) if broken else measurement


def _rank(entry: tuple[VariantRecord, Measurement]) -> tuple[int, float]:
    variant, measurement = entry
    p95_ms = measurement.latency_ms.p95 if measurement.latency_ms else float("inf")
    return variant.macs, -p95_ms


def _nothing_fits(family: Family, rejections: tuple[Rejection, ...], budget: Budget) -> NothingFits:
    misses = [rejection for rejection in rejections if rejection.excesses]
    if not misses:
        text = f"no variant of '{family.manifest.name}' could be measured on this machine"
        return NothingFits(f"{text}; see the reasons with 'edgescale profile'", rejections)
    nearest = min(misses, key=lambda miss: max(excess.over_percent for excess in miss.excesses))
    return NothingFits(
        f"no variant of '{family.manifest.name}' fits ({budget_text(budget)}); the nearest miss is"
        f" '{nearest.variant}': {nearest.text}; relax the budget or build a smaller variant",
        rejections,
    )
