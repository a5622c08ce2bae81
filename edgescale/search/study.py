"""Runs a study: which trials there are, who trains them, and what is recorded when one ends.

A trial has one identity, its candidate and seed, however often it is begun. What ended by itself is
never run again; what was killed goes on at once; what failed is tried once more by the next search.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edgescale.builder.lock import locked
from edgescale.errors import SearchError
from edgescale.family.store import write_bytes
from edgescale.search.definition import Search, check_same
from edgescale.search.engine import Engine, TrialFailed
from edgescale.search.space import Candidate, numbers
from edgescale.search.storage import Running, Storage, opened
from edgescale.search.trial import TrialRecord, trial_from_dict, trial_identity
from edgescale.search.trial_run import TrialRun
from edgescale.search.view import StudyView

log = logging.getLogger(__name__)
STUDY_FILE = "study.db"
LOCK_FILE = "study.lock"
TRIALS_FILE = "trials.jsonl"

OnTrial = Callable[[TrialRecord, bool], None]  # False: it ended in an earlier search


@contextmanager
def searching(folder: Path) -> Iterator[int]:
    """Holds the study's lock for the block; yields the descriptor that children inherit.

    Raises:
        SearchError: another search works in the folder, or it holds something else.
    """
    if folder.is_dir() and not (folder / STUDY_FILE).exists():
        others = [path.name for path in folder.iterdir() if path.name[0] != "."]
        if set(others) - {LOCK_FILE}:
            raise SearchError(f"{folder}: exists and holds no study; choose another --out")
    busy = SearchError(
        f"{folder}: another search works in this folder; wait for it, or choose another --out"
    )
    with locked(folder / LOCK_FILE, folder=folder, busy=busy) as lock:
        for unfinished in folder.rglob(".*.part"):  # of a search that was killed
            unfinished.unlink(missing_ok=True)
        yield lock


def run_study(search: Search, folder: Path, engine: Engine, on_trial: OnTrial) -> StudyView:
    """Trains every trial that has not ended yet, and writes down each as it ends.

    To be called inside ``searching``.

    Args:
        search: what to search.
        folder: the study's folder, made or gone on with.
        engine: trains the trials.
        on_trial: told each record, first those that an earlier search finished or pruned.

    Raises:
        SearchError: the folder holds another search or something else.
    """
    with opened(folder / STUDY_FILE, search) as storage:
        check_same(storage.definition, search.definition, folder)
        study = _Study(search, folder, storage, engine, on_trial)
        storage.end_dead()
        for record in study.records():
            if record.state != "failed":
                on_trial(record, False)
        study.run()
        return study.view()


@dataclass
class _Study:
    """The state of a running search; its methods are called from the engine's threads."""

    search: Search
    folder: Path
    storage: Storage
    engine: Engine
    on_trial: OnTrial
    guard: threading.Lock = field(default_factory=threading.Lock)
    begun: set[str] = field(default_factory=set)  # identities this search has begun

    def run(self) -> None:
        """Queues what is missing and runs it; TPE first explores on the first seed."""
        search = self.search
        self.write_trials()
        candidates: Sequence[Candidate] = search.chosen
        if search.options.strategy == "tpe":
            self._explore()
            tried = set(self._identities())
            candidates = [c for c in search.chosen if trial_identity(c.identity, 0) in tried]
        if search.options.baseline == "trained":
            candidates = [*candidates, search.baseline]
        self._queue_missing(candidates)
        self._run_queue()
        ended = {record.identity for record in self.records()}
        lost = [identity for identity in self._identities() if identity not in ended]
        if lost:
            raise SearchError(
                f"{self.folder}: {len(lost)} trial(s) did not end, first {lost[0]}; search again"
                " to go on"
            )

    def _explore(self) -> None:
        """Lets the sampler choose candidates, the published coefficients first, on seed 0."""
        wanted = self.search.options.candidates or len(self.search.chosen)
        tried = [c for c in self.search.chosen if self._began(c)]
        self._queue_missing(tried or [self.search.space.incumbent], seeds=1)
        attempts = self.storage.attempts()
        open_ones = sum(a.state == "waiting" and a.identity is None for a in attempts)
        for _ in range(min(wanted, len(self.search.chosen)) - max(1, len(tried)) - open_ones):
            self.storage.queue(0, None, None)
        self._run_queue()

    def _began(self, candidate: Candidate) -> bool:
        return trial_identity(candidate.identity, 0) in self._identities()

    def _identities(self) -> list[str]:
        return [a.identity for a in self.storage.attempts() if a.identity is not None]

    def _queue_missing(self, candidates: Sequence[Candidate], seeds: int | None = None) -> None:
        there = {
            attempt.identity
            for attempt in self.storage.attempts()
            if attempt.state in ("finished", "pruned", "waiting")
        }
        there |= self.begun  # what failed in this search is left to the next one
        for candidate, seed in self.search.pairs(tuple(candidates)):
            identity = trial_identity(candidate.identity, seed)
            if identity not in there and seed < (seeds or len(self.search.seeds)):
                self.storage.queue(seed, identity, candidate)

    def _run_queue(self) -> None:
        self.storage.run(
            self._train, slots=self.engine.slots, on_end=self.write_trials, stop=self.engine.close
        )

    def _train(self, running: Running) -> float:
        """Trains one trial to its score; called in a thread of its own."""
        with self.guard:
            candidate = self._candidate(running)
            identity = trial_identity(candidate.identity, running.seed)
            ended = [r for r in self.records() if r.state != "failed"]
            if identity in self.begun or identity in {record.identity for record in ended}:
                raise TrialFailed(f"trial {identity} runs or has ended already")
            self.begun.add(identity)
        trial = TrialRun(
            self.search,
            self.folder,
            running,
            candidate,
            engine=self.engine,
            on_end=self._tell,
            retries=self._attempts_of(identity),
        )
        for record in ended:
            if (record.state, record.candidate) == ("pruned", candidate.identity):
                trial.skip(f"not run: {record.identity} was pruned")
        return trial.train()

    def _tell(self, record: TrialRecord) -> None:
        with self.guard:
            self.on_trial(record, True)

    def _candidate(self, running: Running) -> Candidate:
        """Returns a trial's candidate: the queued one, or the untried one nearest to its point."""
        search, identities = self.search, self._identities()
        if running.identity is None:
            point = running.coefficients()
            tried = set(identities)
            untried = [c for c in search.chosen if trial_identity(c.identity, 0) not in tried]
            chosen = min(untried, key=lambda c: _distance(numbers(c.coefficients), point))
            running.note("identity", trial_identity(chosen.identity, running.seed))
            return chosen
        if running.identity == trial_identity(search.baseline.identity, running.seed):
            return search.baseline
        running.coefficients()  # so that the sampler learns from it
        named = {trial_identity(c.identity, running.seed): c for c in search.chosen}
        return named[running.identity]

    def records(self) -> tuple[TrialRecord, ...]:
        """Returns the last record of every trial that has one, in the order of their numbers."""
        last: dict[str, TrialRecord] = {}
        for attempt in self.storage.attempts():
            if attempt.record is not None and attempt.state in ("finished", "pruned", "failed"):
                record = trial_from_dict(attempt.record, f"{STUDY_FILE}: trial {attempt.number}")
                last[record.identity] = record
        return tuple(sorted(last.values(), key=lambda record: record.number))

    def write_trials(self) -> None:
        """Writes ``trials.jsonl`` anew from the storage."""
        with self.guard:
            lines = [json.dumps(record.to_dict()) + "\n" for record in self.records()]
            write_bytes(self.folder / TRIALS_FILE, "".join(lines).encode())

    def _attempts_of(self, identity: str) -> int:
        """Returns how often a trial was begun and did not end, or failed."""
        return sum(a.identity == identity and a.state == "failed"
                   for a in self.storage.attempts())  # fmt: skip

    def view(self) -> StudyView:
        """Returns the study as its readers see it; the baseline's own trials apart."""
        search, records = self.search, self.records()
        own = search.baseline.identity
        return StudyView(
            definition=search.definition,
            space=search.space,
            records=tuple(record for record in records if record.candidate != own),
            scoring=search.options.scoring,
            baseline_scores=tuple(record for record in records if record.candidate == own),
        )


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
