"""The files of a family while a newer build takes their place."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from edgescale.builder.assemble import _published
from edgescale.builder.results import stage_folder
from edgescale.family.store import sha256_of


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
