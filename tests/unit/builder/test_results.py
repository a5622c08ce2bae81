"""Results of stages: complete or absent, and seen when damaged."""

from pathlib import Path

import pytest

from edgescale.builder.results import finishing, is_finished, remove_unfinished, stage_folder
from edgescale.errors import BuildError


def finished(folder: Path, key: str = "k", content: bytes = b"result") -> None:
    with finishing(folder, key) as unfinished:
        (unfinished / "file").write_bytes(content)


def test_a_result_counts_for_its_key_only(tmp_path: Path) -> None:
    folder = stage_folder(tmp_path, "phi0", "train")
    assert not is_finished(folder, "k")
    finished(folder)
    assert is_finished(folder, "k")
    assert not is_finished(folder, "other")
    finished(folder, "other", b"newer")
    assert is_finished(folder, "other")
    assert (folder / "file").read_bytes() == b"newer"


@pytest.mark.parametrize("damage", ["change", "remove", "record"])
def test_a_damaged_result_does_not_count(damage: str, tmp_path: Path) -> None:
    folder = stage_folder(tmp_path, "phi0", "train")
    finished(folder)
    if damage == "change":
        (folder / "file").write_bytes(b"resulT")
    elif damage == "remove":
        (folder / "file").unlink()
    else:
        (folder / "result.json").write_text('{"key": "k"')
    assert not is_finished(folder, "k")


def test_a_stage_that_fails_leaves_the_old_result(tmp_path: Path) -> None:
    folder = stage_folder(tmp_path, "phi0", "train")
    finished(folder)

    def fail() -> None:
        with finishing(folder, "new") as unfinished:
            (unfinished / "half").write_bytes(b"half")
            raise KeyError("stage")

    with pytest.raises(KeyError):
        fail()
    assert is_finished(folder, "k")
    remove_unfinished(tmp_path)
    assert [path.name for path in folder.parent.iterdir()] == ["train"]


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".build").write_text("a file")
    with pytest.raises(BuildError, match="cannot be written"):
        finished(stage_folder(tmp_path, "phi0", "train"))


def test_part_files_of_killed_writers_are_removed(tmp_path: Path) -> None:
    (tmp_path / "variants" / "phi0").mkdir(parents=True)
    parts = [tmp_path / ".manifest.json.0123abcd.part",
             tmp_path / "variants/phi0/.model-1.tflite.0123abcd.part"]  # fmt: skip
    for part in parts:
        part.write_bytes(b"half")
    (tmp_path / "manifest.json").write_bytes(b"kept")
    remove_unfinished(tmp_path)
    assert not any(part.exists() for part in parts)
    assert (tmp_path / "manifest.json").exists()


def test_part_files_of_others_stay(tmp_path: Path) -> None:
    others = [tmp_path / "family/.movie.mkv.part", tmp_path / "away/.model.tflite.0123abcd.part",
              tmp_path / "family/notes/.page.0123abcd.part"]  # fmt: skip
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    (tmp_path / "family/variants").mkdir()
    (tmp_path / "family/variants/linked").symlink_to(tmp_path / "away")
    remove_unfinished(tmp_path / "family")
    assert all(path.exists() for path in others)
