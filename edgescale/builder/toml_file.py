"""The TOML files a person writes for the builder: recipes and baselines."""

from pathlib import Path
from typing import Any

from edgescale.errors import RecipeError
from edgescale.family.toml_file import toml_table


def parse_toml(path: Path) -> dict[str, Any]:
    """Parses a TOML file of bounded size.

    Raises:
        RecipeError: it cannot be read or is not TOML.
    """
    return toml_table(path, "no recipe and no baseline", RecipeError)
