"""The events of a trial: every epoch, one end, and no thread that outlives its reader."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import DataError
from edgescale.search import events
from edgescale.search.events import trial_events
from edgescale.search.training import Epoch, OnEpoch, TrialJob, TrialOutcome

JOB = TrialJob("abc-s0", {}, "recipe.toml", None, {}, 1.0, 16, "a", "d", 0, 3, "study/trials/abc")
OUTCOME = TrialOutcome((0.1, 0.2, 0.3), (3.0, 2.0, 1.0), 1.0, 1.0, {}, "here")
Train = Callable[[TrialJob, Path, OnEpoch], TrialOutcome | None]


def three_epochs(job: TrialJob, folder: Path, on_epoch: OnEpoch) -> TrialOutcome | None:
    for number in range(1, job.epochs + 1):
        if not on_epoch(Epoch(number, 1.0, 0.1 * number, 1.0, 1.0)):
            return None
    (folder / "weights.npz").write_bytes(b"weights")
    return OUTCOME


def told(train: Train, monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[dict[str, Any]]:
    monkeypatch.setattr(events, "train_trial", train)
    return list(trial_events(JOB, folder))


def test_every_epoch_is_told_in_order_and_then_the_outcome_with_the_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    *epochs, done = told(three_epochs, monkeypatch, tmp_path)
    assert [(event["event"], event["number"]) for event in epochs] == [
        ("epoch", 1), ("epoch", 2), ("epoch", 3),
    ]  # fmt: skip
    assert done == {"event": "done", "outcome": OUTCOME.to_dict(), "weights": b"weights"}


def test_an_error_of_ours_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(job: TrialJob, folder: Path, on_epoch: OnEpoch) -> TrialOutcome | None:
        raise DataError("no images")

    assert told(fails, monkeypatch, tmp_path) == [{"event": "error", "message": "no images"}]


def test_any_other_error_is_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(job: TrialJob, folder: Path, on_epoch: OnEpoch) -> TrialOutcome | None:
        raise MemoryError

    with pytest.raises(MemoryError):
        told(fails, monkeypatch, tmp_path)


def test_closing_ends_the_training_with_its_epoch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closing, answers = threading.Event(), []

    def waits(job: TrialJob, folder: Path, on_epoch: OnEpoch) -> TrialOutcome | None:
        answers.append(on_epoch(Epoch(1, 1.0, 0.1, 1.0, 1.0)))
        closing.wait(10)
        while answers[-1]:
            answers.append(on_epoch(Epoch(2, 1.0, 0.1, 1.0, 1.0)))
        return None

    monkeypatch.setattr(events, "train_trial", waits)
    stream = trial_events(JOB, tmp_path)
    assert next(stream)["number"] == 1
    closing.set()
    stream.close()  # type: ignore[attr-defined]
    assert answers[0] is True
    assert answers[-1] is False
    assert threading.active_count() == 1
