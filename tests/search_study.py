"""A search of a small network on made-up images, and an engine that trains nothing."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgescale.builder.data import LabelledImages
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.search.definition import Search, SearchOptions
from edgescale.search.engine import EngineClosed, TrialStopped
from edgescale.search.space import make_space
from edgescale.search.study import run_study, searching
from edgescale.search.training import Epoch, OnEpoch, TrialJob, TrialOutcome
from edgescale.search.view import StudyView

TABLE: dict[str, Any] = {
    "name": "small",
    "baseline": {
        "name": "small",
        "stem_filters": 8,
        "blocks": ["r1_k3_s11_e2_i8_o8_c1_noskip", "r2_k3_s22_e4_i8_o16"],
        "head_filters": 32,
        "depth_divisor": 4,
        "resolution": 24,
    },
    "scaling": {"resolution_step": 1},
    "variants": {"phis": [0]},
    "data": {"folder": "images", "validation_fraction": 0.3},
    "training": {"epochs": 3, "batch_size": 8},
}


@dataclass(frozen=True)
class Blank:
    """Black pictures of two classes."""

    labels: tuple[str, ...] = ("a", "b")
    digest: str = "d" * 64

    def training(self, epoch: int) -> LabelledImages:
        return LabelledImages([np.zeros((8, 8, 3), np.uint8)] * 4, np.array([0, 1, 0, 1]))

    def validation(self) -> LabelledImages:
        return self.training(0)

    def test(self) -> LabelledImages:
        return self.training(0)


def small_search(**options: Any) -> Search:
    """Returns a search; of the grid with step 0.2 where nothing else is asked."""
    asked = SearchOptions(
        **{"recipe": Path("recipe.toml"), "step": "0.2", "tolerance": "0.2",
           "baseline": "untrained", "seeds": 2, **options}
    )  # fmt: skip
    recipe = recipe_from_table(TABLE, asked.recipe)
    space = make_space(recipe.baseline, classes=2, rules=recipe.rules, phi=asked.phi,
                       step=asked.step, tolerance=asked.tolerance)  # fmt: skip
    assert recipe.training is not None
    return Search(asked, TABLE, recipe, recipe.training, Blank(), 2, space, asked.epochs or 3)


def accuracy_of(job: TrialJob) -> float:
    """Returns a made-up accuracy that depends on the trial alone."""
    return 0.5 + int(job.architecture_digest[:4], 16) / 2**18 + job.seed / 100


@dataclass
class PaperEngine:
    """Gives curves by a rule.

    ``before`` is called with each job first, ``after_epoch`` with each epoch; both may raise.
    """

    slots: int = 1
    accuracy: Callable[[TrialJob], float] = accuracy_of
    before: Callable[[TrialJob], None] = lambda job: None
    after_epoch: Callable[[int], None] = lambda number: None
    name: str = "paper"
    ran: list[str] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    def run(self, job: TrialJob, on_epoch: OnEpoch) -> TrialOutcome:
        self.ran.append(job.identity)
        self.before(job)
        if self.closed.is_set():
            raise EngineClosed("closed")
        last = self.accuracy(job)
        curve = tuple(last * (epoch + 1) / job.epochs for epoch in range(job.epochs))
        for number, value in enumerate(curve, 1):
            if not on_epoch(Epoch(number, 1 - value, value, 2.0 * number, 1.0 * number)):
                raise TrialStopped("stopped")
            self.after_epoch(number)
        losses = tuple(1 - value for value in curve)
        return TrialOutcome(curve, losses, 6.0, 3.0, {"python": "3"}, "here")

    def close(self) -> None:
        self.closed.set()


class Killed(BaseException):
    """Stands for the end of the process: nothing is tidied up in the storage."""


def studied(search: Search, folder: Path, engine: PaperEngine | None = None) -> StudyView:
    with searching(folder):
        return run_study(search, folder, engine or PaperEngine(), lambda record, new: None)


def scores(view: StudyView) -> dict[str, Any]:
    return {record.identity: (record.state, record.score) for record in view.records}


def row(folder: Path, query: str) -> Any:
    with sqlite3.connect(folder / "study.db") as storage:
        found = storage.execute(query).fetchone()[0]
    storage.close()
    return found


def change(folder: Path, command: str) -> None:
    with sqlite3.connect(folder / "study.db") as storage:
        storage.execute(command)
    storage.close()
