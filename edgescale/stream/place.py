"""Where a live run may run, and what it may run there: a device with its ladder of variants.

A variant that keeps the budget on an Edge TPU is far too slow on the CPU beside it, so a run that
has to move is chosen for anew.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgescale.device.bench import Progress
from edgescale.device.choose import edge_tpu_devices, edge_tpu_of, hindrance, resolve
from edgescale.device.edge_tpus import EdgeTpu, edge_tpu_temperature_c
from edgescale.device.probe import Machine, probe
from edgescale.device.profile import DeviceProfile, Measurement
from edgescale.device.store import profiles_folder
from edgescale.errors import NothingFits
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.tpu_lock import lock_name
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.choice import Selection, choose
from edgescale.selection.explanation import budget_text
from edgescale.units import milliseconds

log = logging.getLogger(__name__)

_STEP = 0.9  # a step down that saves less than a tenth is not worth a change


@dataclass(frozen=True)
class Place:
    """A device, and the variants for it.

    Attributes:
        settings: how to run there; the device is no longer ``auto``.
        variant: what runs first.
        ladder: what it may step down to with the figures of each, smallest first, the variant
            itself last; empty where the variant was named, so that nothing is known of it.
        profile: the figures it was chosen by; None where the variant was named.
        folder: where that profile lies.
    """

    settings: WorkerSettings
    variant: VariantRecord
    ladder: tuple[tuple[VariantRecord, Measurement], ...] = ()
    profile: DeviceProfile | None = None
    folder: Path | None = None

    @property
    def measurement(self) -> Measurement | None:
        """Returns the figures of the variant that runs first."""
        return self.ladder[-1][1] if self.ladder else None

    @property
    def p99_ms(self) -> float | None:
        """Returns the largest p99 of the ladder, None where nothing was measured."""
        tails = (entry.latency_ms for _, entry in self.ladder)
        return max((tail.p99 for tail in tails if tail is not None), default=None)


@dataclass(frozen=True)
class Wish:
    """What the user asked for.

    Attributes:
        family: the family.
        settings: as given, with ``auto`` where the device is free.
        variant: its name, or None where the budget chooses.
        budget: the limits.
        adapt: whether the run may change the variant.
        profiles: folder of the profiles.
        progress: told while it measures.
    """

    family: Family
    settings: WorkerSettings
    variant: str | None
    budget: Budget
    adapt: bool
    profiles: Path | str | None = None
    progress: Progress | None = None


def first_place(wish: Wish) -> Place:
    """Returns where and with what to begin.

    Raises:
        EdgescaleError: nothing fits, or the device or runtime is not there.
    """
    if wish.variant is not None:
        variant = wish.family.variant(wish.variant)
        _, settings = resolve((variant,), wish.settings, probe())
        return Place(settings, variant)
    place = _chosen(wish, wish.settings)
    latency = place.measurement.latency_ms if place.measurement else None
    log.info(
        "variant: %s, the largest that fits (%s): p95 %s on %s, %s",
        place.variant.name,
        budget_text(wish.budget),
        milliseconds(latency.p95) if latency else "?",
        place.settings.device,
        place.settings.runtime,
    )
    return place


def other_places(wish: Wish, now: Place) -> Iterator[Callable[[], Place]]:
    """Yields what finds the other places of this machine: Edge TPUs, then the CPU.

    An Edge TPU that another process has open is left to it. On another Edge TPU the same variants
    run. On the CPU the budget chooses anew: by the stored profile, or after a measurement of some
    seconds.
    """
    machine = probe()
    used = lock_name(now.settings.device) if now.settings.device != "cpu" else None
    if now.variant.compiled is not None:
        for device, tpu in edge_tpu_devices(machine):
            if lock_name(device) != used and hindrance(tpu) is None:
                yield partial(replace, now, settings=replace(now.settings, device=device))
    if used is not None:
        yield partial(cpu_place, wish)


def cpu_place(wish: Wish) -> Place:
    """Returns the CPU with the variant that fits there.

    Raises:
        EdgescaleError: none can run there.
    """
    settings = replace(wish.settings, device="cpu")
    if wish.variant is not None:
        return Place(settings, wish.family.variant(wish.variant))
    budget = replace(wish.budget, on_chip_only=False)  # says nothing of a CPU
    try:
        return _chosen(replace(wish, budget=budget), settings)
    except NothingFits as problem:
        smallest = min(wish.family.manifest.variants, key=lambda variant: variant.macs)
        log.warning("the CPU keeps no budget, so '%s' runs there: %s", smallest.name, problem)
        return Place(settings, smallest)


def thermometer(device: str, machine: Machine) -> tuple[EdgeTpu, Callable[[], float | None]] | None:
    """Returns the Edge TPU of a device string and what reads its temperature; None without one."""
    tpu = edge_tpu_of(device, machine)
    if tpu is None or not tpu.trip_points_c:
        return None
    return tpu, partial(edge_tpu_temperature_c, tpu)


def worthwhile(
    ladder: Sequence[tuple[VariantRecord, Measurement]],
) -> tuple[tuple[VariantRecord, Measurement], ...]:
    """Returns the ladder without steps that are hardly faster than a larger one."""
    kept: list[tuple[VariantRecord, Measurement]] = []
    fastest_ms = float("inf")
    for variant, entry in reversed(ladder):
        if entry.latency_ms is not None and entry.latency_ms.median <= _STEP * fastest_ms:
            kept.insert(0, (variant, entry))
            fastest_ms = entry.latency_ms.median
    return tuple(kept)


def _chosen(wish: Wish, settings: WorkerSettings) -> Place:
    selection, profile = choose(
        wish.family, settings, wish.budget,
        folder=wish.profiles, progress=wish.progress, adapt=wish.adapt,
    )  # fmt: skip
    return _place(wish, settings, selection, profile)


def _place(
    wish: Wish, settings: WorkerSettings, selection: Selection, profile: DeviceProfile
) -> Place:
    """The run uses what was measured: device, runtime and threads."""
    settings = replace(
        settings, device=profile.device, runtime=profile.runtime, threads=profile.threads
    )
    folder = profiles_folder(wish.profiles, wish.family)
    return Place(settings, selection.chosen, worthwhile(selection.ladder), profile, folder)
