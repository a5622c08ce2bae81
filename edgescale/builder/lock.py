"""Keeps two builds out of one family.

The lock is the kernel's (flock) and ends with its holders: a killed build leaves none behind. The
workers hold it too, so that a new build does not start beside the last breath of killed one's.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgescale.builder.results import BUILD_FOLDER
from edgescale.errors import BuildError, BuildLocked

_PATIENCE_S = 3.0  # in which the workers of a killed build end
_STEP_S = 0.05


@contextmanager
def building(family: Path) -> Iterator[int]:
    """Holds the family's lock for the block; yields the descriptor that workers inherit.

    Raises:
        BuildLocked: another build works on the family.
        BuildError: the folder cannot be written.
    """
    path = family / BUILD_FOLDER / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as problem:
        raise BuildError(
            f"{family}: cannot be written ({problem.strerror}); choose a folder you may write to"
        ) from problem
    try:
        _wait_for(descriptor, family)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, family: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as problem:
            if time.monotonic() > end:
                raise BuildLocked(
                    f"{family}: another build works on this family; wait for it, or"
                    " choose another folder"
                ) from problem
            time.sleep(_STEP_S)
