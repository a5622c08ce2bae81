"""What Optuna is asked to be, and what becomes of its errors."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from edgescale.errors import SearchError
from edgescale.search.storage import Running, opened
from tests.search_study import small_search


@pytest.mark.parametrize(
    ("prune", "pruner"), [(None, "NopPruner"), ("halving", "SuccessiveHalvingPruner")]
)
def test_pruning_is_an_optuna_pruner(tmp_path: Path, prune: str | None, pruner: str) -> None:
    with opened(tmp_path / "study.db", small_search(prune=prune)) as storage:
        assert type(storage._study.pruner).__name__ == pruner


def test_the_heart_beats_and_a_stale_trial_would_be_queued_again(tmp_path: Path) -> None:
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    with opened(tmp_path / "study.db", small_search()) as storage:
        backend = storage._study._storage
        assert backend.get_heartbeat_interval() == 10
        callback = backend.get_heartbeat_stale_trial_callback()
        assert isinstance(callback, RetryHeartbeatStaleTrialCallback)


def test_queued_trials_run_in_their_order_with_their_parameters(tmp_path: Path) -> None:
    search, seen = small_search(), []

    def train(running: Running) -> float:
        seen.append((running.identity, running.seed, running.coefficients()))
        return 0.5

    first, second = search.space.candidates[:2]
    with opened(tmp_path / "study.db", search) as storage:
        storage.queue(1, "one", second)
        storage.queue(0, "two", first)
        storage.run(train, slots=1, on_end=lambda: None, stop=lambda: None)
        assert [(a.identity, a.state) for a in storage.attempts()] == [
            ("one", "finished"),
            ("two", "finished"),
        ]
    a, b = second.coefficients, first.coefficients
    assert seen == [
        ("one", 1, (a.alpha, a.beta, a.gamma)),
        ("two", 0, (b.alpha, b.beta, b.gamma)),
    ]


def test_what_the_storage_raises_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk is full"))

    def train(running: Running) -> float:
        monkeypatch.setattr(storage._backend, "scoped_session", full)
        return 0.5

    with opened(tmp_path / "study.db", small_search()) as storage:
        storage.queue(0, "one", None)
        for failing in (
            lambda: storage.run(train, slots=1, on_end=lambda: None, stop=lambda: None),
            storage.attempts,
            storage.take_back_dead,
            lambda: storage.queue(0, "two", None),
            lambda: storage.define({}),
        ):
            with pytest.raises(SearchError, match=r"study.db: .* fails .*disk is full") as caught:
                failing()
            assert "\n" not in str(caught.value)
        monkeypatch.undo()


def test_a_failed_check_of_our_own_is_not_the_storages(tmp_path: Path) -> None:
    def train(running: Running) -> float:
        raise AssertionError("ours")

    with opened(tmp_path / "study.db", small_search()) as storage:
        storage.queue(0, "one", None)
        with pytest.raises(AssertionError, match="ours"):
            storage.run(train, slots=1, on_end=lambda: None, stop=lambda: None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE alembic_version SET version_num = 'v99'", "made by an Optuna of another version"),
        ("UPDATE study_user_attributes SET value_json = '{'", "the study's storage fails"),
        ("UPDATE studies SET study_name = 'other'", "its study is another program's"),
        ("DELETE FROM study_user_attributes", "none of 'edgescale search'"),
    ],
)
def test_a_changed_file_is_refused_in_one_sentence(tmp_path: Path, change: str, said: str) -> None:
    path = tmp_path / "study.db"
    with opened(path, small_search()):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    with pytest.raises(SearchError, match=said), opened(path, small_search()) as storage:
        _ = storage.definition


def test_a_path_of_any_characters_can_hold_a_study(tmp_path: Path) -> None:
    folder = tmp_path / "a ? strange % name # ü"
    folder.mkdir()
    for _ in range(2):
        with opened(folder / "study.db", small_search()) as storage:
            assert storage.definition["phi"] == 1.0
    assert [path.name for path in folder.iterdir()] == ["study.db"]


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.db").mkdir()
    with (
        pytest.raises(SearchError, match="it is no file"),
        opened(tmp_path / "study.db", small_search()),
    ):
        pass
