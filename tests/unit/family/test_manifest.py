import json
from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import ManifestError
from edgescale.family.manifest import Accuracy, Artifact, manifest_from_dict
from tests.tiny_models import tiny_family


def record(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(tiny_family(folder).manifest.to_dict()))
    return content


def put(content: dict[str, Any], place: str, value: object) -> None:
    """Sets a value at a dotted place, e.g. ``variants.0.model.path``."""
    *path, last = place.split(".")
    inner: Any = content
    for key in path:
        inner = inner[int(key)] if key.isdigit() else inner[key]
    inner[last] = value


def nested(levels: int) -> list[object]:
    inner: list[object] = []
    for _ in range(levels):
        inner = [inner]
    return inner


def test_is_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    assert manifest_from_dict(record(tmp_path)) == family.manifest


def test_keeps_accuracy(tmp_path: Path) -> None:
    content = record(tmp_path)
    evaluation = Artifact("evaluations/a.json", "0" * 64, 7)
    accuracy = Accuracy(10, "1" * 64, 0.5, 0.75, None, None, evaluation)
    put(content, "variants.0.accuracy", json.loads(json.dumps(accuracy.__dict__ | {
        "evaluation": evaluation.__dict__})))  # fmt: skip
    assert manifest_from_dict(content).variants[0].accuracy == accuracy


def test_a_newer_schema_names_the_edgescale_it_needs(tmp_path: Path) -> None:
    content = record(tmp_path) | {"schema_version": 3, "edgescale_version": "3.1", "new_key": 1}
    with pytest.raises(ManifestError, match=r"schema version 3 is newer.*install edgescale 3\.1"):
        manifest_from_dict(content)


def test_version_1_is_upgraded_and_version_2_must_say_what_was_compiled(tmp_path: Path) -> None:
    content = record(tmp_path)
    del content["variants"][0]["compilation"]
    with pytest.raises(ManifestError, match="'compilation' is missing"):
        manifest_from_dict(content)
    upgraded = manifest_from_dict(content | {"schema_version": 1})
    assert upgraded == tiny_family(tmp_path).manifest
    assert (upgraded.schema_version, upgraded.variants[0].compilation) == (2, None)
    with pytest.raises(ManifestError, match=r"variants: expected a list"):
        manifest_from_dict(content | {"schema_version": 1, "variants": {}})
    with pytest.raises(ManifestError, match="'compilation' came with schema version 2"):
        manifest_from_dict(record(tmp_path) | {"schema_version": 1})


COMPILATION: dict[str, Any] = {
    "key": "0" * 64, "compiler_version": "16.0.384591198", "options": ["-m", "13"],
    "on_chip_memory_used_bytes": 192, "off_chip_streaming_bytes": 64, "ops_on_edgetpu": 2,
    "ops_on_cpu": 0, "min_runtime_version": 14,
}  # fmt: skip


