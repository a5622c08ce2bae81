"""A trial's job: what is refused before anything is trained."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgescale.builder import class_folders
from edgescale.errors import DataError, SearchError
from edgescale.search import training
from edgescale.search.training import (
    Epoch,
    TrialJob,
    TrialOutcome,
    outcome_from_dict,
    train_trial,
    versions,
)
from tests.search_study import small_search


@pytest.fixture
def job(tmp_path: Path) -> TrialJob:
    """A trial on real files: three noisy pictures of two classes."""
    import cv2

    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(5):
            picture = np.full((8, 8, 3), 10 * index, np.uint8)
            cv2.imwrite(str(tmp_path / "images" / name / f"{index}.png"), picture)
    search = small_search()
    made = search.job(search.space.incumbent, 1, tmp_path / "study")
    assert search.recipe.data is not None
    data = replace(search.recipe.data, folder=tmp_path / "images")
    digest = class_folders.ClassFolders.scan(tmp_path / "images", data).digest
    return replace(made, recipe_path=str(tmp_path / "recipe.toml"), data_digest=digest)


def nothing(epoch: Epoch) -> bool:
    raise AssertionError("nothing must be trained")


def test_a_job_travels_as_json(job: TrialJob) -> None:
    assert TrialJob(**json.loads(json.dumps(job.to_dict()))) == job


def test_an_outcome_travels_as_json() -> None:
    outcome = TrialOutcome((0.1, 0.5), (2.0, 1.0), 3.5, 2.5, {"python": "3"}, "here", 1)
    assert outcome_from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome


def test_other_images_than_the_study_began_with_are_refused(job: TrialJob, tmp_path: Path) -> None:
    (tmp_path / "images" / "a" / "0.png").unlink()
    with pytest.raises(SearchError, match=r"images on .* are not those the study began with"):
        train_trial(job, tmp_path, nothing)


def test_another_network_than_the_study_names_is_refused(job: TrialJob, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="makes another network"):
        train_trial(replace(job, resolution=job.resolution + 1), tmp_path, nothing)


def test_missing_images_are_one_sentence(job: TrialJob, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        train_trial(replace(job, data_folder=str(tmp_path / "gone")), tmp_path, nothing)


def test_one_seed_decides_weights_order_and_augmentation(job: TrialJob) -> None:
    search = small_search()
    made = training._training(job, search.recipe, search.data)
    other = training._training(replace(job, seed=2), search.recipe, search.data)
    assert (made.recipe.seed, other.recipe.seed) == (1, 2)
    assert made.recipe.epochs == job.epochs == 3
    assert replace(made.recipe, seed=0) == replace(search.training, seed=0)
    assert not np.array_equal(made.start["stem_conv/kernel"], other.start["stem_conv/kernel"])


def test_versions_name_python_and_what_trains() -> None:
    assert {"edgescale", "python", "numpy"} <= set(versions())
