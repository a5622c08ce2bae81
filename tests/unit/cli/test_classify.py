"""What ``classify`` makes of its flags and a configuration, without a model or a camera."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgescale.cli import classify as verb
from edgescale.cli import classify_outputs
from edgescale.errors import SinkFailed
from edgescale.selection.budget import Budget
from edgescale.stream.event import Event
from edgescale.stream.monitor import Monitor
from edgescale.stream.mqtt.settings import MqttSettings
from edgescale.stream.notify import NotifySink
from edgescale.stream.presence import PresenceLimits
from edgescale.stream.sinks.output_settings import OutputSettings
from edgescale.stream.sources.source_spec import SourceSpec
from edgescale.stream.stats import RunStats
from edgescale.stream.web import sink as web_sink
from edgescale.stream.web.audience import Audience
from tests.fakes import fake_family

SWITCHED = Event("switched", "'b' -> 'a': late frames\x1b[2J", {"from": "b", "to": "a"})
NOTHING_CAME = "0 frames, 0 dropped\n"  # the summary of a run that ends well without a frame


class FakePipeline:
    """Notes what it is given; a run tells its outputs of one event."""

    last: "FakePipeline"

    def __init__(self, family: object, source: Any, **arguments: Any) -> None:
        self.sources, self.arguments = source, arguments
        self.monitor, self.stats = Monitor(), RunStats()
        self.sinks: list[Any] = []
        FakePipeline.last = self

    def add_sink(self, sink: Any) -> None:
        self.sinks.append(sink)

    def __enter__(self) -> "FakePipeline":
        return self

    def __exit__(self, *problem: object) -> None:
        for sink in self.sinks:
            sink.close()

    def run(self) -> None:
        for sink in self.sinks:
            sink.event(SWITCHED, None)


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(verb, "Pipeline", FakePipeline)
    return fake_family(tmp_path / "family", {"a": 1, "b": 2}).folder


def classify(family: Path, *flags: str) -> Result:
    return CliRunner().invoke(verb.command, [str(family), *flags])


def ran(family: Path, *flags: str) -> FakePipeline:
    result = classify(family, *flags)
    assert result.exit_code == 0, result.output
    return FakePipeline.last


def test_an_event_is_a_line_on_stderr(family: Path) -> None:
    result = classify(family, "--source=0", "--adapt", "--latency-budget=20")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert result.stderr == f"switched: 'b' -> 'a': late frames\ufffd[2J\n{NOTHING_CAME}"


def test_as_json_it_is_an_object_among_the_results(family: Path) -> None:
    result = classify(family, "--source=0", "--adapt", "--latency-budget=20", "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == NOTHING_CAME
    record = json.loads(result.stdout)
    assert list(record)[:2] == ["schema_version", "event"]
    assert (record["event"], record["from"], record["to"]) == ("switched", "b", "a")
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        pytest.param(["--adapt", "--variant=a"], "give either", id="adapt and variant"),
        pytest.param(["--adapt"], "--latency-budget", id="adapt without budget"),
        pytest.param(["--enter=0.3", "--leave=0.5"], "lower it", id="leave above enter"),
        pytest.param(["--mqtt-tls"], "need a broker", id="mqtt flags alone"),
        pytest.param(["--web-name=cam.lan"], "give --web too", id="name alone"),
        pytest.param(["--without=web", "--web=80"], "give either", id="with and without"),
        pytest.param(["--without=lines"], "is not one of 'save'", id="no such output"),
        pytest.param(["--roi=1,2,3"], "is not a region", id="roi"),
        pytest.param(["--roi=dor=1,2,3,4"], "no source 'dor', did you mean 'door'", id="roi name"),
        pytest.param(["--rotate=up"], "is not 0, 90", id="rotate"),
        pytest.param(["--max-fps=inf"], "above zero", id="rate"),
        pytest.param(["--camera-size=1280"], "no size such as", id="size"),
        pytest.param(["--camera-fps=5"], "no source is one", id="no camera"),
        pytest.param(["--duration=nan"], "not a finite number", id="duration"),
        pytest.param(["--smooth=0"], "not in the range", id="smooth"),
    ],
)
def test_wrong_usage_is_status_2(family: Path, flags: list[str], said: str) -> None:
    result = classify(family, "--source=door=clip.mp4", *flags)
    assert result.exit_code == 2
    assert said in result.stderr


def test_nothing_to_watch_is_wrong_usage(family: Path) -> None:
    result = classify(family)
    assert result.exit_code == 2
    assert "give --source, or [[sources]]" in result.stderr


def test_shapes_go_to_all_sources_or_to_the_one_named(family: Path) -> None:
    pipeline = ran(
        family, "--source=door=rtsp://a/1", "--source=yard=0", "--roi=yard=1,2,30,40",
        "--rotate=180", "--max-fps=door=2.5", "--camera-size=1280x720", "--camera-format=MJPG",
    )  # fmt: skip
    assert pipeline.sources == (
        SourceSpec("rtsp://a/1", "door", rotate=180, max_fps=2.5),
        SourceSpec("0", "yard", roi=(1, 2, 30, 40), rotate=180, size=(1280, 720),
                   pixel_format="MJPG"),
    )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "edgescale.toml"
    path.write_text(
        "[run]\nsmooth_s = 2\ntop_k = 3\nenter = 0.8\n[budget]\nlatency_ms = 20\n"
        "[[sources]]\nname = 'door'\naddress = '0'\n[outputs]\nlines = 'none'\n"
    )
    return f"--config={path}"


def test_flags_win_over_the_configuration(family: Path, config: str) -> None:
    given = ran(family, config).arguments
    assert (given["smooth_s"], given["top_k"], given["budget"]) == (2, 3, Budget(latency_ms=20))
    assert given["presence"] == PresenceLimits(0.8, 0.4, 1.0)
    given = ran(family, "--smooth=1", "--latency-budget=30", config, "--top-k=5").arguments
    assert (given["smooth_s"], given["top_k"], given["budget"]) == (1, 5, Budget(latency_ms=30))
    pipeline = ran(family, config, "--source=yard=1")
    assert [spec.name for spec in pipeline.sources] == ["yard"]
    assert [spec.name for spec in ran(family, config).sources] == ["door"]


def test_a_flag_drops_what_excludes_it_in_the_configuration(family: Path, config: str) -> None:
    given = ran(family, config, "--variant=a").arguments
    assert (given["variant"], given["budget"], given["adapt"]) == ("a", None, False)
    path = Path(config.removeprefix("--config="))
    path.write_text("[run]\nvariant = 'a'\n[[sources]]\naddress = '0'\n")
    given = ran(family, config, "--min-fps=5").arguments
    assert (given["variant"], given["budget"]) == (None, Budget(min_fps=5))
    assert classify(family, config, "--variant=a", "--min-fps=5").exit_code == 2


EVERYTHING_ON = """
[run]
adapt = true
[budget]
latency_ms = 20
on_chip_only = true
[[sources]]
address = 0
[outputs]
lines = "json"
save = "out.mkv"
window = true
record.folder = "recordings"
snapshots.folder = "snapshots"
webhook.url = "http://127.0.0.1:9/"
mqtt = { host = "broker", tls = true, ca_file = "ca.pem" }
web.address = 8080
"""
OUTPUTS = ("save", "record", "snapshots", "window", "webhook", "mqtt", "web")


@pytest.fixture
def everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[OutputSettings]]:
    """Returns the flag of a configuration with everything, and the outputs that come of it."""
    path = tmp_path / "everything.toml"
    path.write_text(EVERYTHING_ON)
    found: list[OutputSettings] = []
    monkeypatch.setattr(verb, "add_sinks", lambda pipeline, settings, specs: found.append(settings))
    return f"--config={path}", found


def test_a_flag_switches_off_what_the_configuration_switches_on(
    family: Path, everything: tuple[str, list[OutputSettings]]
) -> None:
    config, found = everything
    before = ran(family, config).arguments
    assert (before["adapt"], before["budget"]) == (True, Budget(latency_ms=20, on_chip_only=True))
    after = ran(
        family, config, "--no-adapt", "--no-on-chip-only", "--no-json", "--no-window",
        "--no-mqtt-tls",
    ).arguments  # fmt: skip
    assert (after["adapt"], after["budget"]) == (False, Budget(latency_ms=20))
    was, now = found
    assert (was.lines, was.window, now.lines, now.window) == ("json", True, "text", False)
    assert was.mqtt is not None
    assert was.mqtt.tls
    assert now.mqtt == MqttSettings("broker")
    changed: dict[str, Any] = {"lines": was.lines, "window": was.window, "mqtt": was.mqtt}
    assert replace(now, **changed) == was


def test_what_is_switched_off_drops_no_variant_of_the_configuration(
    family: Path, tmp_path: Path
) -> None:
    path = tmp_path / "fixed.toml"
    path.write_text("[run]\nvariant = 'a'\n[[sources]]\naddress = '0'\n")
    off = ("--no-adapt", "--no-on-chip-only")
    assert ran(family, f"--config={path}", *off).arguments["variant"] == "a"
    path.write_text("[budget]\nmin_fps = 5\n[[sources]]\naddress = '0'\n")
    given = ran(family, f"--config={path}", *off, "--variant=b").arguments
    assert (given["variant"], given["budget"]) == ("b", None)


def test_each_output_of_the_configuration_can_be_left_out(
    family: Path, everything: tuple[str, list[OutputSettings]]
) -> None:
    config, found = everything
    ran(family, config)
    (whole,) = found
    for name in OUTPUTS:
        assert getattr(whole, name)
        ran(family, config, f"--without={name}")
        off: dict[str, Any] = {name: False if name == "window" else None}
        assert found[-1] == replace(whole, **off)
    ran(family, config, *(f"--without={name}" for name in OUTPUTS))
    assert found[-1] == OutputSettings(lines="json")
    assert "give --mqtt too" in classify(family, config, "--without=mqtt", "--mqtt-tls").stderr


def test_lines_may_be_left_out_and_asked_for_again(family: Path, config: str) -> None:
    result = classify(family, config)
    assert (result.stdout, result.stderr) == ("", NOTHING_CAME)
    assert "switched" in classify(family, config, "--json").stdout
    assert classify(family, config, "--no-json").stdout == ""


def test_a_configuration_that_cannot_be_used_is_told(family: Path, tmp_path: Path) -> None:
    result = classify(family, f"--config={tmp_path / 'missing.toml'}")
    assert "missing.toml: cannot be read" in str(result.exception)


def test_presence_is_followed_only_where_somebody_asks(family: Path, tmp_path: Path) -> None:
    assert ran(family, "--source=0").arguments["presence"] is None
    for flag, limits in (("leave=0.2", (0.6, 0.2)), ("presence-time=3", (0.6, 0.4, 3.0))):
        given = ran(family, "--source=0", f"--{flag}").arguments
        assert given["presence"] == PresenceLimits(*limits)
    assert ran(family, "--source=0", "--enter=0.2").arguments["presence"].leave == 0.2
    kept = ran(family, "--source=0", f"--snapshots={tmp_path / 'kept'}")
    assert kept.arguments["presence"] == PresenceLimits()
    assert [sink.name for sink in kept.sinks] == ["text", "snapshots"]


def test_where_one_output_cannot_be_had_none_stays_open(family: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    result = classify(family, "--source=0", "--mqtt=127.0.0.1:1", "--web=no.invalid:80")
    assert isinstance(result.exception, SinkFailed)
    assert "mqtt" not in [thread.name for thread in threading.enumerate()]


def test_every_flag_has_its_place_in_the_help() -> None:
    text = CliRunner().invoke(verb.command, ["--help"]).stdout
    run = text[text.index("\nRun:") :]
    flags = [line.split()[0] for line in run.splitlines() if line.startswith("  -")]
    assert flags == ["--config", "--max-frames", "--duration", "--help"]


def test_page_and_systemd_are_told_how_few_results_the_user_wants(
    family: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp")
    told: list[object] = []

    def noted(made: Any) -> Any:
        def makes(*given: Any) -> Any:
            told.append(given[-1])
            return made(*given)

        return makes

    monkeypatch.setenv("NOTIFY_SOCKET", "@")
    monkeypatch.setattr(web_sink, "Audience", noted(Audience))
    monkeypatch.setattr(classify_outputs, "NotifySink", noted(NotifySink))
    ran(family, "--source=door=0", "--source=yard=1", "--max-fps=door=0.02", "--web=0")
    assert told == [{"door": 150.0}] * 2
