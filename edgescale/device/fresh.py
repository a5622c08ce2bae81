"""A profile that may be believed: the stored one while it is fresh, else a new measurement.

``select`` and ``classify`` both stand on it. That something is measured first is always said, since
it takes seconds in which no frame is classified.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from edgescale.device.bench import Progress
from edgescale.device.choose import link_mbit_s, models_on, resolve
from edgescale.device.delegate_file import library_sha256
from edgescale.device.measure import profile_with
from edgescale.device.probe import probe
from edgescale.device.profile import DeviceProfile
from edgescale.device.runtimes import runtime_here
from edgescale.device.store import Conditions, find_fresh, profiles_folder, save_profile
from edgescale.errors import ArtifactError, WorkerDied
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """What is stored of a family on this machine.

    Attributes:
        folder: where profiles lie.
        device: what the device asked for came to.
        profile: the stored one, where it may be believed.
        reason: why there is none; empty where there is one.
    """

    folder: Path
    device: str
    profile: DeviceProfile | None
    reason: str


def known_here(family: Family, settings: WorkerSettings, folder: Path | str | None) -> Known:
    """Looks up the stored profile for these settings on this machine.

    Args:
        family: the family.
        settings: device (``auto`` is resolved), runtime, threads, library.
        folder: where profiles lie; None is ``EDGESCALE_DEVICES`` or the user's state folder.

    Raises:
        EdgescaleError: no runtime, no such device, or the folder is inside the family.
    """
    place = profiles_folder(folder, family)
    wanted = conditions_here(family, settings)
    found = find_fresh(place, family.manifest.name, wanted, now=datetime.now(timezone.utc))
    if isinstance(found, str):
        return Known(place, wanted.device, None, found)
    # A worker dies of a full memory or a pulled stick as well as of its model: ask it again.
    alive = tuple(one for one in found.variants if one.error_kind != WorkerDied.__name__)
    if not alive:
        return Known(place, wanted.device, None, "the stored one holds no figures")
    runs = [one.n or 0 for one in alive]
    doubts = f"; doubtful, {len(found.noise.flags)} reason(s)" if found.noise.noisy else ""
    log.info(
        "using the profile of %s in %s (%d of %d variants, n = %d to %d%s)",
        *(found.time, place, len(runs), len(found.models), min(runs), max(runs), doubts),
    )
    return Known(place, wanted.device, replace(found, variants=alive), "")


def fresh_profile(
    family: Family,
    settings: WorkerSettings,
    *,
    folder: Path | str | None = None,
    progress: Progress | None = None,
) -> DeviceProfile:
    """Returns the stored profile of every variant on this machine, or measures all of them now.

    Args:
        family: the family.
        settings: device (``auto`` is resolved), runtime, threads, library.
        folder: where profiles lie; None is ``EDGESCALE_DEVICES`` or the user's state folder.
        progress: called with (runs done, runs in all) while it measures.

    Raises:
        EdgescaleError: nothing stored is fresh, and nothing can be measured.
    """
    known = known_here(family, settings, folder)
    if known.profile is not None and len(known.profile.variants) == len(known.profile.models):
        return known.profile
    reason = known.reason or "the stored profile is of some variants only"
    log.warning("measuring '%s' on this machine first: %s", family.manifest.name, reason)
    measured = profile_with(family, settings, progress=progress)
    keep(known.folder, measured)
    return measured


def keep(folder: Path, profile: DeviceProfile) -> None:
    """Stores a profile; where that is not possible it is said, and the run goes on."""
    try:
        path = save_profile(folder, profile)
    except ArtifactError as problem:
        log.warning("the profile is not kept, so the next run measures again: %s", problem)
    else:
        log.info("profile written to %s", path)


def conditions_here(family: Family, settings: WorkerSettings) -> Conditions:
    """Returns the conditions of a measurement made here and now."""
    machine = probe()
    choice, resolved = resolve(family.manifest.variants, settings, machine)
    runtime, version = runtime_here(resolved)
    return Conditions(
        machine=machine.fingerprint(),
        device=choice.device,
        runtime=runtime,
        runtime_version=version,
        threads_asked=settings.threads,
        models=models_on(family, choice.device),
        edgetpu_library_sha256=library_sha256(resolved),
        edgetpu_performance=settings.edgetpu_performance,
        edgetpu_link_mbit_s=link_mbit_s(choice.device, probe()),  # anew: its first use moves it
    )
