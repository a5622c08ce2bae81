"""One trial from its beginning to its record: what every engine's trial goes through alike."""

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from edgescale.search.definition import TRIALS_FOLDER, Search
from edgescale.search.engine import Engine, TrialFailed, TrialStopped
from edgescale.search.space import Candidate
from edgescale.search.storage import Pruned, Running
from edgescale.search.training import CHECKPOINT_FILE, Epoch, TrialOutcome, versions
from edgescale.search.trial import TrialRecord, trial_identity


@dataclass
class TrialRun:
    """A trial that is trained.

    Attributes:
        search: the search it belongs to.
        folder: of the study.
        running: its entry in the storage.
        candidate: what is trained.
        engine: trains it.
        on_end: told its record.
    """

    search: Search
    folder: Path
    running: Running
    candidate: Candidate
    engine: Engine
    on_end: Callable[[TrialRecord], None]
    started: str = field(
        default_factory=lambda: datetime.now(timezone.utc).isoformat("T", "seconds")
    )
    seen: list[Epoch] = field(default_factory=list)

    @property
    def identity(self) -> str:
        """The trial's one name."""
        return trial_identity(self.candidate.identity, self.running.seed)

    def train(self) -> float:
        """Trains; returns the score.

        Raises:
            Pruned: the pruner ended it.
            TrialFailed: the training failed.
        """
        job = self.search.job(self.candidate, self.running.seed, self.folder)
        Path(job.folder).mkdir(parents=True, exist_ok=True)
        try:
            outcome = self.engine.run(job, self._on_epoch)
        except TrialStopped as problem:
            self._end("pruned", said=f"pruned after epoch {len(self.seen)} of {self.search.epochs}")
            raise Pruned(self.identity) from problem
        except TrialFailed as problem:
            self._end("failed", said=str(problem))
            raise
        return self._end("finished", outcome=outcome) or 0.0

    def _on_epoch(self, epoch: Epoch) -> bool:
        if epoch.number <= len(self.seen):
            return True  # told again, after its worker had died
        self.seen.append(epoch)
        if self.candidate is self.search.baseline or self.running.seed != self.search.seeds[0]:
            return True  # neither halving nor TPE looks at these
        value = self.search.options.scoring.value(epoch.accuracy)
        keeps_up = self.running.keeps_up(epoch.number, value)
        return keeps_up or self.candidate.incumbent or epoch.number == self.search.epochs

    def _end(
        self, state: str, *, said: str = "", outcome: TrialOutcome | None = None
    ) -> float | None:
        """Stores the record; returns the score of a finished trial."""
        outcome = outcome or self._so_far()
        search, variant = self.search, self.candidate.variant
        score = search.options.scoring.score(outcome.curve) if state == "finished" else None
        record = TrialRecord(
            candidate=self.candidate.identity,
            number=self.running.number,
            state=state,
            said=said,
            coefficients=self.candidate.coefficients,
            phi=self.candidate.phi,
            depth_coefficient=variant.depth_coefficient,
            width_coefficient=variant.width_coefficient,
            resolution=variant.resolution,
            architecture_digest=variant.architecture.digest,
            macs=variant.cost.macs,
            parameters=variant.cost.parameters,
            classes=search.classes,
            rounding=search.recipe.rules.rounding,
            baseline=search.recipe.baseline,
            data_digest=search.data.digest,
            training={
                **asdict(search.training),
                "epochs": search.epochs,
                "seed": self.running.seed,
            },
            scoring=search.options.scoring.words,
            seed=self.running.seed,
            epochs=search.epochs,
            validation_accuracy=outcome.curve,
            losses=outcome.losses,
            score=score,
            wall_s=outcome.wall_s,
            cpu_s=outcome.cpu_s,
            engine=self.engine.name,
            host=outcome.host,
            versions={**outcome.versions, "optuna": version("optuna")},
            started=self.started,
            retries=self.running.begun + outcome.retries,
        )
        self.running.note("record", record.to_dict())
        checkpoint = self.folder / TRIALS_FOLDER / self.identity / CHECKPOINT_FILE
        if state != "failed":
            checkpoint.unlink(missing_ok=True)
        self.on_end(record)
        return score

    def _so_far(self) -> TrialOutcome:
        """What is known of a trial that did not finish."""
        wall_s, cpu_s = (self.seen[-1].wall_s, self.seen[-1].cpu_s) if self.seen else (0.0, 0.0)
        return TrialOutcome(
            tuple(epoch.accuracy for epoch in self.seen), tuple(epoch.loss for epoch in self.seen),
            wall_s, cpu_s, versions(), platform.node(),
        )  # fmt: skip
