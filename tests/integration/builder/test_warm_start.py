"""From a trained network on: the same one starts where its training ended; and its file's limit."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgescale.builder.network import set_weights, training_model
from edgescale.builder.plan import make_plan
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.builder.score import top1
from edgescale.builder.stages import STAGES, Work
from edgescale.builder.toml_file import parse_toml
from edgescale.builder.weights import load_weights
from edgescale.errors import BuildError

pytestmark = pytest.mark.tensorflow

RECIPE = """
name = "colours"
[baseline]
stem_filters = 8
blocks = ["r1_k3_s11_e4_i8_o8_c1_noskip", "r2_k3_s22_e4_i8_o12"]
head_filters = 16
depth_divisor = 4
resolution = 16
[variants]
max_file_bytes = 30_000
[data]
folder = "images"
validation_fraction = 0.5
[training]
epochs = 12
learning_rate = 1e-2
batch_size = 16
[quantisation]
images = 8
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import cv2

    home = tmp_path_factory.mktemp("recipe")
    random = np.random.RandomState(0)
    for channel, name in enumerate(("blue", "green", "red")):
        (home / "images" / name).mkdir(parents=True)
        for index in range(40):
            picture = random.randint(0, 140, (20, 24, 3))
            picture[..., channel] += 5
            cv2.imwrite(str(home / "images" / name / f"{index}.png"), picture.astype(np.uint8))
    (home / "recipe.toml").write_text(RECIPE)
    return home / "recipe.toml"


def work(recipe: Path, family: Path, weights: dict[str, str]) -> Work:
    plan = make_plan(recipe_from_table({**parse_toml(recipe), "weights": weights}, recipe))
    return Work(family, plan, plan.variants[0], lambda done, loss: None)


def run(work: Work, stage: str) -> Path:
    folder = work.result(stage)
    folder.mkdir(parents=True)
    STAGES[stage](work, folder)
    return folder


def validation_score(work: Work, weights: Path) -> float | None:
    """Returns the score of the model that is trained, before its first step."""
    assert work.data is not None
    model = training_model(work.architecture, dropout=0.1, drop_connect=0, momentum=0.9, seed=0)
    set_weights(model, work.architecture, load_weights(weights))
    return top1(model, work.data.validation(), work.planned.preparation)


@pytest.fixture(scope="module")
def trained(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Work:
    made = work(recipe, tmp_path_factory.mktemp("trained"), {"from": "scratch"})
    for stage in ("weights", "train"):
        run(made, stage)
    return made


def test_a_warm_start_has_the_score_its_training_ended_with(
    recipe: Path, trained: Work, tmp_path: Path
) -> None:
    weights = trained.result("train") / "weights.npz"
    warm = work(recipe, tmp_path, {"from": "file", "file": str(weights)})
    assert warm.architecture.digest == trained.architecture.digest
    ended = json.loads((trained.result("train") / "training.json").read_text())["validation_top1"]
    start = validation_score(warm, run(warm, "weights") / "weights.npz")
    assert 0.4 < ended < 1  # neither chance nor certainty, which a fault could give too
    assert start == pytest.approx(ended, abs=1e-6)
    assert validation_score(trained, trained.result("weights") / "weights.npz") != ended


def test_the_written_file_is_held_against_its_limit(trained: Work, tmp_path: Path) -> None:
    assert "% of max_file_bytes" in STAGES["quantise"](trained, tmp_path)
    size_bytes = (tmp_path / "model.tflite").stat().st_size
    tight = replace(trained, planned=replace(trained.planned, max_file_bytes=size_bytes - 1))
    with pytest.raises(BuildError, match=f"its file has {size_bytes:,} bytes, 1 more than"):
        STAGES["quantise"](tight, tmp_path)
