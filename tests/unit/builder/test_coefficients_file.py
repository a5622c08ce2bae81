"""Stored coefficients: written, read back, refused, and carried into the record of a family."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgescale.builder.coefficients_file import (
    StoredCoefficients,
    read_coefficients,
    write_coefficients,
)
from edgescale.builder.recipe_file import read_recipe
from edgescale.cli.scaling_options import rules_of
from edgescale.errors import RecipeError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.variant import SearchedNetwork

STORED = StoredCoefficients(Coefficients(1.3, 1.1, 1.1), {"study": "screws", "trials": [1, 2]})
RECIPE = """
name = "tiny"
[baseline]
name = "efficientnet-lite"
[scaling]
coefficients = "coefficients.json"
[variants]
phis = [0, 1]
[data]
folder = "images"
[training]
epochs = 3
"""


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write_coefficients(tmp_path / "coefficients.json", STORED)
    assert read_coefficients(tmp_path / "coefficients.json") == STORED


def test_the_searched_network_is_carried_into_the_rules(tmp_path: Path) -> None:
    searched = SearchedNetwork(1.0, 40, "ab" * 32)
    stored = replace(STORED, searched=searched)
    write_coefficients(tmp_path / "coefficients.json", stored)
    assert read_coefficients(tmp_path / "coefficients.json") == stored
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    recipe = read_recipe(path)
    assert recipe.rules.searched == searched
    assert recipe.resolved()["scaling"]["searched"]["resolution"] == 40
    rules = rules_of(coefficients_file=tmp_path / "coefficients.json", equation=None, alpha=None,
                     beta=None, gamma=None)  # fmt: skip
    assert rules.searched == searched
    write_coefficients(tmp_path / "coefficients.json", STORED)
    assert "searched" not in json.loads((tmp_path / "coefficients.json").read_text())
    assert "searched" not in read_recipe(path).resolved()["scaling"]


def test_a_recipe_takes_them_and_says_where_they_come_from(tmp_path: Path) -> None:
    write_coefficients(tmp_path / "coefficients.json", STORED)
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    recipe = read_recipe(path)
    assert recipe.rules.coefficients == STORED.coefficients
    scaling = recipe.resolved()["scaling"]
    assert (scaling["alpha"], scaling["provenance"]) == (1.3, STORED.provenance)
    path.write_text(RECIPE.replace("[variants]", "alpha = 1.2\n[variants]"))
    with pytest.raises(RecipeError, match="'alpha' stands beside coefficients"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 2}, "schema version 2 is not known"),
        ({"alpha": 0.2}, "needs 1 <= alpha <= 2"),
        ({"equation": "linear"}, "needs 0 <= alpha < 1"),
        ({"equation": "power3"}, "did you mean 'power'"),
        ({"alhpa": 1.2}, "unknown key 'alhpa', did you mean 'alpha'"),
        ({"beta": "1.1"}, "beta: expected a number"),
        ({"searched": {"phi": 1, "resolution": 40}}, "'architecture_digest' is missing"),
        ({"searched": {"phi": 1, "resolution": 0}}, "resolution: expected a whole number from 1"),
        ({"searched": [1]}, "searched: expected a table"),
        ({"provenance": []}, "provenance: expected a table"),
        ({"provenance": {"text": "x" * 70_000}}, "larger than 64 KiB"),
    ],
)
def test_refuses_in_one_sentence(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "coefficients.json"
    write_coefficients(path, STORED)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RecipeError) as problem:
        read_coefficients(path)
    assert said in str(problem.value)
    assert "coefficients.json" in str(problem.value)


def test_a_file_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "coefficients.json"
    with pytest.raises(RecipeError, match="cannot be read"):
        read_coefficients(path)
    path.write_text("[")
    with pytest.raises(RecipeError, match="not valid JSON"):
        read_coefficients(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_coefficients(path)


def test_a_key_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "coefficients.json"
    write_coefficients(path, STORED)
    path.write_text(path.read_text().replace('"beta"', '"alpha": 1.2, "beta"'))
    with pytest.raises(RecipeError, match="the key 'alpha' stands there twice"):
        read_coefficients(path)
