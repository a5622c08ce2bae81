"""Which processes have a device node open: who keeps an Edge TPU busy.

Two processes on one Edge TPU kill each other, and "Failed to load delegate" does not say who the
other one is. Best effort: only root sees what other users' processes have open.
"""

import os
from pathlib import Path


def pids_with_open(nodes: frozenset[str], root: Path) -> dict[str, tuple[int, ...]]:
    """Returns for each node the processes that have it open, lowest number first.

    Args:
        nodes: device nodes as processes name them, e.g. ``/dev/apex_0``.
        root: where ``proc`` is; ``/`` outside tests.
    """
    found: dict[str, set[int]] = {node: set() for node in nodes}
    for pid in _names(f"{root}/proc"):
        if not (pid.isascii() and pid.isdigit()):
            continue
        folder = f"{root}/proc/{pid}/fd"
        for descriptor in _names(folder):
            try:
                target = os.readlink(f"{folder}/{descriptor}")  # noqa: PTH115 - thousands of them
            except OSError:  # it was closed in the meantime
                continue
            if target in found:
                found[target].add(int(pid))
    return {node: tuple(sorted(pids)) for node, pids in found.items()}


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - as above
    except OSError:
        return []
