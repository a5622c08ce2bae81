"""What a build tells: lines and counted steps."""

from itertools import pairwise

import pytest

from edgescale.builder.progress import BuildEvent, Steps
from edgescale.builder.recipe import TrainingRecipe
from edgescale.builder.train import learning_rate


def test_a_finished_stage_is_one_line() -> None:
    event = BuildEvent("phi1", "quantise", "finished", "0.12 MB int8", 4.13, 4, 10)
    assert event.line() == "quantise phi1: 0.12 MB int8, 4.1 s"
    skipped = BuildEvent("phi1", "train", "skipped", "", None, 4, 10)
    assert skipped.line() == "train phi1: is there"


def test_steps_end_at_their_total_whether_epochs_were_seen_or_skipped() -> None:
    steps = Steps(3, {"a": 2, "b": 2})
    assert steps.total == 10
    steps.epoch("a", 2)
    assert steps.done == 2
    for variant in ("a", "b"):
        for stage in ("weights", "train"):
            steps.stage(variant, stage)
    assert steps.done == steps.total


def test_the_rate_rises_over_the_warm_up_and_falls_to_zero() -> None:
    recipe = TrainingRecipe(10, 8, 0.5, 2, 0, 0, 0, 0, 0, False, 0)
    rates = [learning_rate(recipe, step, 20) for step in range(200)]
    assert rates[0] == pytest.approx(0.5 / 40)
    assert rates[39] == pytest.approx(0.5)
    assert rates[40] == pytest.approx(0.5)
    assert all(later <= earlier for earlier, later in pairwise(rates[40:]))
    assert 0 < rates[-1] < 1e-3
    assert rates[120] == pytest.approx(0.25)
