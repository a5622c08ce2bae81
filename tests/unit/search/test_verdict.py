"""The verdict on planted scores: what is proven is adopted, and nothing else."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgescale.errors import SearchError
from edgescale.search.score import Scoring
from edgescale.search.trial import TrialRecord
from edgescale.search.verdict import Verdict, verdict, wilson
from tests.search_records import baseline_trials, ended_early, small_space, trial_of, trials_of

SPACE = small_space()
NAMES = [one.identity for one in SPACE.candidates]
INCUMBENT = SPACE.incumbent.identity
Planted = Mapping[int, Sequence[float]]

CLEAR = {0: [0.80, 0.81, 0.79], 1: [0.90, 0.912, 0.888], 2: [0.70, 0.713, 0.691]}


def judged(records: Sequence[TrialRecord], scoring: Scoring | None = None) -> Verdict:
    return verdict(records, scoring=scoring or Scoring(), incumbent=INCUMBENT)


def test_a_challenger_that_is_better_by_far_is_adopted() -> None:
    result = judged(trials_of(SPACE, CLEAR))
    assert result.chosen == result.best == NAMES[1]
    assert not result.kept
    assert result.tied == (NAMES[1],)
    assert [one.candidate for one in result.standings] == [NAMES[1], NAMES[0], NAMES[2]]
    assert result.standing(NAMES[1]).mean == pytest.approx(0.9)
    assert result.standing(NAMES[1]).sd == pytest.approx(0.012)


def test_with_the_error_as_metric_the_smaller_one_wins() -> None:
    errors = {index: [1 - score for score in scores] for index, scores in CLEAR.items()}
    result = judged(trials_of(SPACE, errors), Scoring("error"))
    assert result.chosen == result.best == NAMES[1]
    gain = result.standing(NAMES[1]).to_incumbent
    assert gain is not None
    assert gain.gain == pytest.approx(0.1)


def test_noise_keeps_the_published_coefficients() -> None:
    adopted = 0
    for world in range(200):
        chance = random.Random(world)
        planted = {index: [chance.gauss(0.8, 0.02) for _ in range(4)] for index in range(6)}
        adopted += not judged(trials_of(SPACE, planted)).kept
    assert adopted <= 20, "at most 5 % of 200, and what chance adds to that"


def test_the_best_mean_need_not_be_the_one_that_is_proven() -> None:
    planted = {0: [0.80, 0.81, 0.79], 1: [0.99, 0.99, 0.70], 2: [0.850, 0.861, 0.839]}
    result = judged(trials_of(SPACE, planted))
    assert result.best == NAMES[1]
    assert result.chosen == NAMES[2]
    assert set(result.tied) == {NAMES[1], NAMES[0], NAMES[2]}


def test_one_challenger_is_proven_where_five_together_are_not() -> None:
    lead = [0.80 + gain for gain in (0.015, 0.030, 0.045, 0.030)]
    alone = judged(trials_of(SPACE, {0: [0.80] * 4, 1: lead}))
    assert alone.chosen == NAMES[1]
    others = {index: [0.79, 0.80, 0.81, 0.80] for index in range(2, 6)}
    together = judged(trials_of(SPACE, {0: [0.80] * 4, 1: lead, **others}))
    assert together.best == NAMES[1]
    assert together.kept
    against = together.standing(NAMES[1]).to_incumbent
    assert against is not None
    assert against.confidence == pytest.approx(0.99)


def test_of_equal_means_the_one_with_fewer_macs_is_the_best_then_the_first_by_coefficients() -> (
    None
):
    planted = {index: [0.8, 0.9] for index in range(6)}
    records = trials_of(SPACE, planted)
    cheapest = min(SPACE.candidates, key=lambda one: one.variant.cost.macs)
    assert judged(records).best == cheapest.identity
    same = [replace(trial, macs=1) for trial in records]
    assert judged(same).best == NAMES[1], "alpha 1.0 comes before 1.2"
    assert judged(records).kept
    assert set(judged(records).tied) == set(NAMES)
    assert all(one.seeds_needed is None for one in judged(records).standings)


def test_one_seed_has_no_interval_and_keeps_the_published() -> None:
    result = judged(trials_of(SPACE, {0: [0.5], 1: [0.9]}))
    assert result.best == NAMES[1]
    assert result.kept
    assert set(result.tied) == {NAMES[0], NAMES[1]}
    assert result.standing(NAMES[0]).sd is None
    assert result.standing(NAMES[0]).seeds_needed is None


def test_a_difference_that_never_varies_proves_nothing() -> None:
    result = judged(trials_of(SPACE, {0: [0.5, 0.6], 1: [0.7, 0.8]}))
    assert result.kept
    assert set(result.tied) == {NAMES[0], NAMES[1]}
    assert result.standing(NAMES[0]).seeds_needed is None


def test_pruned_failed_and_missing_trials_stay_out_of_the_comparison() -> None:
    finished = [trial for trial in trials_of(SPACE, {**CLEAR, 3: [0.99, 0.99]})]
    records = [
        *finished,
        trial_of(SPACE.candidates[4], 0, [0.99]),
        ended_early(SPACE.candidates[4], 1, "pruned", "behind"),
        ended_early(SPACE.candidates[4], 2, "pruned", "behind"),
        ended_early(SPACE.candidates[5], 0, "failed", "no memory"),
    ]
    result = judged(records)
    assert [one.candidate for one in result.standings] == [NAMES[1], NAMES[0], NAMES[2]]
    assert {one.candidate: one.reason for one in result.apart} == {
        NAMES[3]: "seed 2 did not run",
        NAMES[4]: "seed 1 pruned, seed 2 pruned",
        NAMES[5]: "seed 0 failed, seed 1 did not run, seed 2 did not run",
    }


def test_only_seeds_that_the_incumbent_finished_count() -> None:
    records = [
        *(trial for trial in trials_of(SPACE, CLEAR) if trial.candidate != INCUMBENT),
        trial_of(SPACE.incumbent, 0, [0.8]),
        ended_early(SPACE.incumbent, 1, "failed", "no memory"),
        trial_of(SPACE.incumbent, 2, [0.79]),
    ]
    result = judged(records)
    assert result.seeds == (0, 2)
    assert len(result.standing(NAMES[1]).scores) == 2


def test_a_trial_that_failed_and_then_finished_counts_once() -> None:
    early = replace(ended_early(SPACE.candidates[1], 0, "failed", "killed"), number=99)
    assert judged([*trials_of(SPACE, CLEAR), early]) == judged(trials_of(SPACE, CLEAR))


def test_a_trial_counted_twice_is_refused() -> None:
    records = trials_of(SPACE, CLEAR)
    with pytest.raises(SearchError, match=f"trial {NAMES[0]}-s0 stands there twice"):
        judged([*records, records[0]])


def test_without_a_finished_incumbent_there_is_no_verdict() -> None:
    with pytest.raises(SearchError, match="no trial of the published coefficients has finished"):
        judged(trials_of(SPACE, {1: [0.9]}))


def test_seeds_needed_separate_from_the_best() -> None:
    planted = {0: [0.80, 0.82, 0.78], 1: [0.81, 0.81, 0.81]}  # half a standard deviation
    standing = judged(trials_of(SPACE, planted)).standing(NAMES[0])
    assert standing.to_best is not None
    assert standing.to_best.gain == pytest.approx(-0.01)
    assert standing.seeds_needed == 34


def test_candidates_are_compared_with_the_trained_baseline_on_common_seeds() -> None:
    result = verdict(
        trials_of(SPACE, CLEAR),
        scoring=Scoring(),
        incumbent=INCUMBENT,
        baseline=baseline_trials(0.6, 0.62),
    )
    against = result.standing(NAMES[0]).to_baseline
    assert against is not None
    assert against.n == 2
    assert against.gain == pytest.approx(0.195)
    assert judged(trials_of(SPACE, CLEAR)).standing(NAMES[0]).to_baseline is None


def test_the_validation_set_has_noise_of_its_own() -> None:
    result = verdict(
        trials_of(SPACE, CLEAR), scoring=Scoring(), incumbent=INCUMBENT, validation_images=900
    )
    assert result.image_interval == wilson(result.standings[0].mean, 900)
    assert result.learned
    assert judged(trials_of(SPACE, CLEAR)).image_interval is None


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81 / 263, 263, 0.2553, 0.3662),
        (15 / 148, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1 / 29, 29, 0.0061, 0.1718),
        (1, 20, 0.8389, 1.0),
    ],
)
def test_the_interval_of_a_share_is_the_printed_one(
    share: float, n: int, low: float, high: float
) -> None:
    assert wilson(share, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("scoring", [Scoring(), Scoring("error")])
def test_a_training_that_only_guesses_is_noticed(scoring: Scoring) -> None:
    def learned(accuracy: float) -> bool:
        scores = {index: [scoring.value(accuracy)] * 2 for index in range(3)}
        records = trials_of(SPACE, scores)
        return verdict(records, scoring=scoring, incumbent=INCUMBENT, validation_images=400).learned

    assert not learned(0.10)  # of ten classes
    assert not learned(0.02)
    assert not learned(0.12)
    assert learned(0.14)


def test_pruned_challengers_count_among_those_that_took_their_chance() -> None:
    lead = [0.80 + gain for gain in (0.015, 0.030, 0.045, 0.030)]
    finished = trials_of(SPACE, {0: [0.80] * 4, 1: lead})
    assert judged(finished).chosen == NAMES[1]
    pruned = [ended_early(one, 0, "pruned", "behind") for one in SPACE.candidates[2:6]]
    result = judged([*finished, *pruned])
    assert result.kept
    assert result.challengers == 5
    against = result.standing(NAMES[1]).to_incumbent
    assert against is not None
    assert against.confidence == pytest.approx(0.99)


def test_a_verdict_is_plain_json() -> None:
    record = json.loads(json.dumps(judged(trials_of(SPACE, CLEAR)).to_dict(), allow_nan=False))
    assert record["chosen"] == NAMES[1]
    assert record["kept"] is False
    assert record["standings"][0]["coefficients"]["alpha"] == 1.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 100), min_size=3, max_size=3), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_records_does_not_matter(
    hundredths: list[list[int]], chance: random.Random
) -> None:
    planted = {index: [one / 100 for one in own] for index, own in enumerate(hundredths)}
    records = list(trials_of(SPACE, planted))
    expected = judged(records)
    chance.shuffle(records)
    assert judged(records) == expected
    assert expected.best in expected.tied
