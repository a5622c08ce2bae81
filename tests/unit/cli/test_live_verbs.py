"""The live verbs as far as they can be tested without a model."""

import json
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from edgescale.cli.classify import command as classify
from edgescale.cli.classify_summary import summary_text
from edgescale.cli.devices import command as devices
from edgescale.cli.select import command as select
from edgescale.device import fresh
from edgescale.device.fresh import conditions_here
from edgescale.device.probe import probe
from edgescale.device.session import rfc3339
from edgescale.device.store import save_profile
from edgescale.errors import NothingFits, SinkFailed
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from edgescale.stream.snapshot import SinkStatus
from edgescale.stream.sources.source_spec import SourceState
from edgescale.stream.stats import RunStats
from tests.fakes import fake_family, measured, profile_of


@pytest.fixture
def profiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Family, Path]:
    """A family with a fresh profile of this machine, so that nothing has to be measured."""
    monkeypatch.setattr(fresh, "runtime_here", lambda settings: ("ai_edge_litert", "2.3.0"))
    family = fake_family(tmp_path / "family", {"small": 10**8, "large": 4 * 10**8})
    small, large = family.manifest.variants
    now = rfc3339(datetime.now(timezone.utc))
    figures = [measured(small, p95_ms=10), measured(large, p95_ms=40)]
    save_profile(tmp_path / "profiles", profile_of(family, figures, machine=probe(), time=now))
    assert conditions_here(family, WorkerSettings()).device == "cpu"
    return family, tmp_path / "profiles"


def test_select_prints_the_choice_and_every_rejection(profiled: tuple[Family, Path]) -> None:
    family, folder = profiled
    arguments = [str(family.folder), "--latency-budget=20", f"--profiles={folder}", "--device=cpu"]
    result = CliRunner().invoke(select, arguments)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1].startswith(
        "small    chosen        fits (p95 latency <= 20.0 ms): p95 10.0 ms, "
    )
    assert "p95 latency 40.0 ms > 20.0 ms: 20.0 ms (100.0 %) too slow" in lines[2]


def test_select_explains_every_step(profiled: tuple[Family, Path]) -> None:
    family, folder = profiled
    arguments = [str(family.folder), "--latency-budget=20", f"--profiles={folder}", "--device=cpu"]
    result = CliRunner().invoke(select, [*arguments, "--explain"])
    assert "order: small < large\n" in result.stdout
    assert "medians when looked at: " in result.stdout
    assert "tested small: fits after 200 runs: 0 over 20.0 ms\n" in result.stdout
    assert "the test: 114 to 600 runs; a variant with 5 % of its runs over" in result.stdout


def test_select_draws_the_choice(profiled: tuple[Family, Path], tmp_path: Path) -> None:
    family, folder = profiled
    plot = tmp_path / "plot.svg"
    arguments = [str(family.folder), "--latency-budget=20", f"--profiles={folder}", "--device=cpu"]
    result = CliRunner().invoke(select, [*arguments, "--plot", str(plot)])
    assert result.exit_code == 0, result.output
    drawing = ElementTree.parse(plot)
    texts = [element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"small (chosen)", "large (does not fit)", "budget p95 20.0 ms"} <= set(texts)
    kinds = [one.get("class") for one in drawing.iter("{http://www.w3.org/2000/svg}circle")]
    assert kinds == ["chosen", "over"]


def test_select_as_json_is_one_object(profiled: tuple[Family, Path]) -> None:
    family, folder = profiled
    result = CliRunner().invoke(select, [str(family.folder), f"--profiles={folder}", "--json"])
    record = json.loads(result.stdout)
    assert next(iter(record)) == "schema_version"
    assert record["chosen"] == "large"
    assert record["rejections"][0]["kind"] == "smaller"
    assert record["noisy"] is False
    assert record["measurement"]["n"] == 200


