"""What each strategy and pruner tries: drawn, explored, halved, and the same after a kill."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edgescale.search.engine import TrialFailed
from edgescale.search.training import TrialJob
from edgescale.search.view import StudyView
from tests.search_study import Killed, PaperEngine, accuracy_of, row, scores, small_search, studied


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
    assert {record.state for record in healed.records} == {"finished"}


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


def weaker_and_weaker(job: TrialJob) -> float:
    """Returns an accuracy that falls from candidate to candidate; the published are the worst."""
    order = [c.identity for c in small_search().space.candidates]
    if job.identity[:12] not in order:
        return 0.01  # the baseline
    rank = order.index(job.identity[:12])
    return 0.1 + job.seed / 50 if rank == 0 else 0.9 - rank / 10 - job.seed / 4


def halved(folder: Path, engine: PaperEngine | None = None, **options: Any) -> StudyView:
    search = small_search(prune="halving", epochs=9, seeds=3, **options)
    return studied(search, folder, engine or PaperEngine(accuracy=weaker_and_weaker))


def test_halving_prunes_on_the_first_seed_and_who_survives_it_has_all_seeds(tmp_path: Path) -> None:
    engine = PaperEngine(accuracy=weaker_and_weaker)
    view = halved(tmp_path, engine)
    states: dict[str, list[str]] = {}
    for record in view.records:
        states.setdefault(record.candidate, []).append(record.state)
    incumbent, first, *_ = (c.identity for c in view.space.candidates)
    whole = [one for one, own in states.items() if own == ["finished"] * 3]
    assert {incumbent, first} <= set(whole)
    assert len(states) == len(view.space.candidates) > len(whole)
    assert all(own == ["pruned"] for one, own in states.items() if one not in whole)
    pruned = [record for record in view.records if record.state == "pruned"]
    assert {record.score for record in pruned} == {None}
    assert any(record.said.startswith("pruned after epoch 1 of 9") for record in pruned)
    assert [identity[-1] for identity in engine.ran[: len(states)]] == ["0"] * len(states)
    again = PaperEngine()
    assert halved(tmp_path, again) == view
    assert again.ran == []


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_killed_search_with_halving_ends_in_the_same_table(tmp_path: Path, which: int) -> None:
    whole = halved(tmp_path / "whole")
    cut = [record.number for record in whole.records if record.state == "finished"][which]

    def killing(epoch: int) -> None:
        if len(killed.ran) == cut + 1 and epoch == 4:
            raise Killed

    killed = PaperEngine(accuracy=weaker_and_weaker, after_epoch=killing)
    with pytest.raises(Killed):
        halved(tmp_path / "cut", killed)
    again = halved(tmp_path / "cut")
    assert scores(again) == scores(whole)
    assert {r.identity: r.retries for r in again.records if r.retries} == {killed.ran[cut]: 1}


def test_the_baseline_is_never_pruned_however_weak(tmp_path: Path) -> None:
    view = halved(tmp_path, baseline="trained")
    assert [record.state for record in view.baseline_scores] == ["finished"] * 3
    assert scores(view) == scores(halved(tmp_path / "without"))


def test_tpe_stores_what_it_trained_and_not_what_it_drew(tmp_path: Path) -> None:
    search = small_search(strategy="tpe", candidates=7, step="0.1", seeds=1)
    view = studied(search, tmp_path, PaperEngine(slots=2))
    query = "SELECT param_value FROM trial_params WHERE trial_id = {} AND param_name = '{}'"
    for record in view.records:
        for name in ("alpha", "beta", "gamma"):
            stored = row(tmp_path, query.format(record.number + 1, name))
            assert stored == getattr(record.coefficients, name)
    assert len({record.coefficients for record in view.records}) == 7


def test_tpe_can_try_all_candidates(tmp_path: Path) -> None:
    everything = len(small_search().space.candidates)
    view = studied(small_search(strategy="tpe", candidates=everything, seeds=1), tmp_path)
    assert len(view.records) == everything
