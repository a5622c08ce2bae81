"""What Optuna is asked to be: sampler and pruner by option, heartbeat on, nothing queued twice."""

from pathlib import Path

import pytest

from edgescale.errors import SearchError
from edgescale.search.storage import Running, opened
from tests.search_study import small_search


@pytest.mark.parametrize(
    ("strategy", "sampler"),
    [("grid", "GridSampler"), ("random", "RandomSampler"), ("tpe", "TPESampler")],
)
def test_a_strategy_is_an_optuna_sampler(tmp_path: Path, strategy: str, sampler: str) -> None:
    search = small_search(strategy=strategy, candidates=None if strategy == "grid" else 2)
    with opened(tmp_path / "study.db", search) as storage:
        assert type(storage._study.sampler).__name__ == sampler


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
