"""What a search is: refusals before anything is trained, and the order of its trials."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgescale.architecture.baseline import TrainedScore
from edgescale.errors import DataError, RecipeError, SearchError
from edgescale.search.definition import SearchOptions, check_trained, plan_search
from edgescale.search.score import parse_scoring
from tests.search_study import small_search

RECIPE = """
name = "small"
[baseline]
{baseline}
[variants]
phis = [0]
{more}
"""
SMALL = """
stem_filters = 8
blocks = ["r1_k3_s11_e2_i8_o8_c1_noskip", "r2_k3_s22_e4_i8_o16"]
head_filters = 32
depth_divisor = 4
resolution = 24
[scaling]
resolution_step = 1
"""
DATA = '[data]\nfolder = "images"\nvalidation_fraction = 0.3\n'
TRAINING = "[training]\nepochs = 4\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import cv2

    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(5):
            picture = np.full((8, 8, 3), 10 * index, np.uint8)
            cv2.imwrite(str(tmp_path / "images" / name / f"{index}.png"), picture)
    return tmp_path


def planned(folder: Path, more: str = DATA + TRAINING, baseline: str = SMALL, **asked: Any) -> Any:
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(baseline=baseline, more=more))
    options = {"recipe": path, "step": "0.2", "tolerance": "0.2", "baseline": "untrained"}
    return plan_search(SearchOptions(**{**options, **asked}))


def test_a_recipe_with_data_and_training_makes_a_search(folder: Path) -> None:
    search = planned(folder)
    definition = search.definition
    assert (search.classes, search.epochs) == (2, 4)
    assert definition["validation_images"] == 2 * round(5 * 0.3)
    assert definition["baseline_trained"] is None
    assert definition["candidates"][0] == search.space.incumbent.identity
    assert json.loads(json.dumps(definition)) == definition


def test_the_definition_does_not_name_this_machines_folders(folder: Path) -> None:
    assert str(folder) not in json.dumps(planned(folder).definition)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (DATA.replace("0.3", "0.0") + TRAINING, "validation images, of which there are none"),
        (DATA + TRAINING + '[weights]\nfrom = "previous"\n', "trains every candidate from scratch"),
    ],
)
def test_a_recipe_that_cannot_be_searched_is_refused(folder: Path, more: str, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        planned(folder, more)


def test_a_baseline_that_is_only_planned_is_refused(folder: Path) -> None:
    with pytest.raises(RecipeError, match="counted and planned, not built"):
        planned(folder, baseline='name = "efficientnet-b"')


def test_missing_images_are_an_error_of_the_data(folder: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        planned(folder, data_folder=folder / "gone")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"epochs": 1}, "warmup_epochs is 1 of 1 epochs"),
        ({"scoring": parse_scoring("mean:5")}, "looks at the last 5"),
    ],
)
def test_epochs_must_suffice(folder: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(SearchError, match=said):
        planned(folder, **asked)


def test_a_baseline_without_a_score_needs_one_of_three_ways() -> None:
    with pytest.raises(SearchError, match=r"baseline\.trained.*--train-.*--untrained-baseline"):
        check_trained(None, "published", "mine")
    check_trained(TrainedScore(0.9, "accuracy", "mine", "me"), "published", "mine")
    check_trained(None, "trained", "mine")
    check_trained(None, "untrained", "mine")


def test_trials_go_seed_by_seed_and_are_counted() -> None:
    search = small_search(seeds=2, baseline="trained")
    pairs = [(candidate.identity, seed) for candidate, seed in search.pairs(search.chosen)]
    identities = [candidate.identity for candidate in search.chosen]
    assert pairs == [(identity, seed) for seed in (0, 1) for identity in identities]
    assert search.trials == len(pairs) + 2
    assert small_search(strategy="tpe", candidates=2, seeds=3).trials == 6


def test_the_baseline_is_the_candidate_at_phi_0() -> None:
    baseline = small_search().baseline
    assert (baseline.phi, baseline.variant.resolution) == (0.0, 24)


def test_more_candidates_than_there_are_cannot_be_tried() -> None:
    for strategy in ("random", "tpe"):
        with pytest.raises(SearchError, match="900 candidates were asked for, but there can be"):
            _ = small_search(strategy=strategy, candidates=900).trials


def test_a_recipes_own_coefficients_are_said_not_to_be_used(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    planned(folder)
    assert not caplog.messages
    planned(folder, baseline=SMALL + "alpha = 1.3\nbeta = 1.1\ngamma = 1.1\n")
    assert "own alpha, beta and gamma 1.3/1.1/1.1 are not used" in caplog.messages[0]
