"""Finds the shipped recipes: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

from edgescale.errors import RecipeError
from edgescale.family.fields import did_you_mean

RECIPE_FILE = "recipe.toml"
_PACKAGE = Path(__file__).resolve().parents[1]
_WHEEL, _CHECKOUT = _PACKAGE / "_shipped" / "models", _PACKAGE.parent / "models"


def shipped_recipes() -> dict[str, Path]:
    """Returns the shipped recipes by name."""
    home = _WHEEL if _WHEEL.is_dir() else _CHECKOUT
    return {path.parent.name: path for path in sorted(home.glob(f"*/{RECIPE_FILE}"))}


def find_recipe(text: str) -> Path:
    """Returns the file of a recipe that is given as a path, a folder or a shipped name.

    Raises:
        RecipeError: there is no such file, and no recipe of this name is shipped.
    """
    path = Path(text)
    if path.is_dir() and (path / RECIPE_FILE).is_file():
        return path / RECIPE_FILE
    shipped = shipped_recipes()
    if text in shipped and not path.is_file():
        return shipped[text]
    if not path.is_file():
        raise RecipeError(
            f"{text}: no such file, and no shipped recipe of this name{did_you_mean(text, shipped)}"
        )
    return path
