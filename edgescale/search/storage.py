"""The storage of a study: what Optuna keeps in its file, as entries of trials.

Optuna keeps record, queue, heartbeat and pruner, and samples for TPE. Grid and random know all
their trials beforehand, so these are queued: a sampler would only draw some of them twice. The
study's lock proves that nobody else runs it.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgescale.errors import SearchError
from edgescale.family.store import replacing
from edgescale.search.definition import Search
from edgescale.search.engine import EngineClosed, TrialFailed
from edgescale.search.paired import INSTALL_SEARCH
from edgescale.search.sampler import COEFFICIENTS, range_of, tpe_sampler
from edgescale.search.space import Candidate, numbers
from edgescale.search.study_file import STUDY_NAME, check_file, connected, no_study, storage_errors

_PACKAGES = ("optuna", "scipy", "matplotlib")
_LOOK_EVERY_S = 0.2  # a signal may reach another thread: the main one has to look
_REDUCTION = 3  # of each halving, on whole epochs
_KINDS = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed",
          "RUNNING": "running", "WAITING": "waiting"}  # fmt: skip


class Pruned(SearchError):
    """A trial that its pruner ended."""


class _Interrupted(BaseException):
    """A trial that was ended from outside: Optuna must not take it for one that failed."""


@dataclass(frozen=True)
class Attempt:
    """One entry of the storage: a trial that waits, runs or ended; a trial may have several.

    ``identity`` is None for a TPE trial that has not chosen its candidate yet; ``record`` is that
    of a trial which ended by itself.
    """

    number: int
    state: str  # waiting, running, finished, pruned or failed
    identity: str | None
    record: Mapping[str, Any] | None


class Running:
    """A trial that runs.

    ``seed`` and, once chosen, ``identity`` say which; ``begun`` is how often it was begun before,
    by processes that died.
    """

    def __init__(self, trial: Any, search: Search, reported: int) -> None:
        self._trial, self._search, self._reported = trial, search, reported
        self.number: int = trial.number
        self.identity: str | None = trial.user_attrs.get("identity")
        self.seed: int = trial.suggest_int("seed", 0, 2**31 - 1)
        self.begun: int = trial.user_attrs.get("begun", 0)
        self.note("begun", self.begun + 1)

    def coefficients(self) -> tuple[float, float, float]:
        """Returns alpha, beta and gamma: those it was queued with, or the sampler's."""
        low, high = range_of(self._search)
        alpha, beta, gamma = (self._trial.suggest_float(name, low, high) for name in COEFFICIENTS)
        return alpha, beta, gamma

    def note(self, key: str, value: Any) -> None:
        """Stores a value with the trial: its ``identity`` or its ``record``."""
        self._trial.set_user_attr(key, value)

    def keeps_up(self, epoch: int, value: float) -> bool:
        """Reports an epoch; says whether the pruner lets the trial go on."""
        if epoch <= self._reported:
            return True  # it did, before the trial's process died
        self._trial.report(value, epoch)
        return not self._trial.should_prune()


