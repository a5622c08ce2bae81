"""The storage of a study: one SQLite file that Optuna keeps, and the only place that knows Optuna.

Every trial is queued with its parameters, so that Optuna runs each once and in a known order; its
sampler fills in what a TPE trial leaves open. The study's lock proves that nobody else runs it.
"""

import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgescale.errors import SearchError
from edgescale.family.store import replacing
from edgescale.search.definition import Search
from edgescale.search.engine import TrialFailed
from edgescale.search.space import Candidate, numbers

INSTALL_SEARCH = "pip install 'edgescale[search]'"
_PACKAGES = ("optuna", "scipy", "matplotlib")
_NAME = "edgescale"
_URL = "sqlite:///study.db"  # the dialect alone: a path in a URL would need escapes
_HEARTBEAT_S = 10
# Long, since a machine that slept must not fail its own trials; the lock finds dead ones at once.
_GRACE_S = 24 * 3600
_PATIENCE_S = 60.0
_REDUCTION = 3  # of each halving, on whole epochs
_KINDS = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed",
          "RUNNING": "running", "WAITING": "waiting"}  # fmt: skip


class Pruned(SearchError):
    """A trial that its pruner ended, or whose candidate it had ended before."""


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
    """A trial that runs; ``seed`` and, once chosen, ``identity`` say which."""

    def __init__(self, trial: Any, search: Search) -> None:
        self._trial, self._search = trial, search
        self.number: int = trial.number
        self.identity: str | None = trial.user_attrs.get("identity")
        self.seed: int = trial.suggest_int("seed", 0, 2**31 - 1)

    def coefficients(self) -> tuple[float, float, float]:
        """Returns alpha, beta and gamma: those it was queued with, or the sampler's."""
        low = 1.0 if self._search.recipe.rules.coefficients.equation == "power" else 0.0
        alpha, beta, gamma = (
            self._trial.suggest_float(name, low, low + 1) for name in ("alpha", "beta", "gamma")
        )
        return alpha, beta, gamma

    def note(self, key: str, value: Any) -> None:
        """Stores a value with the trial: its ``identity`` or its ``record``."""
        self._trial.set_user_attr(key, value)

    def keeps_up(self, epoch: int, value: float) -> bool:
        """Reports an epoch; says whether the pruner lets the trial go on."""
        self._trial.report(value, epoch)
        return not self._trial.should_prune()


