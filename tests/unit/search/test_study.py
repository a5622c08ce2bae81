"""The study: every trial once, whatever kills, fails or prunes it."""

import json
import os
import signal
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edgescale.builder import lock
from edgescale.errors import SearchError
from edgescale.search.definition import Search
from edgescale.search.engine import TrialFailed
from edgescale.search.score import parse_scoring
from edgescale.search.study import run_study, searching
from edgescale.search.training import TrialJob
from edgescale.search.trial import rebuild, trial_from_dict
from edgescale.search.view import StudyView
from tests.search_study import PaperEngine, accuracy_of, small_search


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug in a test; what a kill leaves behind is the same."""
    connect = sqlite3.connect

    def connected(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **named)
        if "uri" not in named:
            connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connected)


def studied(search: Search, folder: Path, engine: PaperEngine | None = None) -> StudyView:
    with searching(folder):
        return run_study(search, folder, engine or PaperEngine(), lambda record, new: None)


def scores(view: StudyView) -> dict[str, Any]:
    return {record.identity: (record.state, record.score) for record in view.records}


def test_every_candidate_is_trained_with_every_seed_and_the_first_seeds_come_first(
    tmp_path: Path,
) -> None:
    search, engine = small_search(), PaperEngine()
    view = studied(search, tmp_path, engine)
    wanted = [f"{c.identity}-s{seed}" for seed in (0, 1) for c in search.space.candidates]
    assert engine.ran == wanted
    assert [record.identity for record in view.records] == wanted
    assert {record.state for record in view.records} == {"finished"}
    assert search.trials == len(wanted) >= 6


def test_the_lines_are_the_records_and_each_rebuilds_its_network(tmp_path: Path) -> None:
    view = studied(small_search(), tmp_path)
    lines = (tmp_path / "trials.jsonl").read_text().splitlines()
    records = [trial_from_dict(json.loads(line)) for line in lines]
    assert tuple(records) == view.records
    networks = {c.identity: c.variant.architecture for c in view.space.candidates}
    for record in records:
        assert rebuild(record) == networks[record.candidate]
    first = records[0]
    assert (first.cpu_s, first.wall_s, first.engine, first.host) == (3.0, 6.0, "paper", "here")
    assert first.score == first.validation_accuracy[-1]
    assert "optuna" in first.versions


def test_a_finished_study_trains_nothing_again(tmp_path: Path) -> None:
    before, engine = studied(small_search(), tmp_path), PaperEngine()
    assert studied(small_search(), tmp_path, engine) == before
    assert engine.ran == []


def test_two_at_a_time_run_no_trial_twice(tmp_path: Path) -> None:
    meeting = threading.Barrier(2, timeout=20)

    def both(job: TrialJob) -> None:
        meeting.wait()  # the number of trials is even

    search, engine = small_search(), PaperEngine(slots=2, before=both)
    studied(search, tmp_path, engine)
    assert set(Counter(engine.ran).values()) == {1}
    assert len(engine.ran) == search.trials


class Killed(BaseException):
    """Stands for the end of the process: nothing is tidied up in the storage."""


def test_a_killed_search_goes_on_and_ends_in_the_same_table(tmp_path: Path) -> None:
    whole = studied(small_search(), tmp_path / "whole")

    def killing(job: TrialJob) -> None:
        if len(killed.ran) == 4:
            raise Killed

    killed, resumed = PaperEngine(before=killing), PaperEngine()
    with pytest.raises(Killed):
        studied(small_search(), tmp_path / "cut", killed)
    states = _states(tmp_path / "cut")
    assert (states["COMPLETE"], states["RUNNING"]) == (3, 1)
    again = studied(small_search(), tmp_path / "cut", resumed)
    assert scores(again) == scores(whole)
    assert not set(killed.ran[:3]) & set(resumed.ran)
    assert killed.ran[3] in resumed.ran
    retries = {record.identity: record.retries for record in again.records}
    assert retries[killed.ran[3]] == 1
    assert sum(retries.values()) == 1
    assert set(Counter(resumed.ran).values()) == {1}


def test_a_trial_killed_after_its_record_is_not_run_again(tmp_path: Path) -> None:
    whole = studied(small_search(), tmp_path)
    with sqlite3.connect(tmp_path / "study.db") as storage:
        storage.execute("UPDATE trials SET state = 'RUNNING' WHERE number = 2")
        storage.execute("DELETE FROM trial_values WHERE trial_id = 3")
    storage.close()
    engine = PaperEngine()
    assert studied(small_search(), tmp_path, engine) == whole
    assert engine.ran == []


def test_a_failed_trial_lets_the_others_go_on_and_is_tried_once_by_the_next_search(
    tmp_path: Path,
) -> None:
    bad = f"{small_search().space.candidates[1].identity}-s0"

    def failing(job: TrialJob) -> None:
        if job.identity == bad:
            raise TrialFailed("out of memory")

    engine = PaperEngine(before=failing)
    view = studied(small_search(), tmp_path, engine)
    failed = [record for record in view.records if record.state == "failed"]
    assert [(record.identity, record.said) for record in failed] == [(bad, "out of memory")]
    assert engine.ran.count(bad) == 1
    again = PaperEngine(before=failing)
    studied(small_search(), tmp_path, again)
    assert again.ran == [bad]
    healed = studied(small_search(), tmp_path)
    assert scores(healed)[bad][0] == "finished"
    assert len(healed.records) == len(view.records)


def test_an_interrupt_ends_the_engine_and_the_trial_goes_on_later(tmp_path: Path) -> None:
    started = threading.Event()

    def waiting(job: TrialJob) -> None:
        if len(engine.ran) > 2:
            started.set()
            assert engine.closed.wait(20)

    engine = PaperEngine(slots=2, before=waiting)

    def interrupted(folder: Path) -> None:
        def pressed(signal_number: int, frame: object) -> None:
            raise KeyboardInterrupt

        def press_when_started() -> None:
            started.wait(20)
            os.kill(os.getpid(), signal.SIGUSR1)

        before = signal.signal(signal.SIGUSR1, pressed)
        press = threading.Thread(target=press_when_started)
        press.start()
        try:
            studied(small_search(), folder, engine)
        finally:
            press.join()
            signal.signal(signal.SIGUSR1, before)

    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    view = studied(small_search(), tmp_path)
    assert {record.state for record in view.records} == {"finished"}
    assert len(view.records) == small_search().trials


def test_the_baseline_is_trained_beside_the_candidates_and_kept_apart(tmp_path: Path) -> None:
    search = small_search(baseline="trained")
    view = studied(search, tmp_path)
    assert [(r.phi, r.seed) for r in view.baseline_scores] == [(0.0, 0), (0.0, 1)]
    assert len(view.records) == 2 * len(search.space.candidates)
    assert {record.phi for record in view.records} == {1.0}


def test_random_draws_the_same_candidates_with_the_same_seed(tmp_path: Path) -> None:
    options = {"strategy": "random", "candidates": 3, "step": "0.1"}
    one, two = PaperEngine(), PaperEngine(slots=2)
    first = studied(small_search(**options), tmp_path / "one", one)
    second = studied(small_search(**options), tmp_path / "two", two)
    assert scores(first) == scores(second)  # whatever the order
    assert len(first.records) == 6
    job = small_search(**options).job(first.space.incumbent, 1, tmp_path)
    assert scores(first)[job.identity] == ("finished", accuracy_of(job))
    assert first.space.incumbent.identity in {record.candidate for record in first.records}


def test_tpe_tries_as_many_candidates_as_asked_then_repeats_them(tmp_path: Path) -> None:
    options = {"strategy": "tpe", "candidates": 4, "step": "0.1", "seeds": 3}
    engine = PaperEngine(slots=2)
    view = studied(small_search(**options), tmp_path, engine)
    tried = Counter(record.candidate for record in view.records)
    assert set(tried.values()) == {3}
    assert len(tried) == 4
    assert view.space.incumbent.identity in tried
    assert {identity[-1] for identity in engine.ran[:4]} == {"0"}
    again = PaperEngine()
    assert studied(small_search(**options), tmp_path, again) == view
    assert again.ran == []


def test_a_trial_that_fails_while_tpe_explores_is_left_to_the_next_search(tmp_path: Path) -> None:
    options = {"strategy": "tpe", "candidates": 3, "step": "0.1"}
    incumbent = small_search(**options).space.incumbent.identity

    def failing(job: TrialJob) -> None:
        if job.identity == f"{incumbent}-s0":
            raise TrialFailed("out of memory")

    engine = PaperEngine(before=failing)
    view = studied(small_search(**options), tmp_path, engine)
    assert set(Counter(engine.ran).values()) == {1}
    assert len(view.records) == 6
    assert sum(record.state == "failed" for record in view.records) == 1
    healed = studied(small_search(**options), tmp_path)
    assert sorted(record.retries for record in healed.records) == [0, 0, 0, 0, 0, 1]


def test_a_killed_tpe_search_still_tries_as_many_candidates(tmp_path: Path) -> None:
    options = {"strategy": "tpe", "candidates": 4, "step": "0.1"}

    def killing(job: TrialJob) -> None:
        if len(killed.ran) == 3:
            raise Killed

    killed = PaperEngine(before=killing)
    with pytest.raises(Killed):
        studied(small_search(**options), tmp_path, killed)
    view = studied(small_search(**options), tmp_path)
    tried = Counter(record.candidate for record in view.records)
    assert set(tried.values()) == {2}
    assert len(tried) == 4
    assert {identity[:12] for identity in killed.ran} <= set(tried)


def test_halving_prunes_the_weak_never_the_published_and_later_seeds_are_not_run(
    tmp_path: Path,
) -> None:
    search = small_search(prune="halving", epochs=9)
    incumbent = search.space.incumbent.identity

    def weaker_and_weaker(job: TrialJob) -> float:
        order = [c.identity for c in search.space.candidates]
        rank = order.index(job.identity[:12])
        return 0.1 if rank == 0 else 0.9 - rank / 10

    engine = PaperEngine(accuracy=weaker_and_weaker)
    view = studied(search, tmp_path, engine)
    states = {record.identity: record.state for record in view.records}
    assert states[f"{incumbent}-s0"] == states[f"{incumbent}-s1"] == "finished"
    pruned = [record for record in view.records if record.state == "pruned"]
    assert pruned
    for record in pruned:
        assert record.score is None
        assert "pruned" in record.said
        if record.seed:
            assert record.identity not in engine.ran
    assert any(record.said.startswith("pruned after epoch 1 of 9") for record in pruned)
    again = PaperEngine()
    assert studied(small_search(prune="halving", epochs=9), tmp_path, again) == view
    assert again.ran == []


def test_an_error_rate_is_minimised(tmp_path: Path) -> None:
    search = small_search(scoring=parse_scoring("mean:2", "error"))
    record = studied(search, tmp_path).records[0]
    last = record.validation_accuracy[-2:]
    assert record.score == pytest.approx(1 - sum(last) / 2)
    assert _row(tmp_path, "SELECT direction FROM study_directions") == "MINIMIZE"


def test_another_search_in_the_same_folder_is_refused_and_named(tmp_path: Path) -> None:
    before = studied(small_search(), tmp_path)
    for other, said in (
        ({"phi": 2.0}, r"phi \(1.0 there, 2.0 asked\)"),
        ({"seeds": 3}, r"seeds \(\[0, 1\] there, \[0, 1, 2\] asked\)"),
        ({"epochs": 5}, r"epochs \(3 there, 5 asked\)"),
        ({"baseline": "trained"}, r'baseline_is \("untrained" there, "trained" asked\)'),
    ):
        with pytest.raises(SearchError, match=f"another search, which differs in .*{said}"):
            studied(small_search(**other), tmp_path)
    assert studied(small_search(), tmp_path) == before


def test_two_searches_at_once_in_one_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.1)
    with (
        searching(tmp_path),
        pytest.raises(SearchError, match="another search works in this folder"),
        searching(tmp_path),
    ):
        pass


@pytest.mark.parametrize("name", ["text", "foreign", "truncated", "nameless"])
def test_a_file_that_is_no_study_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / "study.db"
    if name == "text":
        path.write_text("not a database, though long enough to be taken for one" * 20)
    elif name == "truncated":
        studied(small_search(), tmp_path)
        path.write_bytes(path.read_bytes()[:20_000])
    else:
        with sqlite3.connect(path) as storage:
            storage.execute(f"CREATE TABLE {'studies' if name == 'nameless' else 'people'}"
                            " (study_name TEXT)")  # fmt: skip
        storage.close()
    content = path.read_bytes()
    with pytest.raises(SearchError, match="not a study of 'edgescale search'"):
        studied(small_search(), tmp_path)
    assert path.read_bytes() == content


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(SearchError, match="holds no study"):
        studied(small_search(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def _states(folder: Path) -> Counter[str]:
    with sqlite3.connect(folder / "study.db") as storage:
        found = Counter(state for (state,) in storage.execute("SELECT state FROM trials"))
    storage.close()
    return found


def _row(folder: Path, query: str) -> Any:
    with sqlite3.connect(folder / "study.db") as storage:
        found = storage.execute(query).fetchone()[0]
    storage.close()
    return found
