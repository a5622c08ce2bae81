"""The local engine with workers that train nothing: what it hears, and that it leaves nobody."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from edgescale.search import local
from edgescale.search.engine import EngineClosed, TrialFailed, TrialStopped
from edgescale.search.local import LocalEngine
from edgescale.search.patience import Patience
from edgescale.search.training import Epoch, OnEpoch, TrialJob


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    monkeypatch.setattr(local, "_WORKER", "tests.search_worker")
    with closing(LocalEngine(2)) as engine:
        yield engine
    assert psutil.Process().children() == []


def job(identity: str, folder: Path) -> TrialJob:
    return TrialJob(identity, {}, "recipe.toml", None, {}, 1.0, 16, "", "", 0, 3, str(folder))


def hear(seen: list[Epoch]) -> OnEpoch:
    def on_epoch(epoch: Epoch) -> bool:
        seen.append(epoch)
        return True

    return on_epoch


def test_a_trial_gives_its_epochs_and_its_outcome(engine: LocalEngine, tmp_path: Path) -> None:
    seen: list[Epoch] = []
    outcome = engine.run(job("fine", tmp_path), hear(seen))
    assert [(epoch.number, epoch.accuracy) for epoch in seen] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert (outcome.curve, outcome.cpu_s, outcome.retries) == ((0.25, 0.5, 0.75), 1.5, 0)


def test_a_failed_training_says_why(engine: LocalEngine, tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="the loss is nan"):
        engine.run(job("fails", tmp_path), lambda epoch: True)


def test_a_dead_worker_is_begun_again_once(engine: LocalEngine, tmp_path: Path) -> None:
    outcome = engine.run(job("dies-once", tmp_path), lambda epoch: True)
    assert outcome.retries == 1
    assert (tmp_path / "begun").read_text() == "xx"


def test_a_worker_that_dies_again_fails_its_trial(engine: LocalEngine, tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match=r"died 2 times.*SIGKILL.*Killed by the kernel.*log"):
        engine.run(job("dies", tmp_path), lambda epoch: True)


def test_a_stopped_trial_ends_its_worker(engine: LocalEngine, tmp_path: Path) -> None:
    with pytest.raises(TrialStopped):
        engine.run(job("sleeps", tmp_path), lambda epoch: False)
    assert psutil.Process().children() == []
    assert not (tmp_path / "slept").exists()  # it was ended, not waited for


def test_a_worker_that_hangs_is_ended_and_has_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "_WORKER", "tests.search_worker")
    patience = Patience(least_s=0.2, times=0.1, step_s=0.05)
    with (
        closing(LocalEngine(1, patience=patience)) as engine,
        pytest.raises(TrialFailed, match=r"kept silent for 0 minutes, so it was ended; see .*log"),
    ):
        engine.run(job("hangs", tmp_path), lambda epoch: True)
    assert psutil.Process().children() == []
    assert (tmp_path / "begun").read_text() == "x"


def test_closing_ends_what_runs_and_begins_nothing_more(
    engine: LocalEngine, tmp_path: Path
) -> None:
    running = threading.Event()
    problems: list[EngineClosed] = []

    def on_epoch(epoch: Epoch) -> bool:
        running.set()
        return True

    def train() -> None:
        try:
            engine.run(job("sleeps", tmp_path), on_epoch)
        except EngineClosed as problem:
            problems.append(problem)

    thread = threading.Thread(target=train)
    thread.start()
    assert running.wait(20)
    engine.close()
    thread.join(20)
    assert len(problems) == 1
    with pytest.raises(EngineClosed):
        engine.run(job("fine", tmp_path), lambda epoch: True)


def test_a_measurement_that_dies_is_one_sentence(engine: LocalEngine, tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match="measured ended with SIGKILL"):
        engine.measure(job("dies", tmp_path))
