"""Asks what lies at a path, and says so when the system does not let us look.

``Path.is_file`` raises where a folder may not be entered or a name is too long, and ``os.path``
calls that "not there", which would be untrue.
"""

import stat
from pathlib import Path

from edgescale.errors import EdgescaleError


def is_file(path: Path, error: type[EdgescaleError]) -> bool:
    """Says whether a regular file is at the path.

    Raises:
        EdgescaleError: of the class given; the system refuses to look.
    """
    return stat.S_ISREG(_mode(path, error))


def is_dir(path: Path, error: type[EdgescaleError]) -> bool:
    """Says whether a folder is at the path.

    Raises:
        EdgescaleError: of the class given; the system refuses to look.
    """
    return stat.S_ISDIR(_mode(path, error))


def is_free(path: Path, error: type[EdgescaleError]) -> bool:
    """Says whether nothing, or an empty folder, is at the path.

    Raises:
        EdgescaleError: of the class given; the system refuses to look.
    """
    if not is_dir(path, error):
        return _mode(path, error) == 0
    try:
        return not any(path.iterdir())
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from problem


def _mode(path: Path, error: type[EdgescaleError]) -> int:
    """Returns the mode, 0 where nothing is."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as problem:
        raise error(
            f"{path}: cannot be read ({problem.strerror}); check the name and who may read it"
        ) from problem
    except ValueError as problem:  # a NUL, or text that no file name can be
        raise error(f"{path!r}: no file can have this name; give another one") from problem
