"""The study: every trial once, whatever kills or fails it."""

import json
import os
import re
import signal
import sqlite3
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgescale.builder import lock
from edgescale.errors import SearchError
from edgescale.search import definition
from edgescale.search.engine import TrialFailed
from edgescale.search.score import parse_scoring
from edgescale.search.study import searching
from edgescale.search.training import TrialJob
from edgescale.search.trial import rebuild, trial_from_dict
from tests.search_study import (
    Blank,
    Killed,
    PaperEngine,
    change,
    row,
    scores,
    small_search,
    studied,
)


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
    change(tmp_path, "UPDATE trials SET state = 'RUNNING' WHERE number = 2")
    change(tmp_path, "DELETE FROM trial_values WHERE trial_id = 3")
    engine = PaperEngine()
    assert studied(small_search(), tmp_path, engine) == whole
    assert engine.ran == []
    assert _states(tmp_path) == {"COMPLETE": small_search().trials}  # and none was queued anew


def test_an_entry_that_ended_without_a_record_is_run_again(tmp_path: Path) -> None:
    whole = studied(small_search(), tmp_path)
    change(tmp_path, "DELETE FROM trial_user_attributes WHERE trial_id = 3 AND key = 'record'")
    engine = PaperEngine()
    assert scores(studied(small_search(), tmp_path, engine)) == scores(whole)
    assert engine.ran == [whole.records[2].identity]


def test_a_trial_of_no_candidate_is_refused(tmp_path: Path) -> None:
    studied(small_search(), tmp_path)
    change(tmp_path, "UPDATE trial_user_attributes SET value_json = '\"0123456789ab-s0\"'"
                      " WHERE trial_id = 3 AND key = 'identity'")  # fmt: skip
    with pytest.raises(SearchError, match="its trial '0123456789ab-s0' is of no candidate"):
        studied(small_search(), tmp_path)


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
    assert {record.retries for record in healed.records} == {0}  # no process had died
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


def test_an_error_rate_is_minimised(tmp_path: Path) -> None:
    search = small_search(scoring=parse_scoring("mean:2", "error"))
    record = studied(search, tmp_path).records[0]
    last = record.validation_accuracy[-2:]
    assert record.score == pytest.approx(1 - sum(last) / 2)
    assert row(tmp_path, "SELECT direction FROM study_directions") == "MINIMIZE"


@pytest.mark.parametrize("strategy", ["grid", "tpe"])
def test_more_seeds_go_on_with_a_study_and_it_remembers(tmp_path: Path, strategy: str) -> None:
    options: dict[str, Any] = {"strategy": strategy}
    if strategy == "tpe":
        options |= {"candidates": 3, "step": "0.1"}
    before, engine = studied(small_search(**options), tmp_path), PaperEngine()
    view = studied(small_search(**options, seeds=4), tmp_path, engine)
    assert {identity[-1] for identity in engine.ran} == {"2", "3"}
    assert all(record in view.records for record in before.records)
    assert set(Counter(record.candidate for record in view.records).values()) == {4}
    assert (view.definition["seeds"], view.definition["seeds_before"]) == ([0, 1, 2, 3], [2])
    with pytest.raises(SearchError, match="its search has 4 seeds"):
        studied(small_search(**options, seeds=3), tmp_path)


def test_other_versions_open_a_finished_study_but_train_none_of_its_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = studied(small_search(), tmp_path)
    monkeypatch.setattr(definition, "versions", lambda: {"python": "4.0"})
    engine = PaperEngine()
    assert studied(small_search(), tmp_path, engine) == before
    with pytest.raises(SearchError, match=r"trials are missing.*python \(.* there, \"4.0\" asked"):
        studied(small_search(seeds=3), tmp_path, engine)
    assert engine.ran == []
    assert studied(small_search(), tmp_path) == before  # the seeds were not raised


def test_other_images_or_another_training_are_another_search(tmp_path: Path) -> None:
    search = small_search()
    studied(search, tmp_path)
    for other, said in (
        (replace(search, images=Blank(digest="e" * 64)), 'data_digest ("dddd'),
        (replace(search, training=replace(search.training, learning_rate=0.5)),
         "training.learning_rate ("),
    ):  # fmt: skip
        with pytest.raises(SearchError, match=re.escape(said)):
            studied(other, tmp_path)


def test_another_search_in_the_same_folder_is_refused_and_named(tmp_path: Path) -> None:
    before = studied(small_search(), tmp_path)
    for other, said in (
        ({"phi": 2.0}, r"phi \(1.0 there, 2.0 asked\)"),
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
    with pytest.raises(SearchError, match="not a study of 'edgescale search'") as caught:
        studied(small_search(), tmp_path)
    assert "\n" not in str(caught.value)
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
