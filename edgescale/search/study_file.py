"""The file of a study: opened for Optuna as SQLite, and refused in one sentence where it is none.

What Optuna and the layers under it raise becomes ours here.
"""

import json
import sqlite3
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgescale.errors import SearchError

STUDY_NAME = "edgescale"
_URL = "sqlite:///study.db"  # the dialect alone: a path in a URL would need escapes
_HEARTBEAT_S = 10
# Long, since a machine that slept must not fail its own trials; the lock finds dead ones at once.
_GRACE_S = 24 * 3600
_PATIENCE_S = 60.0


@contextmanager
def connected(path: Path, named: Path) -> Iterator[Any]:
    """Opens Optuna's storage in a file, which messages call by the name it will have."""
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
        try:
            with storage_errors(named):
                storage = OneAtATime(
                    _URL,
                    {"creator": connection},
                    heartbeat_interval=_HEARTBEAT_S,
                    grace_period=_GRACE_S,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
                )
        except RuntimeError as problem:  # of its check of versions
            raise SearchError(
                f"{named}: made by an Optuna of another version than {version('optuna')}, which is"
                " here; install that version, or choose another --out"
            ) from problem
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns the errors of Optuna and of what it stores with into one sentence."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    known = (OptunaError, SQLAlchemyError, sqlite3.Error, json.JSONDecodeError)
    try:
        yield
    except (*known, AssertionError, UnboundLocalError) as problem:
        cause: BaseException | None = problem
        while not (cause is None or isinstance(cause, known)):
            cause = cause.__context__  # Optuna stumbles where it cannot store a trial's end
        if cause is None:
            raise
        raise SearchError(
            f"{path}: the study's storage fails ({_first_line(cause)}); check the disk and search"
            " again, or choose another --out"
        ) from problem


def check_file(path: Path) -> None:
    """Refuses a file that is no study, before Optuna would make tables in it.

    Raises:
        SearchError: it is not.
    """
    if not path.is_file():
        raise no_study(path, "it is no file")
    # Writable, since a killed search may have left a journal that SQLite plays back first.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    try:
        problem = connection.execute("PRAGMA quick_check").fetchone()[0]
        names = [name for (name,) in connection.execute("SELECT study_name FROM studies")]
    except sqlite3.Error as found:
        raise no_study(path, _first_line(found)) from found
    finally:
        connection.close()
    if problem != "ok":
        raise no_study(path, _first_line(problem))
    if names != [STUDY_NAME]:
        raise no_study(path, "its study is another program's")


def no_study(path: Path, why: str) -> SearchError:
    return SearchError(f"{path}: not a study of 'edgescale search' ({why}); choose another --out")


def _first_line(problem: object) -> str:
    return str(problem).strip().partition("\n")[0]
