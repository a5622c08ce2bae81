"""The verdict in words."""

from collections.abc import Mapping, Sequence

import pytest

from edgescale.search.score import Scoring
from edgescale.search.summary import seeds_text, summary_lines
from edgescale.search.verdict import verdict
from tests.search_records import baseline_trials, ended_early, small_space, trials_of

SPACE = small_space()
CLEAR = {0: [0.80, 0.81, 0.79], 1: [0.90, 0.912, 0.888], 2: [0.70, 0.713, 0.691]}


def words(planted: Mapping[int, Sequence[float]], images: int | None = None) -> str:
    result = verdict(
        trials_of(SPACE, planted),
        scoring=Scoring(),
        incumbent=SPACE.incumbent.identity,
        validation_images=images,
    )
    return "\n".join(summary_lines(result))


def test_a_proven_challenger_is_said_to_be_adopted() -> None:
    said = words(CLEAR)
    assert "Best mean accuracy: 1/1.4/1 with 90.00 ± 1.20 %" in said
    assert "(± is the standard deviation over 3 seeds)" in said
    assert "Worse than the best, each pair by itself at 95 %: 2 of 2." in said
    assert "tied" not in said
    assert "Adopted: 1/1.4/1. It beats the published 1.2/1.1/1.15 by +10.00 [" in said
    assert "(95 % for 2 challengers together)" in said


def test_ties_are_named_with_the_seeds_that_would_separate_them() -> None:
    said = words({0: [0.80, 0.82, 0.78], 1: [0.81, 0.81, 0.81]})
    assert "Statistically tied with it, 1 of 1: 1.2/1.1/1.15;" in said
    assert "separate them from the best (80 % power, if" in said
    assert "is as measured): 1.2/1.1/1.15 34." in said
    assert "Kept: the published 1.2/1.1/1.15. No candidate is proven to beat them" in said
    assert "the best mean gains +1.00 [-3.97, +5.97] points (95 %)." in said


def test_one_seed_is_said_to_show_nothing() -> None:
    said = words({0: [0.5], 1: [0.9]})
    assert "One seed shows no spread, so nothing separates the candidates" in said
    assert "Kept: the published 1.2/1.1/1.15." in said


def test_the_noise_of_the_validation_images_is_told() -> None:
    assert "set of 900 validation images" in words(CLEAR, images=900)
    assert "the best accuracy is from 87.87 to 91.79 % (95 %, Wilson)" in words(CLEAR, images=900)
    assert "closer than about 2.0 points could change places" in words(CLEAR, images=900)
    assert "could change places" not in words(CLEAR, images=2_000)
    assert "validation images" not in words(CLEAR)


def test_a_perfect_score_is_not_called_certain() -> None:
    said = words({0: [1.0, 1.0], 1: [1.0, 1.0]}, images=100)
    assert "the best accuracy is from 96.30 to 100.00 %" in said


def test_a_gap_that_never_varies_has_no_interval() -> None:
    said = words({0: [0.5, 0.6], 1: [0.7, 0.8], 2: [0.7, 0.81]})
    assert "At the same distance from it on every seed: " not in said
    said = words({0: [0.5, 0.6], 1: [0.7, 0.8]})
    assert "At the same distance from it on every seed: 1.2/1.1/1.15; without any spread" in said
    assert "include 0" not in said
    assert "the best mean gains +20.00 points (without an interval)." in said
    assert "Seeds that would separate" not in said


def test_published_that_are_best_are_simply_kept() -> None:
    said = words({0: [0.90, 0.912, 0.888], 1: [0.80, 0.81, 0.79]})
    assert "Kept: the published 1.2/1.1/1.15, which also have the best mean." in said


def test_a_pair_that_is_separated_only_by_itself_is_explained() -> None:
    lead = [0.80 + gain for gain in (0.015, 0.030, 0.045, 0.030)]
    others = {index: [0.79, 0.80, 0.81, 0.80] for index in range(2, 6)}
    said = words({0: [0.80] * 4, 1: lead, **others})
    assert "Kept: the published 1.2/1.1/1.15. No candidate is proven to beat them" in said
    assert "As a pair alone the two are separated, but the best of 5 challengers was" in said


@pytest.mark.parametrize(
    ("pruned", "told"),
    [
        (3, "Nothing was compared: none of the 3 challengers finished on every seed"),
        (0, "Nothing was compared: no candidate was tried beside the published 1.2/1.1/1.15"),
    ],
)
def test_without_any_challenger_nothing_was_compared(pruned: int, told: str) -> None:
    early = [ended_early(one, 0, "pruned", "behind") for one in SPACE.candidates[1 : 1 + pruned]]
    records = [*trials_of(SPACE, {0: [0.8, 0.9]}), *early]
    result = verdict(records, scoring=Scoring(), incumbent=SPACE.incumbent.identity)
    said = "\n".join(summary_lines(result))
    assert told in said
    assert "Kept: the published 1.2/1.1/1.15, for want of a comparison." in said
    assert "challengers together" not in said
    assert "tied" not in said


def test_a_training_that_only_guesses_is_said_first() -> None:
    lines = words({0: [0.10, 0.11], 1: [0.09, 0.12]}, images=400).splitlines()
    assert lines[0].startswith("The training learned nothing measurable")
    assert "Change the training" in lines[0]
    assert "learned nothing" not in words(CLEAR, images=400)


def test_the_baseline_and_what_is_not_compared_are_told() -> None:
    pruned = ended_early(SPACE.candidates[4], 0, "pruned", "behind")
    result = verdict(
        [*trials_of(SPACE, CLEAR), pruned],
        scoring=Scoring(),
        incumbent=SPACE.incumbent.identity,
        baseline=baseline_trials(0.60, 0.61, 0.62),
    )
    said = "\n".join(summary_lines(result))
    assert "the chosen one gains +29.00 [" in said
    assert "(3 seeds, 95 %): better." in said
    assert "Not compared: 1.7/1/1.1 (seed 0 pruned, seed 1 did not run, seed 2 did not run)" in said


@pytest.mark.parametrize(
    ("needed", "text"), [(None, "-"), (2, "2"), (1000, "1,000"), (10_001, "more than 10,000")]
)
def test_seeds_beyond_reason_are_not_spelled_out(needed: int | None, text: str) -> None:
    assert seeds_text(needed) == text
