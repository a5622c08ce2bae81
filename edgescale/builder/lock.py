"""Keeps two builds out of one family, and two searches out of one study.

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
from edgescale.errors import BuildError, BuildLocked, EdgescaleError

_PATIENCE_S = 3.0  # in which the workers of a killed build end
_STEP_S = 0.05


@contextmanager
def building(family: Path) -> Iterator[int]:
    """Holds the family's lock for the block; yields the descriptor that workers inherit.

    Raises:
        BuildLocked: another build works on the family.
        BuildError: the folder cannot be written.
    """
    busy = BuildLocked(
        f"{family}: another build works on this family; wait for it, or choose another folder"
    )
    with locked(family / BUILD_FOLDER / "lock", folder=family, busy=busy) as descriptor:
        yield descriptor


@contextmanager
def locked(path: Path, *, folder: Path, busy: EdgescaleError) -> Iterator[int]:
    """Holds the lock of a folder for the block; yields the descriptor that workers inherit.

    Args:
        path: the lock's file, made where it is not there.
        folder: what it locks, for messages.
        busy: raised where another process holds it.

    Raises:
        BuildError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as problem:
        raise BuildError(
            f"{folder}: cannot be written ({problem.strerror}); choose a folder you may write to"
        ) from problem
    try:
        _wait_for(descriptor, busy)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, busy: EdgescaleError) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as problem:
            if time.monotonic() > end:
                raise busy from problem
            time.sleep(_STEP_S)
