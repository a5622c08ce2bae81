"""Where the shipped recipes and device files lie: beside the package or, in a wheel, inside it."""

from pathlib import Path

from edgescale.errors import FamilyError

_PACKAGE = Path(__file__).parents[1]


def shipped(kind: str) -> Path:
    """Returns the folder of shipped ``models`` or ``devices``.

    Raises:
        FamilyError: the installation is incomplete.
    """
    for folder in (_PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind):
        if folder.is_dir():
            return folder
    raise FamilyError(f"the shipped {kind} are missing from this installation; install edgescale"
                      " again")  # fmt: skip
