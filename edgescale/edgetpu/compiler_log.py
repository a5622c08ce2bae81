"""The log of a compile: all that the compiler printed, attempt by attempt.

Whoever reads a failure needs the first attempt too: later ones were told other options. The first
line is ours, so that a log is known as one even where the compiler said nothing.
"""

import stat
from collections.abc import Sequence
from pathlib import Path

from edgescale.edgetpu.compiler_run import Attempt
from edgescale.family.store import write_bytes

_OURS = "edgescale compile, attempt "
_THE_COMPILERS = b"Edge TPU Compiler"
_HEAD_BYTES = 4096


def joined(attempts: Sequence[Attempt]) -> str:
    """Returns what all attempts printed, each under a line with its number and options."""
    return "\n\n".join(
        f"{_OURS}{number} of {len(attempts)}, options: {' '.join(one.words) or 'none'}\n"
        f"{one.printed or '(it printed nothing)'}\n"
        f"--- {'done' if one.trouble is None else one.trouble.text}"
        for number, one in enumerate(attempts, 1)
    )


def write_log(path: Path, printed: str) -> None:
    """Writes a log atomically.

    Raises:
        ArtifactError: it cannot be written.
    """
    write_bytes(path, f"{printed}\n".encode("utf-8", "replace"))


def is_log(path: Path) -> bool:
    """Says whether a file is a log of edgescale or of the compiler itself: those are replaced."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return head.startswith(_OURS.encode()) or _THE_COMPILERS in head
