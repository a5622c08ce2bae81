"""``select()``: the largest variant that fits the budget, and why not each of the others.

The figures may lie in a profile or be measured while choosing; the rule is the same. With no budget
everything that runs fits, so the choice is the largest variant that runs here at all.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgescale.device.bench import Progress
from edgescale.device.fresh import keep, known_here
from edgescale.device.live_figures import LiveFigures, Steps
from edgescale.device.profile import DeviceProfile, Measurement
from edgescale.device.rig import Rig
from edgescale.errors import NothingFits, ProfileError
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.eligible import eligible
from edgescale.selection.explanation import (
    DOMINATED,
    Rejection,
)
from edgescale.selection.figures import Figures, Memory, StoredFigures, looked_at
from edgescale.selection.order import Order, ordered
from edgescale.selection.policy import LOOK_RUNS, LargestWithin, Search
from edgescale.selection.reasons import Reasons, dominated_ones
from edgescale.selection.refusal import nothing_fits
from edgescale.selection.sequential import FITS, RULES, LimitTest, RateLimit, TailLimit, Trial

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """The chosen variant with its figures, and one rejection for every other variant.

    Attributes:
        chosen: the largest variant that fits.
        measurement: its figures.
        trials: what the tests of the limits said of it.
        budget: the limits.
        rejections: of the others, in the family's order.
        order: what "largest" means here.
        ladder: what a live run may step down to, smallest first, the chosen one last.
        looks: median in ms of the first few runs of each variant that was looked at.
    """

    chosen: VariantRecord
    measurement: Measurement
    trials: tuple[Trial, ...]
    budget: Budget
    rejections: tuple[Rejection, ...]
    order: Order
    ladder: tuple[tuple[VariantRecord, Measurement], ...]
    looks: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain dicts and lists, ready for JSON."""
        return {
            "chosen": self.chosen.name,
            "state": "fits",
            "macs": self.chosen.macs,
            "budget": asdict(self.budget),
            "order": [variant.name for variant in self.order.variants],
            "ordered_by": self.order.text,
            "looks_ms": dict(self.looks),
            "measurement": self.measurement.summary(),
            "trials": [asdict(trial) for trial in self.trials],
            "rejections": rejections_to_list(self.rejections),
        }


def select(family: Family, profile: DeviceProfile, budget: Budget | None = None) -> Selection:
    """Chooses the largest variant that is proven to fit by the figures of a profile.

    Args:
        family: the family.
        profile: its figures on this machine.
        budget: the limits; None is none.

    Raises:
        NothingFits: no variant is proven to fit; it carries every rejection and names the nearest
            miss.
        DeviceError: no variant runs here at all.
        ProfileError: the profile is of another family.
        NotForThisDevice: the budget asks of a CPU what only an Edge TPU has.
    """
    return select_by(family, StoredFigures(family, profile), budget or Budget())


def select_by(
    family: Family, figures: Figures, budget: Budget, *, adapt: bool = False
) -> Selection:
    """Chooses by figures that may be measured on the way; see ``select``.

    Args:
        family: the family.
        figures: what is known, and what can be measured.
        budget: the limits.
        adapt: whether a live run will hold the next smaller variant too: both count in memory, and
            all that it may step down to are looked at.
    """
    candidates, rejected = eligible(family, budget, figures.device)
    order = ordered(family, candidates)
    names = [variant.name for variant in order.variants]
    memory = Memory(figures, names, budget.memory_bytes, adapt)
    search = LargestWithin(figures, limit_tests(budget), memory.keeps)
    medians_ms: dict[str, float] | None = None  # built ones: time rises with size
    if family.manifest.provenance == "imported" or all(map(figures.at_hand, names)):
        looked = [name for name in names if search.look(name) is not None]
        medians_ms = {name: search.found.looks[name] for name in looked if memory.keeps(name)}
    found, beaten = _searched(search, order, medians_ms)
    rejected |= {name: reason for name, reason in beaten.items() if name not in found.trials}
    reasons = Reasons(figures, budget, order, memory)
    everyone = family.manifest.variants
    for variant in everyone:
        if variant.name != found.chosen and variant.name not in rejected:
            rejected[variant.name] = reasons.against(variant.name, found)
    rejections = tuple(rejected[one.name] for one in everyone if one.name != found.chosen)
    chosen = next((one for one in everyone if one.name == found.chosen), None)
    measurement = None if chosen is None else figures.measurement(chosen.name)
    if chosen is None or measurement is None:
        raise nothing_fits(family, figures, rejections, budget, order, found.looks)
    below = [one for one in names[: names.index(chosen.name)] if rejected[one].kind != DOMINATED]
    ladder = [(family.variant(name), looked_at(name, figures, adapt)) for name in below]
    return Selection(
        chosen,
        measurement,
        found.trials.get(chosen.name, ()),
        budget,
        rejections,
        order,
        (*((one, entry) for one, entry in ladder if entry is not None), (chosen, measurement)),
        found.looks,
    )


