"""Searches on a real Ray cluster of two nodes: the same trials and scores, whatever dies."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from edgescale.search import ray_engine
from edgescale.search.engine import EngineClosed, TrialFailed, TrialStopped
from edgescale.search.patience import Patience
from edgescale.search.ray_engine import RayEngine, connect
from edgescale.search.ray_trainer import Events
from edgescale.search.training import Epoch, TrialJob, TrialOutcome
from tests.tiny_search import search_command, write_recipe
from tools.compare_studies import differences, read_trials
from tools.two_node_ray import two_nodes

ROOT = Path(__file__).parents[3]
PATIENCE_S = 120.0
OUTCOME = TrialOutcome((0.5,), (1.0,), 1.0, 1.0, {"python": "3"}, "here")
Cluster = tuple[str, int]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray")
    with two_nodes() as started:
        yield started


@pytest.fixture
def engine_of(cluster: Cluster) -> Iterator[Callable[[Events], RayEngine]]:
    connected = connect(cluster[0])
    yield lambda events: RayEngine(connected.slots, events)
    connected.close()


def made_up(notes: Path, deaths: int = 0, error: str | None = None) -> Events:
    """Returns events of three epochs, noted in a folder with the process that told them.

    Args:
        notes: gets a file for every run, with its own folder's path.
        deaths: of the first runs, in the second epoch.
        error: told in place of the end.
    """
    outcome = OUTCOME.to_dict()

    def events(job: TrialJob, folder: Path) -> Iterator[dict[str, Any]]:  # sent as it is
        earlier = len(list(notes.iterdir()))
        (notes / str(os.getpid())).write_text(str(folder))
        for number in range(1, job.epochs + 1):
            if number == 2 and earlier < deaths:
                os.kill(os.getpid(), signal.SIGKILL)
            yield {"event": "epoch", "number": number, "loss": 1.0, "accuracy": 0.5,
                   "wall_s": 1.0, "cpu_s": 1.0}  # fmt: skip
            time.sleep(0.02)
        if error:
            yield {"event": "error", "message": error}
        yield {"event": "done", "outcome": outcome, "weights": b"w" * 1_000_000}

    return events


def job_in(folder: Path, epochs: int = 3) -> TrialJob:
    return TrialJob("abc-s0", {}, "r.toml", None, {}, 1.0, 16, "a", "d", 0, epochs, str(folder))


def wait_for(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def trainers(cluster: Cluster) -> list[psutil.Process]:
    """Returns the processes of the cluster that train."""
    found = []
    for process in psutil.Process(cluster[1]).children(recursive=True):
        try:
            if process.cmdline()[:1] == ["ray::Trainer.train"]:
                found.append(process)
        except psutil.Error:
            continue  # it has just ended
    return found


def test_a_trial_whose_worker_died_is_run_again_and_ends_once(
    engine_of: Callable[[Events], RayEngine], tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    told: list[int] = []

    def on_epoch(epoch: Epoch) -> bool:
        told.append(epoch.number)
        return True

    engine = engine_of(made_up(notes, deaths=2))
    outcome = engine.run(job_in(tmp_path / "trial"), on_epoch)
    assert (outcome.retries, outcome.curve) == (2, OUTCOME.curve)
    assert outcome.host.startswith("here (Ray node ")
    assert "ray" in outcome.versions
    assert told[-3:] == [1, 2, 3]
    assert len(list(notes.iterdir())) == 3  # a process of its own for each
    folders = [Path(note.read_text()) for note in notes.iterdir()]
    wait_for(lambda: not any(folder.exists() for folder in folders))  # also those of the dead
    assert (tmp_path / "trial" / "weights.npz").read_bytes() == b"w" * 1_000_000

    (tmp_path / "more").mkdir()
    with pytest.raises(TrialFailed, match="its worker died 4 times"):
        engine_of(made_up(tmp_path / "more", deaths=9)).run(job_in(tmp_path), lambda epoch: True)
    assert len(list((tmp_path / "more").iterdir())) == 4


def test_a_worker_that_hangs_is_ended_and_its_files_are_removed(
    engine_of: Callable[[Events], RayEngine], cluster: Cluster, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    engine = engine_of(made_up(notes))
    engine._patience = Patience(least_s=2, first_s=60, times=0, step_s=0.1)
    stopped: list[int] = []

    def stop_once(epoch: Epoch) -> bool:
        if not stopped:
            worker = trainers(cluster)[0]
            stopped.append(worker.pid)
            worker.suspend()
        return True

    outcome = engine.run(job_in(tmp_path / "trial", 50), stop_once)
    assert outcome.retries == 1
    folders = [Path(note.read_text()) for note in notes.iterdir()]
    assert len(folders) == 2
    wait_for(lambda: not trainers(cluster) and not any(folder.exists() for folder in folders))


def test_a_trial_without_a_free_cpu_says_that_it_waits(
    engine_of: Callable[[Events], RayEngine],
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ray_engine, "_CPU_S", 0.5)
    engine, goes_on = engine_of(made_up(tmp_path)), threading.Event()
    run = partial(engine.run, job_in(tmp_path, 9999), lambda epoch: not goes_on.is_set())

    def stopped() -> None:
        with pytest.raises(TrialStopped):
            run()

    threads = [threading.Thread(target=stopped) for _ in range(engine.slots)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(trainers(cluster)) == 2)
    threads.append(threading.Thread(target=stopped))
    threads[-1].start()
    wait_for(lambda: any("waits for a free CPU" in text for text in caplog.messages))
    goes_on.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    wait_for(lambda: not trainers(cluster))


def test_an_error_or_a_stop_ends_the_trial_its_process_and_its_files(
    engine_of: Callable[[Events], RayEngine], cluster: Cluster, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with pytest.raises(TrialFailed, match=r"^no images$"):
        engine_of(made_up(notes, error="no images")).run(job_in(tmp_path), lambda epoch: True)
    with pytest.raises(TrialStopped):
        engine_of(made_up(notes)).run(job_in(tmp_path, 9999), lambda epoch: epoch.number < 3)

    def breaks(epoch: Epoch) -> bool:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        engine_of(made_up(notes)).run(job_in(tmp_path, 9999), breaks)
    folders = [Path(note.read_text()) for note in notes.iterdir()]
    assert len(folders) == 3
    wait_for(lambda: not trainers(cluster) and not any(folder.exists() for folder in folders))
    assert not (tmp_path / "weights.npz").exists()


def test_closing_ends_what_runs_and_what_waits_for_a_cpu(
    engine_of: Callable[[Events], RayEngine], cluster: Cluster, tmp_path: Path
) -> None:
    engine, ends = engine_of(made_up(tmp_path)), []

    def run() -> None:
        with pytest.raises(EngineClosed):
            engine.run(job_in(tmp_path, 9999), lambda epoch: True)
        ends.append(1)

    threads = [threading.Thread(target=run) for _ in range(engine.slots + 1)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(trainers(cluster)) == 2)
    engine.close()
    engine.close()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(ends) == 3
    wait_for(lambda: not trainers(cluster))
    with pytest.raises(EngineClosed):
        engine.run(job_in(tmp_path), lambda epoch: True)


def searched(recipe: Path, study: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        search_command(recipe, study, "--json", *options),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(search: "subprocess.Popen[str]") -> Any:
    """Returns what a search printed, which is one JSON object and nothing of Ray's."""
    output, errors = search.communicate(timeout=PATIENCE_S)
    assert search.returncode == 0, errors
    assert "ray" not in errors.lower()
    return json.loads(output)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_the_cluster_gives_the_same_study_as_this_machine_though_a_worker_is_killed(
    cluster: Cluster, tmp_path: Path
) -> None:
    recipe, local, ray = write_recipe(tmp_path), tmp_path / "local", tmp_path / "ray"
    ended(searched(recipe, local, "--jobs", "2"))
    search = searched(recipe, ray, "--engine", "ray", "--address", cluster[0])
    wait_for(lambda: trainers(cluster) or search.poll() is not None)
    for process in trainers(cluster)[:1]:
        process.kill()
    ended(search)

    assert differences(local, ray) == ()
    trials = read_trials(ray)
    assert sorted(trial.retries for trial in trials) == [0, 1]
    assert {trial.engine for trial in trials} == {"ray"}
    assert len({trial.host for trial in trials}) == 2
    for trial in trials:
        with (
            np.load(local / "trials" / trial.identity / "weights.npz") as one,
            np.load(ray / "trials" / trial.identity / "weights.npz") as other,
        ):
            assert one.files == other.files
            assert all(np.array_equal(one[name], other[name]) for name in one.files)

    lines = (ray / "trials.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    changed = json.dumps({**first, "score": first["score"] + 1e-12})
    (ray / "trials.jsonl").write_text("\n".join([changed, lines[1], lines[1]]))
    assert len(differences(local, ray)) == 2  # another score, and a trial counted twice
