"""Where recipes are found: a path, a folder, or a shipped name."""

from pathlib import Path

import pytest

from edgescale.builder.find_recipe import find_recipe
from edgescale.errors import RecipeError


def test_a_path_a_folder_and_a_name_are_found(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("")
    assert find_recipe(str(path)) == path
    assert find_recipe(str(tmp_path)) == path
    assert find_recipe("cluttered-digits").parent.name == "cluttered-digits"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'imagenet-lite'"):
        find_recipe("imagenet-light")
