from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import edgescale
from edgescale.device.profile import DeviceProfile, Measurement, Noise, parse_time
from edgescale.device.store import (
    Conditions,
    check_writable,
    conditions_of,
    find_fresh,
    mark_stale,
    profile_path,
    profiles_folder,
    save_profile,
)
from edgescale.errors import ArtifactError, ProfileError
from tests.fakes import fake_family, measured, profile_of

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def stored(tmp_path: Path) -> tuple[Path, DeviceProfile, Conditions]:
    family = fake_family(tmp_path / "family", {"a": 1, "b": 2})
    profile = profile_of(family, [measured(variant) for variant in family.manifest.variants])
    folder = tmp_path / "profiles"
    save_profile(folder, profile)
    return folder, profile, conditions_of(profile)


def test_finds_a_fresh_profile_again(tmp_path: Path) -> None:
    folder, profile, conditions = stored(tmp_path)
    assert find_fresh(folder, "fakes", conditions, now=NOON + timedelta(days=30)) == profile


@pytest.mark.parametrize(
    "age", [timedelta(days=30, seconds=1), timedelta(seconds=-1)], ids=["too old", "of tomorrow"]
)
def test_an_old_profile_is_measured_again(tmp_path: Path, age: timedelta) -> None:
    folder, _, conditions = stored(tmp_path)
    reason = find_fresh(folder, "fakes", conditions, now=NOON + age)
    assert isinstance(reason, str)
    assert "2026-01-31T12:00:00Z" in reason


def test_figures_beside_one_that_died_are_believed(tmp_path: Path) -> None:
    family = fake_family(tmp_path / "family", {"a": 1, "b": 2})
    first, second = family.manifest.variants
    failed = Measurement(second.name, second.model.sha256, error="SIGKILL", error_kind="WorkerDied")
    profile = profile_of(family, [measured(first), failed])
    save_profile(tmp_path, profile)
    assert find_fresh(tmp_path, "fakes", conditions_of(profile), now=NOON) == profile


def test_what_was_measured_beside_other_work_is_believed_for_minutes(tmp_path: Path) -> None:
    family = fake_family(tmp_path / "family", {"a": 1})
    noise = Noise(psi_during_percent=40.0)
    profile = profile_of(family, [measured(family.variant("a"))], noise=noise)
    save_profile(tmp_path, profile)
    at = parse_time(profile.time)
    assert at is not None
    soon, later = at + timedelta(minutes=9), at + timedelta(minutes=11)
    assert find_fresh(tmp_path, "fakes", conditions_of(profile), now=soon) == profile
    found = find_fresh(tmp_path, "fakes", conditions_of(profile), now=later)
    assert found == f"the stored one of {profile.time} was measured beside other work"


def test_a_folder_that_cannot_be_looked_at_has_no_profile(tmp_path: Path) -> None:
    family = fake_family(tmp_path / "family", {"a": 1})
    _, _, conditions = stored(tmp_path)
    folder = profiles_folder(tmp_path / ("a" * 300), family)
    assert find_fresh(folder, "fakes", conditions, now=NOON) == f"no profile of 'fakes' in {folder}"
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    folder = profiles_folder(loop, family)
    assert find_fresh(folder, "fakes", conditions, now=NOON) == f"no profile of 'fakes' in {folder}"


def test_says_which_condition_differs(tmp_path: Path) -> None:
    folder, _, conditions = stored(tmp_path)
    cases = {
        "runtime ai_edge_litert 2.3.0": replace(conditions, runtime_version="2.4.0"),
        "other models": replace(conditions, models=(("a", "0" * 64),)),
        "another machine": replace(conditions, machine=("other",)),
        "as many threads as measure best": replace(conditions, threads_asked=2),
        "another speed of the USB link": replace(conditions, edgetpu_link_mbit_s=480),
        "another Edge TPU library": replace(conditions, edgetpu_library_sha256="0" * 64),
        "Edge TPU performance as the library has it": replace(
            conditions, edgetpu_performance="low"
        ),
        "device cpu": replace(conditions, device="usb"),
        "edgescale 0.1.0": replace(conditions, edgescale_version="9"),
    }
    for said, wanted in cases.items():
        reason = find_fresh(folder, "fakes", wanted, now=NOON)
        assert isinstance(reason, str)
        assert said in reason


