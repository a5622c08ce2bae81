"""A profile that may be believed: the stored one while it is fresh, else a new measurement.

``select`` and ``classify`` both stand on it. That something is measured first is always said, since
it takes seconds in which no frame is classified.
"""

import logging
from datetime import datetime, timezone
from pathlib import Path

from edgescale.device.bench import Progress
from edgescale.device.choose import model_for
from edgescale.device.measure import profile_with, resolve
from edgescale.device.probe import probe
from edgescale.device.profile import DeviceProfile
from edgescale.device.runtimes import runtime_here
from edgescale.device.store import Conditions, find_fresh, profiles_folder, save_profile
from edgescale.errors import ArtifactError, NotForThisDevice
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings

log = logging.getLogger(__name__)


def fresh_profile(
    family: Family,
    settings: WorkerSettings,
    *,
    folder: Path | str | None = None,
    progress: Progress | None = None,
) -> DeviceProfile:
    """Returns the stored profile of this family on this machine, or measures it now.

    Args:
        family: the family.
        settings: device (``auto`` is resolved), runtime, threads, library.
        folder: where profiles lie; None is ``EDGESCALE_DEVICES`` or the user's state folder.
        progress: called with (runs done, runs in all) while it measures.

    Raises:
        EdgescaleError: nothing stored is fresh, and nothing can be measured.
    """
    folder = profiles_folder(folder, family)
    found = find_fresh(
        folder,
        family.manifest.name,
        conditions_here(family, settings),
        now=datetime.now(timezone.utc),
    )
    if isinstance(found, DeviceProfile):
        runs = max(one.n or 0 for one in found.variants)
        noise = ", measured while the machine was busy" if found.noise.noisy else ""
        log.info("using the profile of %s in %s (n = %d%s)", found.time, folder, runs, noise)
        return found
    log.warning("measuring '%s' on this machine first: %s", family.manifest.name, found)
    measured = profile_with(family, settings, progress=progress)
    try:
        path = save_profile(folder, measured)
    except ArtifactError as problem:
        log.warning("the profile is not kept, so the next run measures again: %s", problem)
    else:
        log.info("profile written to %s", path)
    return measured


def conditions_here(family: Family, settings: WorkerSettings) -> Conditions:
    """Returns the conditions of a measurement made here and now."""
    machine = probe()
    choice, resolved = resolve(family.manifest.variants, settings, machine)
    runtime, version = runtime_here(resolved)
    models = ((one.name, _sha256(one, choice.device)) for one in family.manifest.variants)
    return Conditions(
        machine=machine.fingerprint(),
        device=choice.device,
        runtime=runtime,
        runtime_version=version,
        threads=settings.threads or 1,
        models=tuple(sorted(models)),
    )


def _sha256(variant: VariantRecord, device: str) -> str:
    try:
        return model_for(variant, device).sha256
    except NotForThisDevice:
        return variant.model.sha256
