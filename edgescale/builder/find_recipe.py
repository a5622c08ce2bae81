"""Finds a recipe: a file, a folder that holds one, or the name of a shipped one."""

from pathlib import Path

from edgescale.errors import RecipeError
from edgescale.family.fields import did_you_mean
from edgescale.family.shipped import shipped

RECIPE_FILE = "recipe.toml"


def shipped_recipes() -> dict[str, Path]:
    """Returns the shipped recipes by name."""
    return {path.parent.name: path for path in sorted(shipped("models").glob(f"*/{RECIPE_FILE}"))}


def find_recipe(text: str) -> Path:
    """Returns the file of a recipe that is given as a path, a folder or a shipped name.

    Raises:
        RecipeError: there is no such file, and no recipe of this name is shipped.
    """
    path = Path(text)
    if path.is_dir() and (path / RECIPE_FILE).is_file():
        return path / RECIPE_FILE
    recipes = shipped_recipes()
    if text in recipes and not path.is_file():
        return recipes[text]
    if not path.is_file():
        raise RecipeError(
            f"{text}: no such file, and no shipped recipe of this name{did_you_mean(text, recipes)}"
        )
    return path
