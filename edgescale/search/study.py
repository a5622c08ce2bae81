"""Runs a study: which trials there are, who trains them, and what is recorded when one ends.

A trial has one identity, its candidate and seed, however often it is begun. What ended by itself is
never run again; what was killed goes on at once; what failed is tried once more by the next search.
Halving prunes on the first seed alone, so that who survives it is compared on all the others.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edgescale.builder.lock import locked
from edgescale.errors import SearchError
from edgescale.family.store import write_bytes
from edgescale.search.definition import Search
from edgescale.search.engine import Engine, TrialFailed
from edgescale.search.same_study import check_versions, continued
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
Pair = tuple[Candidate, int]  # and its seed


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
        SearchError: the folder holds another search or something else, or trials are missing and
            the versions are not those of the study.
    """
    with opened(folder / STUDY_FILE, search) as storage:
        definition = continued(storage.definition, search.definition, folder)
        study = _Study(search, folder, storage, engine, on_trial)
        storage.take_back_dead()
        study.check_entries()
        if study.missing():
            check_versions(definition, search.definition, folder)
        if definition != storage.definition:
            storage.define(definition)
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
        """Queues what is missing and runs it.

        TPE first explores on the first seed; halving first prunes on it.
        """
        self.write_trials()
        if self.search.options.strategy == "tpe":
            self._explore()
        elif self.search.options.prune:
            self._queue(self._first_seed(self.search.chosen))
            self._run_queue()
        self._queue(self._wanted())
        self._run_queue()
        ended = {record.identity for record in self.records()}
        lost = [name for c, seed in self._wanted() if (name := _name(c, seed)) not in ended]
        if lost:
            raise SearchError(
                f"{self.folder}: {len(lost)} trial(s) did not end, first {lost[0]}; search again"
                " to go on"
            )

    def check_entries(self) -> None:
        """Refuses a storage with trials of candidates that this search does not have.

        Raises:
            SearchError: naming one.
        """
        known = {c.identity for c in (*self.search.space.candidates, self.search.baseline)}
        for identity in self._identities():
            if identity.rpartition("-s")[0] not in known:
                raise SearchError(
                    f"{self.folder / STUDY_FILE}: its trial '{identity}' is of no candidate of this"
                    " search, so the file was changed; choose another --out"
                )

    def missing(self) -> bool:
        """Says whether a trial is still to be trained."""
        ended = self._ended()
        return len(self._tried()) < self.search.wanted or any(
            _name(candidate, seed) not in ended for candidate, seed in self._wanted()
        )

    def _explore(self) -> None:
        """Lets the sampler choose candidates, the published coefficients first, on seed 0."""
        tried = self._tried()
        self._queue(self._first_seed(tried or (self.search.space.incumbent,)))
        attempts = self.storage.attempts()
        open_ones = sum(a.state == "waiting" and a.identity is None for a in attempts)
        for _ in range(self.search.wanted - max(1, len(tried)) - open_ones):
            self.storage.queue(self.search.seeds[0], None, None)
        self._run_queue()

    def _tried(self) -> tuple[Candidate, ...]:
        """Returns the candidates that TPE has chosen so far; for other strategies all."""
        if self.search.options.strategy != "tpe":
            return self.search.chosen
        begun, first = set(self._identities()), self.search.seeds[0]
        return tuple(c for c in self.search.chosen if _name(c, first) in begun)

    def _first_seed(self, candidates: tuple[Candidate, ...]) -> list[Pair]:
        return [(candidate, self.search.seeds[0]) for candidate in candidates]

    def _wanted(self) -> list[Pair]:
        """Returns the trials that are to be there in the end, as far as it is known by now.

        With halving those on later seeds are known once a candidate has survived the first.
        """
        search, first = self.search, self.search.seeds[0]
        pairs = search.pairs(self._tried())
        if search.options.prune:
            last = {record.identity: record.state for record in self.records()}
            pairs = ((c, seed) for c, seed in pairs
                     if seed == first or last.get(_name(c, first)) == "finished")  # fmt: skip
        if search.options.baseline != "trained":
            return list(pairs)
        return sorted([*pairs, *search.pairs((search.baseline,))], key=lambda pair: pair[1])

    def _identities(self) -> list[str]:
        return [a.identity for a in self.storage.attempts() if a.identity is not None]

    def _ended(self) -> set[str]:
        """Returns the trials that ended by themselves: which have a record, and did not fail."""
        return {record.identity for record in self.records() if record.state != "failed"}

    def _queue(self, pairs: list[Pair]) -> None:
        """Queues those trials that neither ended nor wait."""
        there = {a.identity for a in self.storage.attempts() if a.state == "waiting"}
        there |= self._ended() | self.begun  # what failed in this search is left to the next one
        for candidate, seed in pairs:
            if _name(candidate, seed) not in there:
                self.storage.queue(seed, _name(candidate, seed), candidate)

    def _run_queue(self) -> None:
        self.storage.run(
            self._train, slots=self.engine.slots, on_end=self.write_trials, stop=self.engine.close
        )

    def _train(self, running: Running) -> float:
        """Trains one trial to its score; called in a thread of its own."""
        with self.guard:
            candidate = self._candidate(running)
            identity = _name(candidate, running.seed)
            if identity in self.begun or identity in self._ended():
                raise TrialFailed(f"trial {identity} runs or has ended already")
            self.begun.add(identity)
        trial = TrialRun(
            self.search, self.folder, running, candidate, engine=self.engine, on_end=self._tell
        )
        return trial.train()

    def _tell(self, record: TrialRecord) -> None:
        with self.guard:
            self.on_trial(record, True)

    def _candidate(self, running: Running) -> Candidate:
        """Returns a trial's candidate: the queued one, or the one the sampler chose."""
        search = self.search
        if running.identity == _name(search.baseline, running.seed):
            return search.baseline
        point = running.coefficients()  # also of a queued one, so that the sampler learns from it
        chosen = next(c for c in search.chosen if numbers(c.coefficients) == point)
        if running.identity is None:
            running.note("identity", _name(chosen, running.seed))
        return chosen

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

    def view(self) -> StudyView:
        """Returns the study as its readers see it; the baseline's own trials apart."""
        search, records = self.search, self.records()
        own = search.baseline.identity
        return StudyView(
            definition=self.storage.definition,
            space=search.space,
            records=tuple(record for record in records if record.candidate != own),
            scoring=search.options.scoring,
            baseline_scores=tuple(record for record in records if record.candidate == own),
        )


def _name(candidate: Candidate, seed: int) -> str:
    return trial_identity(candidate.identity, seed)
