"""Where profiles lie on this machine, and whether the stored one may still be believed.

A profile belongs to the machine, so it is never written into the package or a family. Its file name
carries a hash of all that makes it valid, so that profiles of other runtimes stay beside it.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import edgescale
from edgescale.device.choose import link_mbit_s
from edgescale.device.profile import DeviceProfile, parse_time
from edgescale.device.profile_record import read_profile
from edgescale.errors import ProfileError
from edgescale.family.store import Family, replacing, write_json

ENVIRONMENT = "EDGESCALE_DEVICES"
FRESH_FOR = timedelta(days=30)
DOUBTFUL_FOR = timedelta(minutes=10)  # what was measured beside other work may be wrong either way


@dataclass(frozen=True)
class Conditions:
    """All that makes a profile valid: what would be measured now, and where.

    Attributes:
        machine: its fingerprint.
        device: ``auto`` resolved.
        runtime: its name.
        runtime_version: its version.
        threads_asked: None where the count is searched.
        models: sorted (variant, sha256 of the file it would run).
        edgetpu_library_sha256: of the library; None on the CPU.
        edgetpu_performance: the clock asked for.
        edgetpu_link_mbit_s: of its USB port; None where it is not told.
        edgescale_version: that measures.
    """

    machine: tuple[str, ...]
    device: str
    runtime: str
    runtime_version: str
    threads_asked: int | None
    models: tuple[tuple[str, str], ...]
    edgetpu_library_sha256: str | None = None
    edgetpu_performance: str | None = None
    edgetpu_link_mbit_s: int | None = None
    edgescale_version: str = edgescale.__version__


def profiles_folder(asked: Path | str | None, family: Family) -> Path:
    """Returns where profiles lie: as asked, ``EDGESCALE_DEVICES``, or the user's state folder.

    Raises:
        ProfileError: the place is inside the family or the package.
    """
    asked = profiles_place(asked)
    package = Path(edgescale.__file__).resolve().parent
    # os.path asks the file system too, but takes what it may not read as it is written.
    real = Path(os.path.realpath(asked))
    folder = Path(os.path.realpath(family.folder))
    for place, name in ((folder, "the family"), (package, "the package")):
        if place in (real, *real.parents):
            raise ProfileError(
                f"{asked}: is inside {name}, which profiles must not change; give another folder"
                f" with --profiles or {ENVIRONMENT}"
            )
    return asked


def profiles_place(asked: Path | str | None) -> Path:
    """Returns the folder as asked, else ``EDGESCALE_DEVICES``, else the user's state folder."""
    named = os.environ.get(ENVIRONMENT)
    place = asked or named
    return Path(place) if place else _state_folder()


def profile_path(folder: Path, family: str, conditions: Conditions) -> Path:
    """Returns the file of the profile measured under these conditions."""
    facts = [
        list(conditions.machine),
        conditions.device,
        conditions.runtime,
        conditions.runtime_version,
        conditions.threads_asked,
        [list(model) for model in conditions.models],
        conditions.edgetpu_library_sha256,
        conditions.edgetpu_performance,
        conditions.edgetpu_link_mbit_s,
        conditions.edgescale_version,
    ]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return folder / f"{family}-{digest[:12]}.json"


def conditions_of(profile: DeviceProfile) -> Conditions:
    """Returns the conditions under which a profile was measured."""
    return Conditions(
        machine=profile.machine.fingerprint(),
        device=profile.device,
        runtime=profile.runtime,
        runtime_version=profile.runtime_version,
        threads_asked=profile.threads_asked,
        models=tuple(sorted(profile.models)),
        edgetpu_library_sha256=profile.edgetpu_library_sha256,
        edgetpu_performance=profile.edgetpu_performance,
        edgetpu_link_mbit_s=link_mbit_s(profile.device, profile.machine),
        edgescale_version=profile.edgescale_version,
    )


