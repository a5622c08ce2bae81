"""The files of a family while a newer build takes their place."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgescale.builder.assemble import _published, _record, _remove_unnamed
from edgescale.builder.find_recipe import shipped_recipes
from edgescale.builder.plan import Digests, make_plan
from edgescale.builder.recipe_file import read_recipe
from edgescale.builder.results import stage_folder
from edgescale.errors import BuildError
from edgescale.family.store import sha256_of
from tests.planted_faults import faulty_model


def test_files_of_the_manifest_before_stay_until_the_new_one_is_written(tmp_path: Path) -> None:
    planned: Any = SimpleNamespace(name="phi0")
    folder = stage_folder(tmp_path, "phi0", "quantise")
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(b"before")
    before = _published(tmp_path, planned, "quantise", "model.tflite")
    (folder / "model.tflite").write_bytes(b"after")
    after = _published(tmp_path, planned, "quantise", "model.tflite")
    assert before.path != after.path
    assert sha256_of(tmp_path / before.path) == before.sha256
    assert (tmp_path / after.path).read_bytes() == b"after"


def test_a_damaged_copy_is_written_again(tmp_path: Path) -> None:
    planned: Any = SimpleNamespace(name="phi0")
    folder = stage_folder(tmp_path, "phi0", "quantise")
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(b"model")
    copy = tmp_path / _published(tmp_path, planned, "quantise", "model.tflite").path
    copy.write_bytes(b"damaged")
    _published(tmp_path, planned, "quantise", "model.tflite")
    assert copy.read_bytes() == b"model"


OLD = "model-0123456789ab.tflite"
EMPTY: Any = SimpleNamespace(variants=())


def test_a_rebuild_removes_its_own_older_files_and_nothing_else(tmp_path: Path) -> None:
    folder, away = tmp_path / "family/variants/phi0", tmp_path / "away"
    for home in (folder, away):
        home.mkdir(parents=True)
        for name in (OLD, "evaluation-0123456789ab.json", "my_edgetpu.tflite"):
            (home / name).write_bytes(b"content")
    (folder.parent / "linked").symlink_to(away)
    (folder.parent / "mine").mkdir()
    (folder / "architecture-0123456789ab.json").symlink_to(away / OLD)
    _remove_unnamed(tmp_path / "family", EMPTY)
    assert sorted(path.name for path in folder.iterdir()) == [
        "architecture-0123456789ab.json",
        "my_edgetpu.tflite",
    ]
    assert len(list(away.iterdir())) == 3
    assert (folder.parent / "mine").is_dir()


def test_a_variants_folder_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "away/phi0").mkdir(parents=True)
    (tmp_path / "away/phi0" / OLD).write_bytes(b"content")
    (tmp_path / "variants").symlink_to(tmp_path / "away")
    _remove_unnamed(tmp_path, EMPTY)
    assert (tmp_path / "away/phi0" / OLD).exists()


def test_what_cannot_be_removed_does_not_stop_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"model-00000000000{digit}.tflite" for digit in range(3)]
    for name in names:
        path = tmp_path / "variants/phi0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    unlink = Path.unlink

    def refuse_one(path: Path) -> None:
        if path.name == names[1]:
            raise PermissionError(path)
        unlink(path)

    monkeypatch.setattr(Path, "unlink", refuse_one)
    _remove_unnamed(tmp_path, EMPTY)
    assert [path.name for path in (tmp_path / "variants/phi0").iterdir()] == [names[1]]


def test_a_model_with_other_outputs_than_labels_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(shipped_recipes()["imagenet-lite"])
    plan = make_plan(recipe, Digests(None, "c", None))
    planned = plan.variants[0]
    for stage, name in (("quantise", "model.tflite"), ("network", "architecture.json")):
        path = stage_folder(tmp_path, planned.name, stage) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"content")
    content = SimpleNamespace(outputs=(SimpleNamespace(shape=(1, 1000)),), operators=())
    monkeypatch.setattr("edgescale.builder.assemble.read_model_file", lambda _: content)
    monkeypatch.setattr("edgescale.builder.assemble.check_maps", lambda _: None)
    assert _record(tmp_path, plan, planned).outputs == 1000
    with pytest.raises(BuildError, match="its model has 1000 outputs, but there are 999 labels"):
        _record(tmp_path, replace(plan, labels=plan.labels[1:]), planned)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(faulty_model("per-channel dense"), "per-channel-dense", id="does not map"),
        pytest.param(b"junk" * 9, "not a TFLite model", id="no model"),
    ],
)
def test_a_model_quantised_before_there_was_a_gate_is_refused_by_name(
    content: bytes, said: str, tmp_path: Path
) -> None:
    plan = make_plan(read_recipe(shipped_recipes()["imagenet-lite"]), Digests(None, "c", None))
    planned = plan.variants[0]
    folder = stage_folder(tmp_path, planned.name, "quantise")
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(content)
    with pytest.raises(BuildError, match=rf"^{planned.name}: .*{said}.*; delete {folder}, which"):
        _record(tmp_path, plan, planned)
    assert not (tmp_path / "variants").exists()
