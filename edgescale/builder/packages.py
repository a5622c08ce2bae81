"""Finds files inside installed packages without importing them.

The demo's images and weights travel in packages of the ``demo`` extra; importing those would pull
in torch, pandas and scikit-learn for one file.
"""

from importlib.util import find_spec
from pathlib import Path

from edgescale.errors import BuildError

INSTALL_DEMO = "pip install 'edgescale[demo]'"


def package_file(package: str, relative: str, error: type[BuildError]) -> Path:
    """Returns the path of a file of an installed package.

    Args:
        package: import name, e.g. ``skimage``.
        relative: path inside the package.
        error: class of the error raised when package or file is missing.
    """
    spec = find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    if not folders:
        raise error(f"the package '{package}' is not installed; install it with: {INSTALL_DEMO}")
    path = Path(folders[0]) / relative
    if not path.is_file():
        raise error(
            f"the installed package '{package}' does not hold {relative}; install the"
            f" version edgescale knows with: {INSTALL_DEMO}"
        )
    return path