def _searched(
    search: LargestWithin, order: Order, medians_ms: Mapping[str, float] | None
) -> tuple[Search, dict[str, Rejection]]:
    """Searches without the variants that are beaten, and returns those too.

    A few runs tell which one is faster, not whether it keeps the limit or runs at all: one that
    was tested and failed beats nobody, so what only it beat is searched again.
    """
    names = [one.name for one in order.variants if medians_ms is None or one.name in medians_ms]
    left = set(names)
    while True:
        beaten = dominated_ones(order, left, medians_ms)
        found = search.search([name for name in names if name not in beaten])
        left = {name for name in names if found.state(name) in (None, FITS)}
        if dominated_ones(order, left, medians_ms).keys() == beaten.keys():
            return found, beaten


def choose(  # noqa: PLR0913 - the call behind two verbs
    family: Family,
    settings: WorkerSettings,
    budget: Budget,
    *,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    adapt: bool = False,
    rig: Rig | None = None,
) -> tuple[Selection, DeviceProfile]:
    """Chooses on this machine: by the stored profile, measuring what it lacks, and stores that.

    Args:
        family: the family.
        settings: device (``auto`` is resolved), runtime, threads, library.
        budget: the limits.
        folder: where profiles lie; None is ``EDGESCALE_DEVICES`` or the user's state folder.
        progress: called with (runs done, most that may be needed) while it measures.
        adapt: as in ``select_by``.
        rig: what is measured with.

    Returns:
        The choice, and the profile it stands on.

    Raises:
        NothingFits: as ``select``; what was measured is stored all the same.
        EdgescaleError: the device or runtime is not there.
    """
    known = known_here(family, settings, folder)
    if known.profile is None:
        name = family.manifest.name
        log.warning("measuring '%s' on this machine first: %s", name, known.reason)
    tests = limit_tests(budget)
    fewest = max((test.fewest_runs for test in tests), default=0)
    most = max((test.most_runs for test in tests), default=0)
    steps = Steps(progress, LOOK_RUNS * len(family.manifest.variants) + most)
    with LiveFigures(
        family,
        settings,
        known.device,
        known.profile,
        rig=rig,
        test_runs=(fewest, most),
        on_runs=steps.add,
    ) as figures:
        refusal: NothingFits | None = None
        try:
            selection = select_by(family, figures, budget, adapt=adapt)
        except NothingFits as problem:
            refusal = problem
            raise
        finally:
            steps.end()
            profile = figures.profile()
            if refusal is not None:
                refusal.profile = profile
            if profile is not None and profile is not known.profile:
                keep(known.folder, profile)
    if profile is None:  # a choice stands on figures
        raise ProfileError(f"nothing of '{family.manifest.name}' was measured")
    return selection, profile


def limit_tests(budget: Budget) -> list[LimitTest]:
    """Returns the tests of a budget's limits on time."""
    tests: list[LimitTest] = []
    if budget.latency_ms is not None:
        tests.append(TailLimit(budget.latency_ms, RULES[budget.percentile]))
    if budget.min_fps is not None:
        tests.append(RateLimit(1000 / budget.min_fps))
    return tests


def rejections_to_list(rejections: Sequence[Rejection]) -> list[dict[str, Any]]:
    """Returns rejections as plain dicts, ready for JSON."""
    return [
        {
            "variant": rejection.variant,
            "kind": rejection.kind,
            "state": rejection.state,
            "excesses": [
                {**asdict(excess), "over": excess.over, "over_percent": excess.over_percent}
                for excess in rejection.excesses
            ],
            "trials": [asdict(trial) for trial in rejection.trials],
            "text": rejection.text,
        }
        for rejection in rejections
    ]