def test_keeps_what_the_compiler_made(tmp_path: Path) -> None:
    content = record(tmp_path)
    put(content, "variants.0.compilation", COMPILATION)
    found = manifest_from_dict(content)
    assert json.loads(json.dumps(found.to_dict())) == content
    assert found.variants[0].compilation is not None
    assert found.variants[0].compilation.options == ("-m", "13")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"key": "x"}, "64 hex digits", id="key"),
        pytest.param({"options": "-m"}, "a list", id="options no list"),
        pytest.param({"options": ["x"] * 101}, "at most 100", id="many options"),
        pytest.param({"ops_on_edgetpu": 0}, "from 1", id="nothing mapped"),
        pytest.param({"off_chip_streaming_bytes": -1}, "whole number", id="negative bytes"),
        pytest.param({"command": "rm"}, "unknown key 'command'", id="a command"),
        pytest.param({"min_runtime_version": None}, "whole number", id="no runtime"),
    ],
)
def test_refuses_an_impossible_compilation(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    content = record(tmp_path)
    put(content, "variants.0.compilation", COMPILATION | change)
    with pytest.raises(ManifestError, match=said):
        manifest_from_dict(content)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        pytest.param("variants", [], "no variants", id="no variants"),
        pytest.param("variants", [{}] * 300, "at most 256", id="too many variants"),
        pytest.param("labels", ["x"] * 100_001, "at most 100000", id="too many labels"),
        pytest.param("labels", ["x" * 1001], "at most 1000 characters", id="a label too long"),
        pytest.param("labels", ["red"], "3 outputs, but there are 1 labels", id="labels unfit"),
        pytest.param("labels", "red", "a list", id="labels no list"),
        pytest.param("name", "../up", "a name of letters", id="a path as name"),
        pytest.param("name", "", "a name of letters", id="an empty name"),
        pytest.param("provenance", "bult", "did you mean 'built'", id="a near miss"),
        pytest.param("schema_version", "1", "a whole number", id="version as text"),
        pytest.param("schema_version", True, "a whole number", id="version as boolean"),
        pytest.param("recipe", [], "a table or null", id="recipe no table"),
        pytest.param("variants.0.macs", -1, "a whole number", id="negative MACs"),
        pytest.param("variants.0.macs", 2**60, "a whole number", id="MACs beyond JSON"),
        pytest.param("variants.0.macs", 1.5, "a whole number", id="half a MAC"),
        pytest.param("variants.0.model.size_bytes", 2**40, "a whole number", id="a huge file"),
        pytest.param("variants.0.model.sha256", "Z" * 64, "64 hex digits", id="no hex"),
        pytest.param("variants.0.model.sha256", "0" * 63, "64 hex digits", id="sha256 short"),
        pytest.param("variants.0.preparation.std", 0, "a number from", id="std of zero"),
        pytest.param("variants.0.preparation.std", float("nan"), "a number", id="std of NaN"),
        pytest.param("variants.0.preparation.height", 10**6, "from 1 to 10000", id="a huge side"),
        pytest.param("variants.0.preparation.dtype", "complex", "not known", id="dtype"),
        pytest.param("variants.0.scores", "sigmoid", "not known", id="scores"),
        pytest.param("variants.0.operators", [{}] * 1001, "at most 1000", id="many operators"),
        pytest.param("variants.0.phii", 1, "unknown key 'phii', did you mean 'phi'", id="typo"),
        pytest.param("variants.0.model", None, "expected a table", id="model null"),
        pytest.param("variants.0.macs_ratio", 10**400, "a number from", id="beyond float"),
        pytest.param("recipe", {"x": nested(900)}, "at most 20 tables", id="deep recipe"),
        pytest.param("recipe", nested(5000), "a table or null", id="deep list"),
        pytest.param("k" * 10**6, 1, r"unknown key 'k+\.\.\.'", id="a huge key"),
        pytest.param("provenance", "b" * 9_000, r"'b+\.\.\.' is not known", id="a huge value"),
    ],
)
def test_refuses_each_wrong_value_and_names_its_place(
    tmp_path: Path, place: str, value: object, said: str
) -> None:
    content = record(tmp_path)
    put(content, place, value)
    with pytest.raises(ManifestError, match=said) as refusal:
        manifest_from_dict(content)
    assert "manifest.json" in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_refuses_a_missing_key(tmp_path: Path) -> None:
    content = record(tmp_path)
    del content["variants"][0]["macs"]
    with pytest.raises(ManifestError, match=r"variants\[0\]: 'macs' is missing"):
        manifest_from_dict(content)


def test_refuses_two_variants_of_one_name(tmp_path: Path) -> None:
    content = record(tmp_path)
    content["variants"] *= 2
    with pytest.raises(ManifestError, match="two variants are named 'tiny'"):
        manifest_from_dict(content)


@pytest.mark.parametrize("content", [None, [], "text", 3, {1: 2}])
def test_refuses_what_is_no_table(content: object) -> None:
    with pytest.raises(ManifestError, match="expected a table"):
        manifest_from_dict(content)