def test_an_empty_or_missing_folder_has_no_profile(tmp_path: Path) -> None:
    _, _, conditions = stored(tmp_path)
    reason = find_fresh(tmp_path / "nowhere", "fakes", conditions, now=NOON)
    assert reason == f"no profile of 'fakes' in {tmp_path / 'nowhere'}"


def test_a_corrupt_profile_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    folder, _, conditions = stored(tmp_path)
    path = profile_path(folder, "fakes", conditions)
    path.write_text('{"schema_version": 1,')
    reason = find_fresh(folder, "fakes", conditions, now=NOON)
    assert isinstance(reason, str)
    assert "cannot be used" in reason
    reason = find_fresh(folder, "fakes", replace(conditions, threads_asked=7), now=NOON)
    assert isinstance(reason, str)
    assert "cannot be used" in reason


def test_a_profile_of_an_older_schema_is_measured_anew_and_said(tmp_path: Path) -> None:
    folder, _, conditions = stored(tmp_path)
    path = profile_path(folder, "fakes", conditions)
    path.rename(folder / "fakes-0123456789ab.json").write_text('{"schema_version": 1}')
    (folder / "fakes-of-others-0123456789ab.json").write_text("{")
    reason = find_fresh(folder, "fakes", conditions, now=NOON)
    assert isinstance(reason, str)
    assert "fakes-0123456789ab.json: schema version 1 is of an older edgescale" in reason


def test_a_stale_profile_is_not_used_and_the_reason_is_said(tmp_path: Path) -> None:
    folder, profile, conditions = stored(tmp_path)
    mark_stale(folder, profile, "7 of 59 results took longer than its p95")
    reason = find_fresh(folder, "fakes", conditions, now=NOON)
    assert isinstance(reason, str)
    assert "no longer true: 7 of 59 results" in reason


def test_a_profile_measured_since_is_not_marked_stale(tmp_path: Path) -> None:
    folder, profile, conditions = stored(tmp_path)
    save_profile(folder, replace(profile, time="2026-01-31T12:00:01Z"))
    mark_stale(folder, profile, "slow")
    found = find_fresh(folder, "fakes", conditions, now=NOON + timedelta(minutes=1))
    assert isinstance(found, DeviceProfile)
    profile_path(folder, "fakes", conditions).unlink()
    mark_stale(folder, profile, "slow")
    assert list(folder.glob("*.json")) == []


def test_a_profile_of_some_variants_is_found_under_the_whole_family(tmp_path: Path) -> None:
    folder, profile, conditions = stored(tmp_path)
    part = replace(profile, variants=profile.variants[:1])
    save_profile(folder, part)
    assert find_fresh(folder, "fakes", conditions, now=NOON) == part


def test_the_order_of_variants_does_not_matter(tmp_path: Path) -> None:
    folder, profile, conditions = stored(tmp_path)
    turned = replace(profile, models=profile.models[::-1])
    assert profile_path(folder, "fakes", conditions_of(turned)) == profile_path(
        folder, "fakes", conditions
    )


def test_the_folder_is_the_flag_else_the_environment_else_the_users_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = fake_family(tmp_path / "family", {"a": 1})
    monkeypatch.setenv("EDGESCALE_DEVICES", str(tmp_path / "named"))
    assert profiles_folder(tmp_path / "flag", family) == tmp_path / "flag"
    assert profiles_folder(str(tmp_path / "flag"), family) == tmp_path / "flag"
    assert profiles_folder(None, family) == tmp_path / "named"
    monkeypatch.delenv("EDGESCALE_DEVICES")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert profiles_folder(None, family) == tmp_path / "state" / "edgescale" / "devices"


def test_profiles_never_go_into_the_family_or_the_package(tmp_path: Path) -> None:
    family = fake_family(tmp_path / "family", {"a": 1})
    package = Path(edgescale.__file__).parent
    for place in (family.folder, family.folder / "x" / ".." / "profiles", package / "device"):
        with pytest.raises(ProfileError, match="must not change"):
            profiles_folder(place, family)


def test_an_unwritable_folder_is_found_before_measuring(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot be written"):
        check_writable(tmp_path / "file" / "profiles")
    check_writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
