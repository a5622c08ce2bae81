import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.errors import ArtifactError, ManifestError
from edgescale.family.store import (
    inside,
    load_family,
    read_json,
    replacing,
    save_manifest,
    write_json,
)
from tests.tiny_models import tiny_family, tiny_record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_family(tmp_path / "family")
    return tmp_path / "family"


def with_model_path(folder: Path, path: str) -> None:
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text())
    content["variants"][0]["model"]["path"] = path
    manifest.write_text(json.dumps(content))


def test_loads_what_was_saved_and_finds_variants(folder: Path) -> None:
    family = load_family(folder)
    assert load_family(folder / "manifest.json") == family
    assert family.variant("tiny").name == "tiny"
    with pytest.raises(ManifestError, match="no variant 'tinny', did you mean 'tiny'"):
        family.variant("tinny")


def test_equal_manifests_are_equal_bytes(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    save_manifest(folder, load_family(folder).manifest)
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    "path",
    ["../outside.tflite", "/etc/passwd", "models/../../outside.tflite", "C:\\x", "a\\b", "C:/x",
     "models/\0", ""],
)  # fmt: skip
def test_a_path_that_leaves_the_family_is_refused(folder: Path, path: str) -> None:
    (folder.parent / "outside.tflite").write_bytes(b"x")
    with_model_path(folder, path)
    for verify in (True, False):
        with pytest.raises(ManifestError, match="leaves the family"):
            load_family(folder, verify=verify)


@pytest.mark.parametrize("place", ["models/tiny.tflite", "models"])
def test_a_link_that_leads_out_is_refused(folder: Path, place: str) -> None:
    outside = folder.parent / "outside"
    (folder / place).rename(outside)
    (folder / place).symlink_to(outside)
    with pytest.raises(ManifestError, match="a link that leaves the family"):
        load_family(folder)


def test_a_link_inside_the_family_is_allowed(folder: Path) -> None:
    (folder / "models" / "tiny.tflite").rename(folder / "models" / "real")
    (folder / "models" / "tiny.tflite").symlink_to("real")
    assert load_family(folder).manifest.name == "colours"


def test_the_family_itself_may_be_a_link(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)
    assert load_family(folder.parent / "link").variant("tiny")


def test_a_link_in_a_circle_is_refused(folder: Path) -> None:
    (folder / "models" / "tiny.tflite").unlink()
    (folder / "models" / "tiny.tflite").symlink_to("tiny.tflite")
    with pytest.raises(ManifestError, match="cannot be followed"):
        load_family(folder)


def test_a_name_longer_than_the_system_allows_is_refused(folder: Path) -> None:
    with_model_path(folder, "m" * 400)
    with pytest.raises(ManifestError, match="cannot be followed"):
        load_family(folder)


def test_a_changed_shortened_or_missing_file_is_refused(folder: Path) -> None:
    model = folder / "models" / "tiny.tflite"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + b"?")
    with pytest.raises(ArtifactError, match="sha256 is not the one"):
        load_family(folder)
    model.write_bytes(content[:-1])
    with pytest.raises(ArtifactError, match=f"{len(content) - 1} bytes, but the manifest says"):
        load_family(folder)
    model.unlink()
    with pytest.raises(ArtifactError, match="it is missing"):
        load_family(folder)
    model.mkdir()
    with pytest.raises(ArtifactError, match="it is missing"):
        load_family(folder)


def test_every_file_of_the_manifest_is_checked(tmp_path: Path) -> None:
    record = tiny_record(tmp_path, "tiny", twin=True)
    tiny_family(tmp_path, record)
    (tmp_path / "models" / "tiny_edgetpu.tflite").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="tiny_edgetpu"):
        load_family(tmp_path)


def test_a_folder_without_a_manifest_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no manifest\.json here.*edgescale build"):
        load_family(tmp_path)


def test_every_truncation_of_a_manifest_is_refused(folder: Path) -> None:
    manifest = folder / "manifest.json"
    whole = manifest.read_bytes()
    for length in range(0, len(whole) - 2, 37):
        manifest.write_bytes(whole[:length])
        with pytest.raises(ManifestError, match="not valid JSON"):
            load_family(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("NaN", "not valid JSON", id="NaN"),
        pytest.param('{"a": Infinity}', "not valid JSON", id="infinity"),
        pytest.param("[" * 200_000, "not valid JSON", id="endless nesting"),
        pytest.param('{"a": 1e999}', "1e999 is too large", id="beyond float"),
        pytest.param("\xff", "not valid JSON", id="no UTF-8"),
        pytest.param('{"schema_version": 1' + "0" * 5000 + "}", "JSON|from 1", id="long number"),
    ],
)
def test_json_that_is_none_is_refused(folder: Path, text: str, said: str) -> None:
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ManifestError, match=said):
        load_family(folder)


def test_a_huge_manifest_is_not_read(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 2**30)
    with pytest.raises(ManifestError, match="larger than"):
        load_family(folder)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"n": 1})
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"n": float("nan")})
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.json") as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert read_json(tmp_path / "a.json", ManifestError) == {"n": 1}


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text("old")
    (tmp_path / "link.json").symlink_to("file.json")
    (tmp_path / "nowhere.json").symlink_to("none.json")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    before = {path.name: path.lstat().st_mode for path in tmp_path.iterdir()}
    for name in ("link.json", "nowhere.json", "pipe.json", "folder.json"):
        with pytest.raises(ArtifactError, match=f"{name}: is there and is no regular file"):
            write_json(tmp_path / name, {})
    assert {path.name: path.lstat().st_mode for path in tmp_path.iterdir()} == before
    assert (tmp_path / "file.json").read_text() == "old"


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_json(tmp_path / "file" / "a.json", {})


def test_inside_joins_plain_paths(tmp_path: Path) -> None:
    assert inside(tmp_path, "models/a.tflite") == tmp_path / "models" / "a.tflite"


def test_labels_survive_as_they_are(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    labels = ("\x1b[31mred", "gr\u00fcn", "<b>blue</b>")
    save_manifest(tmp_path, replace(family.manifest, labels=labels))
    assert load_family(tmp_path).manifest.labels == labels


def test_a_path_of_half_a_character_is_refused(folder: Path) -> None:
    with_model_path(folder, "\ud800")
    with pytest.raises(ManifestError, match="cannot be followed"):
        load_family(folder)


def test_a_place_that_cannot_be_looked_at_is_said_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="File name too long"):
        load_family(tmp_path / ("n" * 300))


def test_a_family_is_found_after_the_caller_changed_its_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    family = load_family("family")
    monkeypatch.chdir("/")
    assert family.verify(family.manifest.variants[0].model) == folder / "models" / "tiny.tflite"


def test_files_are_for_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640
