import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgescale.cli import profile as verb
from edgescale.cli.profile import command, profile_record, profile_text
from edgescale.device.profile import DeviceProfile, Measurement, Noise, ThreadTrial
from edgescale.device.profile_record import read_profile
from edgescale.errors import ArtifactError
from edgescale.family.store import Family
from tests.fakes import fake_family, measured, profile_of


def profiled(tmp_path: Path) -> tuple[Family, DeviceProfile]:
    family = fake_family(tmp_path / "family", {"a": 1, "b": 2})
    first, second = family.manifest.variants
    failed = Measurement(second.name, second.model.sha256, error="SIGSEGV\x1b")
    return family, profile_of(family, [measured(first), failed])


def columns(text: str, row: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(row))
    return [cell for cell in line.split("  ") if cell]


def test_the_table_stands_between_conditions_and_errors(tmp_path: Path) -> None:
    _, profile = profiled(tmp_path)
    text = profile_text(profile)
    first_line, heading, *_ = text.splitlines()
    assert "ai_edge_litert 2.3.0, 1 thread, frame texture 640x480, 2026-01-31" in first_line
    assert heading.startswith("variant")
    assert text.endswith("b: could not be measured: SIGSEGV\N{REPLACEMENT CHARACTER}")


def test_a_p99_without_an_end_is_not_shown(tmp_path: Path) -> None:
    _, profile = profiled(tmp_path)
    cells = [cell.strip() for cell in columns(profile_text(profile), "a ")]
    assert cells[1:7] == ["200", "10.0 ms", "10.0 ms", "10.0 to 11.0 ms", "-", "-"]
    first = profile.variants[0]
    many = replace(profile, variants=(replace(first, latencies_ms=first.latencies_ms * 2),))
    cells = [cell.strip() for cell in columns(profile_text(many), "a ")]
    assert cells[5:7] == ["11.0 ms", "11.0 to 11.0 ms"]
    few = replace(profile, variants=(replace(first, latencies_ms=(9.0,) * 30),))
    cells = [cell.strip() for cell in columns(profile_text(few), "a ")]
    assert cells[4:7] == ["over 9.0 ms", "-", "-"]


def test_conditions_and_doubts_are_told(tmp_path: Path) -> None:
    _, profile = profiled(tmp_path)
    noise = Noise(
        governor="ondemand", cpu_mhz_before=1500.0, cpu_mhz_after=1200.0,
        temperature_before_c=45.2, temperature_after_c=81.0, flags=("it was hot",),
    )  # fmt: skip
    tried = (ThreadTrial(1, 20.0), ThreadTrial(2, 11.0))
    found = replace(profile, noise=noise, threads=2, threads_tried=tried, edgetpu_performance="low")
    text = profile_text(found)
    assert "2 threads (tried 1: 20.0 ms; 2: 11.0 ms), performance low, governor ondemand" in text
    assert "1500 to 1200 MHz, 45 to 81 C" in text
    assert text.endswith("doubtful: it was hot")


def test_json_has_figures_in_place_of_single_latencies(tmp_path: Path) -> None:
    record = json.loads(json.dumps(profile_record(profiled(tmp_path)[1])))
    assert record["schema_version"] == 2
    assert record["noise"]["noisy"] is False
    assert record["variants"][0]["latency_ms"]["p95"] == 10.0
    assert "latencies_ms" not in record["variants"][0]
    assert record["variants"][1]["error"] == "SIGSEGV\x1b"


def test_the_profile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family, profile = profiled(tmp_path)
    monkeypatch.setattr(verb, "profile_with", lambda *_, **__: profile)
    folder = tmp_path / "profiles"
    result = CliRunner().invoke(command, [str(family.folder), "--json", f"--profiles={folder}"])
    assert result.exit_code == 0, result.output
    (path,) = folder.iterdir()
    assert read_profile(path) == profile
    assert json.loads(result.stdout)["family"] == "fakes"


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> DeviceProfile:
        raise KeyboardInterrupt

    family, _ = profiled(tmp_path)
    monkeypatch.setattr(verb, "profile_with", interrupted)
    folder = tmp_path / "profiles"
    result = CliRunner().invoke(command, [str(family.folder), f"--profiles={folder}"])
    assert result.exit_code != 0
    assert list(folder.iterdir()) == []


def test_a_place_that_cannot_be_written_is_found_before_anything_runs(tmp_path: Path) -> None:
    family, _ = profiled(tmp_path)
    (tmp_path / "file").touch()
    arguments = [str(family.folder), "--profiles", str(tmp_path / "file" / "x")]
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, ArtifactError)


@pytest.mark.parametrize("runs", ["4", "20001", "many"])
def test_runs_out_of_range_are_wrong_usage(tmp_path: Path, runs: str) -> None:
    family, _ = profiled(tmp_path)
    result = CliRunner().invoke(command, [str(family.folder), f"--runs={runs}"])
    assert result.exit_code == 2