def save_profile(folder: Path, profile: DeviceProfile) -> Path:
    """Writes a profile atomically and returns its path.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    path = profile_path(folder, profile.family, conditions_of(profile))
    write_json(path, profile.to_dict())
    return path


def mark_stale(folder: Path, profile: DeviceProfile, why: str) -> None:
    """Notes in the stored profile that a live run found it no longer true, so nobody uses it.

    A profile that another process has measured since is left as it is.

    Args:
        folder: where it lies.
        profile: the one that was used.
        why: what the run saw, in a few words.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    try:
        stored = read_profile(profile_path(folder, profile.family, conditions_of(profile)))
    except ProfileError:
        return
    if stored.time == profile.time:
        save_profile(folder, replace(stored, stale=why))


def check_writable(folder: Path) -> None:
    """Finds out before a long measurement whether its result can be kept.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    probe = folder / ".writable"
    with replacing(probe):
        pass
    probe.unlink(missing_ok=True)


def find_fresh(
    folder: Path, family: str, conditions: Conditions, *, now: datetime
) -> DeviceProfile | str:
    """Returns the stored profile, or the reason why there is none that may be believed."""
    path = profile_path(folder, family, conditions)
    if not os.path.isfile(path):  # noqa: PTH113 - never raises
        return _why_none(folder, family, conditions)
    try:
        profile = read_profile(path)
    except ProfileError as problem:
        return f"the stored one cannot be used ({problem})"
    measured = parse_time(profile.time)
    if conditions_of(profile) != conditions or measured is None:
        return f"the stored one ({path}) was measured under other conditions"
    if profile.stale is not None:
        return f"the stored one of {profile.time} is no longer true: {profile.stale}"
    if not timedelta(0) <= now - measured <= FRESH_FOR:
        return f"the stored one is of {profile.time}, not of the last {FRESH_FOR.days} days"
    if profile.noise.disturbed and now - measured > DOUBTFUL_FOR:
        return f"the stored one of {profile.time} was measured beside other work"
    return profile


def _why_none(folder: Path, family: str, conditions: Conditions) -> str:
    """Says what differs from the profile of this family that is nearest to the conditions."""
    reasons, unreadable = [], ""
    own_name = re.compile(rf"{re.escape(family)}-[0-9a-f]{{12}}\.json")
    for path in sorted(folder.glob("*.json")) if os.path.isdir(folder) else []:  # noqa: PTH112 - never raises
        if not own_name.fullmatch(path.name):
            continue
        try:
            profile = read_profile(path)
        except ProfileError as problem:
            unreadable = f"the stored one cannot be used ({problem})"
            continue
        if profile.family == family:
            reasons.append(_differences(conditions_of(profile), conditions))
    if not reasons:
        return unreadable or f"no profile of '{family}' in {folder}"
    return f"the stored ones are for {min(reasons, key=len)}"


def _differences(stored: Conditions, wanted: Conditions) -> str:
    if stored.device != wanted.device:
        return f"device {stored.device}"  # with other files and another library
    checks = (
        ("another machine", stored.machine != wanted.machine),
        (
            f"runtime {stored.runtime} {stored.runtime_version}",
            (stored.runtime, stored.runtime_version) != (wanted.runtime, wanted.runtime_version),
        ),
        (_threads_text(stored.threads_asked), stored.threads_asked != wanted.threads_asked),
        ("other models", stored.models != wanted.models),
        (
            "another Edge TPU library",
            stored.edgetpu_library_sha256 != wanted.edgetpu_library_sha256,
        ),
        (
            f"Edge TPU performance {stored.edgetpu_performance or 'as the library has it'}",
            stored.edgetpu_performance != wanted.edgetpu_performance,
        ),
        (
            "another speed of the USB link",
            stored.edgetpu_link_mbit_s != wanted.edgetpu_link_mbit_s,
        ),
        (
            f"edgescale {stored.edgescale_version}",
            stored.edgescale_version != wanted.edgescale_version,
        ),
    )
    return ", ".join(text for text, differs in checks if differs) or "the same conditions"


def _threads_text(threads_asked: int | None) -> str:
    return (
        "as many threads as measure best" if threads_asked is None else f"{threads_asked} threads"
    )


def _state_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir("edgescale")) / "devices"