class Storage:
    """A study's storage; ``definition`` is what was stored when the study began."""

    def __init__(self, study: Any, path: Path, search: Search) -> None:
        self._study, self._path, self._search = study, path, search

    @property
    def definition(self) -> Mapping[str, Any]:
        """What the study is."""
        found = self._study.user_attrs.get("definition")
        if not isinstance(found, dict):
            raise _no_study(self._path, "it holds a study, but none of 'edgescale search'")
        return found

    def attempts(self) -> tuple[Attempt, ...]:
        """Returns every entry, oldest first."""
        return tuple(
            Attempt(trial.number, _KINDS[trial.state.name], trial.user_attrs.get("identity"),
                    trial.user_attrs.get("record"))
            for trial in self._study.get_trials(deepcopy=False)
        )  # fmt: skip

    def queue(self, seed: int, identity: str | None, candidate: Candidate | None) -> None:
        """Queues a trial; without a candidate the sampler proposes one when it begins."""
        parameters: dict[str, Any] = {"seed": seed}
        if candidate is not None:
            chosen = numbers(candidate.coefficients)
            parameters |= dict(zip(("alpha", "beta", "gamma"), chosen, strict=True))
        attributes = None if identity is None else {"identity": identity}
        self._study.enqueue_trial(parameters, attributes)

    def end_dead(self) -> None:
        """Ends the trials of a search that was killed; who holds the lock knows that it was.

        A trial whose record is stored has ended: only the last word is missing.
        """
        import optuna

        ends = {"finished": "COMPLETE", "pruned": "PRUNED"}
        for attempt in self.attempts():
            if attempt.state == "running":
                record = attempt.record or {}
                state = optuna.trial.TrialState[ends.get(record.get("state", ""), "FAIL")]
                self._study.tell(attempt.number, record.get("score"), state)

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
            try:
                return train(Running(trial, self._search))
            except Pruned as problem:
                raise optuna.TrialPruned(str(problem)) from problem

        waiting = sum(attempt.state == "waiting" for attempt in self.attempts())
        with ThreadPoolExecutor(1) as pool:  # here, so that Ctrl-C finds this thread waiting
            done = pool.submit(
                self._study.optimize, objective, n_trials=waiting, n_jobs=slots,
                catch=(TrialFailed,), callbacks=[lambda study, trial: on_end()],
            )  # fmt: skip
            try:
                with _ours(self._path):
                    done.result()
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
        _check(path)
    else:
        with _ours(path), replacing(path) as new, _connected(new) as storage:
            direction = search.options.scoring.direction
            study = optuna.create_study(storage=storage, study_name=_NAME, direction=direction)
            study.set_user_attr("definition", search.definition)
    with _connected(path) as storage:
        with _ours(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.load_study(study_name=_NAME, storage=storage,
                                      sampler=_sampler(search), pruner=_pruner(search))  # fmt: skip
        yield Storage(study, path, search)


def require_search() -> None:
    """Says early, and without importing them, that packages of a search are missing.

    Raises:
        SearchError: one is not installed.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        named = ", ".join(missing)
        raise SearchError(f"a search needs {named}, not installed here; run: {INSTALL_SEARCH}")


@contextmanager
def _connected(path: Path) -> Iterator[Any]:
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

    guard = threading.Lock()

    class OneAtATime(RDBStorage):  # type: ignore[misc, unused-ignore]
        """SQLite locks no rows: unguarded, two threads would take the same waiting trial."""

        def set_trial_state_values(self, *arguments: Any, **named: Any) -> bool:
            with guard:
                done: bool = super().set_trial_state_values(*arguments, **named)
            return done

    def connection() -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=_PATIENCE_S, check_same_thread=False)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = OneAtATime(
            _URL,
            {"creator": connection},
            heartbeat_interval=_HEARTBEAT_S,
            grace_period=_GRACE_S,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
        )
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def _ours(path: Path) -> Iterator[None]:
    """Turns the errors of Optuna and of what it stores with into one sentence."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OptunaError, SQLAlchemyError, sqlite3.Error) as problem:
        reason = str(problem).split("\n")[0]
        raise SearchError(
            f"{path}: the study's storage fails ({reason}); check the disk and search again"
        ) from problem


def _check(path: Path) -> None:
    """Refuses a file that is no study, before Optuna would make tables in it.

    Raises:
        SearchError: it is not.
    """
    if not path.is_file():
        raise _no_study(path, "it is no file")
    # Writable, since a killed search may have left a journal that SQLite plays back first.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    try:
        problem = connection.execute("PRAGMA quick_check").fetchone()[0]
        names = [name for (name,) in connection.execute("SELECT study_name FROM studies")]
    except sqlite3.Error as found:
        raise _no_study(path, str(found)) from found
    finally:
        connection.close()
    if problem != "ok" or names != [_NAME]:
        raise _no_study(path, problem if problem != "ok" else "its study is another program's")


def _no_study(path: Path, why: str) -> SearchError:
    return SearchError(f"{path}: not a study of 'edgescale search' ({why}); choose another --out")


def _sampler(search: Search) -> Any:
    import optuna

    seed = search.sampler_seed
    if search.options.strategy == "grid":
        # All points are queued and no value is left to the sampler, so one axis is enough for it.
        axis = {candidate.coefficients.alpha for candidate in search.space.candidates} | {0.0, 1.0}
        return optuna.samplers.GridSampler({"alpha": sorted(axis)}, seed)
    if search.options.strategy == "random":
        return optuna.samplers.RandomSampler(seed)
    # A third of the candidates at random, since ten would be all of most searches.
    startup = max(2, (search.options.candidates or len(search.chosen)) // 3)
    return optuna.samplers.TPESampler(n_startup_trials=startup, constant_liar=True, seed=seed)


def _pruner(search: Search) -> Any:
    import optuna

    if search.options.prune is None:
        return optuna.pruners.NopPruner()
    first = max(1, round(search.epochs / _REDUCTION**2))
    return optuna.pruners.SuccessiveHalvingPruner(first, _REDUCTION)
