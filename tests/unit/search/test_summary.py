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
    assert "Best mean accuracy: 1/1.4/1 with 90.00 ± 1.20 % (3 seeds)." in said
    assert "Nothing is tied with it: the other 2 are worse at 95 %." in said
    assert "Adopted: 1/1.4/1. It beats the published 1.2/1.1/1.15 by +10.00 [" in said
    assert "(95 % for 2 challengers together)" in said


def test_ties_are_named_with_the_seeds_that_would_separate_them() -> None:
    said = words({0: [0.80, 0.82, 0.78], 1: [0.81, 0.81, 0.81]})
    assert "Statistically tied with it, 1 of 1: 1.2/1.1/1.15;" in said
    assert "separate them from the best (80 % power): 1.2/1.1/1.15 32." in said
    assert "Kept: the published 1.2/1.1/1.15. No candidate beats them" in said
    assert "the best mean gains +1.00 [-3.97, +5.97] points." in said


def test_one_seed_is_said_to_show_nothing() -> None:
    said = words({0: [0.5], 1: [0.9]})
    assert "One seed shows no spread, so nothing separates the candidates" in said
    assert "Kept: the published 1.2/1.1/1.15." in said


def test_the_noise_of_the_validation_images_is_told() -> None:
    assert "set of 900 validation images" in words(CLEAR, images=900)
    assert "± 1.00 points (one binomial standard deviation)" in words(CLEAR, images=900)
    assert "validation images" not in words(CLEAR)


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
    ("needed", "text"), [(None, "-"), (2, "2"), (1000, "1,000"), (10**9, "> 1,000")]
)
def test_seeds_beyond_reason_are_not_spelled_out(needed: int | None, text: str) -> None:
    assert seeds_text(needed) == text