class Storage:
    """A study's storage; ``definition`` is what was stored when the study began."""

    def __init__(self, study: Any, backend: Any, path: Path, search: Search) -> None:
        self._study, self._backend = study, backend
        self._path, self._search = path, search

    @property
    def definition(self) -> Mapping[str, Any]:
        """What the study is."""
        with storage_errors(self._path):
            found = self._study.user_attrs.get("definition")
        if not isinstance(found, dict):
            raise no_study(self._path, "it holds a study, but none of 'edgescale search'")
        return found

    def define(self, definition: Mapping[str, Any]) -> None:
        """Stores what the study is from here on."""
        with storage_errors(self._path):
            self._study.set_user_attr("definition", dict(definition))

    def attempts(self) -> tuple[Attempt, ...]:
        """Returns every entry, oldest first."""
        with storage_errors(self._path):
            trials = self._study.get_trials(deepcopy=False)
        return tuple(
            Attempt(trial.number, _KINDS[trial.state.name], trial.user_attrs.get("identity"),
                    trial.user_attrs.get("record"))
            for trial in trials
        )  # fmt: skip

    def queue(self, seed: int, identity: str | None, candidate: Candidate | None) -> None:
        """Queues a trial; without a candidate the sampler chooses one when it begins."""
        parameters: dict[str, Any] = {"seed": seed}
        if candidate is not None:
            parameters |= dict(zip(COEFFICIENTS, numbers(candidate.coefficients), strict=True))
        attributes = None if identity is None else {"identity": identity}
        with storage_errors(self._path):
            self._study.enqueue_trial(parameters, attributes)

    def take_back_dead(self) -> None:
        """Lets the trials of a search that was killed wait again, each in its old place.

        Who holds the lock knows that it was. A trial whose record is stored has ended: only the
        last word is missing.
        """
        import optuna

        states = optuna.trial.TrialState
        with storage_errors(self._path):
            for trial in self._study.get_trials(deepcopy=False, states=(states.RUNNING,)):
                record = trial.user_attrs.get("record")
                if record is None:
                    # Beats first: by its last one of long ago it would be stale once it runs.
                    self._backend.record_heartbeat(trial._trial_id)
                    self._backend.set_trial_state_values(trial._trial_id, states.WAITING)
                else:
                    self._study.tell(trial.number, record["score"], _state_of(record["state"]))

    def run(
        self,
        train: Callable[[Running], float],
        *,
        slots: int,
        on_end: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        """Runs every queued trial, ``slots`` at a time.

        Args:
            train: trains a trial and returns its score; raises ``Pruned`` or ``TrialFailed``.
            slots: trials at a time, each in a thread of its own.
            on_end: called after each trial, from its thread.
            stop: called where this is interrupted; it makes every ``train`` end.
        """
        import optuna

        def objective(trial: Any) -> float:
            stored = self._backend.get_trial(trial._trial_id)
            reported = -1 if stored.last_step is None else stored.last_step
            try:
                return train(Running(trial, self._search, reported))
            except Pruned as problem:
                raise optuna.TrialPruned(str(problem)) from problem
            except (EngineClosed, KeyboardInterrupt) as problem:
                raise _Interrupted from problem

        waiting = sum(attempt.state == "waiting" for attempt in self.attempts())
        with ThreadPoolExecutor(1) as pool:  # so that Ctrl-C finds this thread waiting
            try:  # from before the first trial: the pool would wait for all that were begun
                done = pool.submit(
                    self._study.optimize, objective, n_trials=waiting, n_jobs=slots,
                    catch=(TrialFailed,), callbacks=[lambda study, trial: on_end()],
                )  # fmt: skip
                while not wait((done,), _LOOK_EVERY_S).done:
                    pass
                with storage_errors(self._path):
                    done.result()
            except _Interrupted as problem:
                stop()
                raise (problem.__cause__ or problem) from None
            except BaseException:
                stop()
                raise


@contextmanager
def opened(path: Path, search: Search) -> Iterator[Storage]:
    """Opens the storage of a study, or begins one; closes it after the block.

    Raises:
        SearchError: Optuna is missing, or the file is not a study.
    """
    require_search()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # what happens is told by the search
    if path.exists():
        check_file(path)
    else:
        with storage_errors(path), replacing(path) as new, connected(new, path) as storage:
            direction = search.options.scoring.direction
            study = optuna.create_study(storage=storage, study_name=STUDY_NAME, direction=direction)
            study.set_user_attr("definition", search.definition)
    with connected(path, path) as storage:
        with storage_errors(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = tpe_sampler(search) if search.options.strategy == "tpe" else None
            study = optuna.load_study(
                study_name=STUDY_NAME, storage=storage, sampler=sampler, pruner=_pruner(search)
            )
        yield Storage(study, storage, path, search)


def require_search() -> None:
    """Says early, and without importing them, that packages of a search are missing.

    Raises:
        SearchError: one is not installed.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        named = ", ".join(missing)
        raise SearchError(f"a search needs {named}, not installed here; run: {INSTALL_SEARCH}")


def _state_of(kind: str) -> Any:
    import optuna

    names = {ours: theirs for theirs, ours in _KINDS.items()}
    return optuna.trial.TrialState[names[kind]]


def _pruner(search: Search) -> Any:
    import optuna

    if search.options.prune is None:
        return optuna.pruners.NopPruner()
    first = max(1, round(search.epochs / _REDUCTION**2))
    return optuna.pruners.SuccessiveHalvingPruner(first, _REDUCTION)
