"""What ``classify`` says beside its results: on stderr as text, among them as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgescale.cli import classify as verb
from edgescale.stream.event import Event
from tests.fakes import fake_family

SWITCHED = Event("switched", "'b' -> 'a': late frames\x1b[2J", {"from": "b", "to": "a"})


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:

    def classify(family: object, source: str, **arguments: Any) -> Any:
        assert arguments["adapt"]
        arguments["on_event"](SWITCHED)
        yield from ()

    monkeypatch.setattr(verb, "classify", classify)
    return fake_family(tmp_path, {"a": 1, "b": 2}).folder


def test_an_event_is_a_line_on_stderr(family: Path) -> None:
    arguments = [str(family), "--source=0", "--adapt", "--latency-budget=20"]
    result = CliRunner().invoke(verb.command, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert result.stderr == "switched: 'b' -> 'a': late frames\ufffd[2J\n"


def test_as_json_it_is_an_object_among_the_results(family: Path) -> None:
    arguments = [str(family), "--source=0", "--adapt", "--latency-budget=20", "--json"]
    result = CliRunner().invoke(verb.command, arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    record = json.loads(result.stdout)
    assert list(record)[:2] == ["schema_version", "event"]
    assert (record["event"], record["from"], record["to"]) == ("switched", "b", "a")
    assert "\x1b" not in result.stdout


def test_adapt_with_a_variant_is_wrong_usage(family: Path) -> None:
    arguments = [str(family), "--source=0", "--adapt", "--variant=a"]
    result = CliRunner().invoke(verb.command, arguments)
    assert result.exit_code == 2
    assert "give either" in result.stderr
    assert "--latency-budget" not in result.stderr


def test_adapt_without_a_latency_budget_is_wrong_usage(family: Path) -> None:
    result = CliRunner().invoke(verb.command, [str(family), "--source=0", "--adapt"])
    assert result.exit_code == 2
    assert "--latency-budget" in result.stderr
