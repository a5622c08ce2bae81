"""Parses the TOML files a person writes: recipes and baselines."""

import stat
import sys
from pathlib import Path
from typing import Any

from edgescale.builder.tensorflow_setup import INSTALL_BUILD
from edgescale.errors import RecipeError

_LARGEST_BYTES = 2**20


def parse_toml(path: Path) -> dict[str, Any]:
    """Parses a TOML file of bounded size.

    Raises:
        RecipeError: it cannot be read or is not TOML.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe might never end
            raise RecipeError(f"{path}: is no file; give a TOML file")
        if status.st_size > _LARGEST_BYTES:
            raise RecipeError(f"{path}: larger than 1 MiB, which no recipe and no baseline is")
        return _loads(path.read_text("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as problem:
        raise RecipeError(
            f"{path}: cannot be read ({problem.strerror}); give a TOML file"
        ) from problem
    except (ValueError, RecursionError) as problem:
        raise RecipeError(f"{path}: not valid TOML ({problem})") from problem


def _loads(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib.loads(text)
    try:
        import tomli
    except ImportError as problem:
        raise RecipeError(
            "reading recipes on Python 3.10 needs tomli, which is not installed; install it with:"
            f" {INSTALL_BUILD}"
        ) from problem
    table: dict[str, Any] = tomli.loads(text)
    return table
