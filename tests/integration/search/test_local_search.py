"""A whole search in processes: killed and interrupted it ends as one that was not."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from edgescale.builder.coefficients_file import read_coefficients
from edgescale.builder.weights import check_weights, load_weights
from edgescale.search.trial import TrialRecord, rebuild, trial_from_dict
from tests.tiny_search import search_command, write_recipe

pytestmark = pytest.mark.tensorflow

TRIALS = 4
_PATIENCE_S = 120


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe"))


def begun(recipe: Path, out: Path, *more: str) -> "subprocess.Popen[str]":
    command = search_command(recipe, out, "--seeds", "2", "--jobs", "2", "--json", *more)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def searched(recipe: Path, out: Path, *more: str) -> tuple[dict[str, Any], str]:
    """Runs a search to its end; returns what it printed and what it logged."""
    with begun(recipe, out, *more) as process:
        printed, logged = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, logged
    result: dict[str, Any] = json.loads(printed)
    return result, logged


def records(out: Path) -> list[TrialRecord]:
    lines = (out / "trials.jsonl").read_text().splitlines()
    return [trial_from_dict(json.loads(line)) for line in lines]


def table(out: Path) -> dict[str, Any]:
    """Returns all that a trial's machine and its moments must not change."""
    return {r.identity: (r.state, r.validation_accuracy, r.losses, r.score) for r in records(out)}


@pytest.fixture(scope="module")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, str]:
    out = tmp_path_factory.mktemp("whole") / "study"
    return out, *searched(recipe, out)


def test_a_search_leaves_records_weights_report_and_coefficients(
    whole: tuple[Path, Any, str],
) -> None:
    out, result, logged = whole
    assert result["trials"] == {"finished": TRIALS, "pruned": 0, "failed": 0}
    assert f"{TRIALS} of {TRIALS}: " in logged
    for record in records(out):
        weights = load_weights(out / "trials" / record.identity / "weights.npz")
        check_weights(weights, rebuild(record))
        assert (len(record.losses), record.retries) == (2, 0)
        assert record.cpu_s > 0.5
    assert Path(result["weights"]).is_file()
    stored = read_coefficients(Path(result["coefficients"]))
    assert stored.coefficients.alpha == 1.2  # two seeds prove nothing, so the published stay
    assert result["verdict"]["kept"]
    assert (out / "report.md").read_text().startswith("# Search")
    assert not list(out.rglob("checkpoint.npz"))


def test_interrupted_then_killed_a_search_goes_on_to_the_same_table(
    whole: tuple[Path, Any, str], recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    with begun(recipe, out) as process:
        children = _children(process)
        process.send_signal(signal.SIGINT)
        _, logged = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 130, logged
    assert "the same command goes on" in logged
    assert not [child for child in children if child.is_running()]

    with begun(recipe, out) as process:
        held = _children(process)[0]
        held.suspend()  # so that not all trials end before the kill, however fast they are
        _wait_until(lambda: _finished(out) >= 1, process)
        children = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
        held.resume()
        process.communicate(timeout=_PATIENCE_S)
    psutil.wait_procs(children, timeout=10)
    assert not [child for child in children if child.is_running()]
    done = {record.identity for record in records(out)}
    assert 1 <= len(done) < TRIALS
    before = _attempts(out)

    result, _ = searched(recipe, out)
    assert table(out) == table(whole[0])
    assert result["verdict"] == whole[1]["verdict"]
    after = completed, attempts = _attempts(out)
    assert (len(completed), set(completed.values())) == (TRIALS, {1})
    assert {name: attempts[name] for name in done} == {name: before[1][name] for name in done}
    again, _ = searched(recipe, out)
    assert again["verdict"] == result["verdict"]
    assert _attempts(out) == after


def test_another_search_in_the_folder_is_refused(
    whole: tuple[Path, Any, str], recipe: Path
) -> None:
    before = table(whole[0])
    with begun(recipe, whole[0], "--phi", "0.9") as process:
        _, logged = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 1
    assert "another search, which differs in phi (1.0 there, 0.9 asked)" in logged
    assert table(whole[0]) == before


def test_a_dry_run_measures_and_writes_nothing(recipe: Path, tmp_path: Path) -> None:
    result, _ = searched(recipe, tmp_path / "study", "--dry-run")
    assert result["hours_reason"] is None
    assert 0 < result["hours"] <= result["cpu_hours"] < 1
    assert (result["trials"], len(result["candidates"])) == (TRIALS, 2)
    assert result["candidates"][0]["incumbent"]
    assert list(tmp_path.iterdir()) == []


def _children(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    found: list[psutil.Process] = []

    def two() -> bool:
        found[:] = psutil.Process(process.pid).children()
        return len(found) == 2

    _wait_until(two, process)
    return found


def _wait_until(true: Any, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + _PATIENCE_S
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def _finished(out: Path) -> int:
    try:
        return len((out / "trials.jsonl").read_text().splitlines())
    except OSError:
        return 0


def _attempts(out: Path) -> tuple[Counter[str], Counter[str]]:
    """Returns how often each trial has ended well, and how often it was begun."""
    query = (
        "SELECT json_extract(a.value_json, '$'), t.state FROM trials t"
        " JOIN trial_user_attributes a ON a.trial_id = t.trial_id WHERE a.key = 'identity'"
    )
    with sqlite3.connect(out / "study.db") as storage:
        rows = storage.execute(query).fetchall()
    storage.close()
    completed = Counter(identity for identity, state in rows if state == "COMPLETE")
    return completed, Counter(identity for identity, _ in rows)
