"""Parses the TOML files a person writes: recipes, baselines and the configuration of a live run."""

import stat
import sys
from pathlib import Path
from typing import Any

from edgescale.errors import EdgescaleError

_LARGEST_BYTES = 2**20


def toml_table(path: Path, what: str, error: type[EdgescaleError]) -> dict[str, Any]:
    """Parses a TOML file of bounded size.

    Args:
        path: the file.
        what: what is never larger than 1 MiB, for the message.
        error: the class of the errors raised.

    Raises:
        EdgescaleError: of the class given; it cannot be read or is not TOML.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe might never end
            raise error(f"{path}: is no file; give a TOML file")
        if status.st_size > _LARGEST_BYTES:
            raise error(f"{path}: larger than 1 MiB, which {what} is")
        return _loads(path.read_text("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror}); give a TOML file") from problem
    except (ValueError, RecursionError) as problem:
        raise error(f"{path}: not valid TOML ({problem})") from problem


def _loads(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib.loads(text)
    import tomli

    table: dict[str, Any] = tomli.loads(text)
    return table