@pytest.mark.parametrize("noisy", [False, True])
def test_the_profile_that_is_used_is_told_with_its_n_and_noise(
    profiled: tuple[Family, Path], caplog: pytest.LogCaptureFixture, noisy: bool
) -> None:
    family, folder = profiled
    (path,) = folder.glob("*.json")
    record = json.loads(path.read_text())
    record["noise"]["flags"] = ["the CPU was shared"] if noisy else []
    path.write_text(json.dumps(record))
    with caplog.at_level("INFO", "edgescale"):
        fresh.fresh_profile(family, WorkerSettings(device="cpu"), folder=str(folder))
    said = "n = 200 to 200; doubtful, 1 reason(s))" if noisy else "n = 200 to 200)"
    assert caplog.messages[-1].endswith(f"{folder} (2 of 2 variants, {said}")


def test_when_nothing_fits_every_rejection_is_still_shown(profiled: tuple[Family, Path]) -> None:
    family, folder = profiled
    arguments = [str(family.folder), f"--profiles={folder}", "--memory-budget=0.5"]
    result = CliRunner().invoke(select, arguments)
    assert isinstance(result.exception, NothingFits)
    assert result.stdout.count("too much") == 2
    record = json.loads(CliRunner().invoke(select, [*arguments, "--json"]).stdout)
    assert record["chosen"] is None
    assert len(record["rejections"]) == 2


def test_a_variant_and_a_budget_together_are_wrong_usage(tmp_path: Path) -> None:
    arguments = [str(tmp_path), "--source=0", "--variant=a", "--min-fps=3"]
    assert CliRunner().invoke(classify, arguments).exit_code == 2


def test_a_threshold_that_is_no_number_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(classify, [str(tmp_path), "--source=0", "--threshold=nan"])
    assert result.exit_code == 2
    assert "nan is not in the range" in result.stderr


def test_an_output_that_cannot_be_written_is_found_before_anything_runs(tmp_path: Path) -> None:
    family = fake_family(tmp_path / "family", {"a": 1})
    arguments = [str(family.folder), "--source=0", "--save", str(tmp_path / "none" / "out.mkv")]
    result = CliRunner().invoke(classify, arguments)
    assert isinstance(result.exception, SinkFailed)


def test_the_summary_says_what_was_seen_most() -> None:
    stats = RunStats()
    for index in range(10):
        stats.add("cat\x1b", dropped=2, now_s=index / 10)
    text = summary_text(stats)
    often = "most often cat\N{REPLACEMENT CHARACTER} (10 of 10)"
    assert text == f"10 frames, 10.0 fps, 2 dropped, {often}"
    unsure = RunStats()
    unsure.add(None, dropped=0, now_s=0.0)
    assert summary_text(unsure) == "1 frames, 0 dropped, never sure"


def test_devices_as_json_says_machine_and_runtimes(tmp_path: Path) -> None:
    result = CliRunner().invoke(devices, ["--json"], env={"EDGESCALE_DEVICES": str(tmp_path)})
    record = json.loads(result.stdout)
    assert record["machine"]["cores"] >= 1
    assert {one["name"] for one in record["runtimes"]} == {
        "ai_edge_litert",
        "tflite_runtime",
        "tensorflow",
    }
    assert record["profiles"] == str(tmp_path)


def test_the_summary_of_several_sources_and_outputs_says_what_was_lost() -> None:
    stats = RunStats()
    stats.add("cat", dropped=1, now_s=0.0, source="door")
    stats.add("cat", dropped=0, now_s=1.0, source="yard\x1b")
    states = (
        SourceState("door", True, "playing", outages=2, outage_s=3.25, dropped=4),
        SourceState("yard\x1b", True, "playing", outages=1, outage_s=1.0),
    )
    sinks = (
        SinkStatus("text", 2, 0, ""),
        SinkStatus("mqtt", 1, 1, ""),
        SinkStatus("page", 0, 2, "port in use"),
    )
    stats.end(states, sinks)
    assert summary_text(stats).splitlines() == [
        "2 frames, 4 dropped, 3 outages of 4.2 s, most often cat (2 of 2)",
        "  door: 1 frames, 4 dropped, 2 outages of 3.2 s",
        "  yard\N{REPLACEMENT CHARACTER}: 1 frames, 0 dropped, 1 outage of 1.0 s",
        "  outputs: mqtt 1 written, 1 dropped; page 0 written, 2 dropped, failed: port in use",
    ]
