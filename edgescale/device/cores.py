"""Which processor cores this process may use, and which governors set their clocks.

A board's cores are not all alike and a process may be kept to some of them, so what is said of the
clock must be said of exactly these.
"""

import os
import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from edgescale.device.kernel_files import label, read_text

_CORES = "sys/devices/system/cpu"
_MOST_CORES = 8192  # the kernel's own upper limit
_RANGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")


def online_cores(root: Path) -> frozenset[int]:
    """Returns the numbers of the cores that run; what Python counts where the kernel is silent."""
    listed = _listed(read_text(root / _CORES / "online"))
    return listed or frozenset(range(os.cpu_count() or 1))


def usable_cores(root: Path) -> frozenset[int]:
    """Returns the numbers of the cores that this process may run on.

    Args:
        root: where ``proc`` and ``sys`` are. For ``/`` the system call answers, below another root
            ``proc/self/status``, and where that is silent all online cores.
    """
    online = online_cores(root)
    if root == Path("/"):
        return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else online
    for line in read_text(root / "proc/self/status").splitlines():
        if line.startswith("Cpus_allowed_list:"):
            return _listed(line.partition(":")[2].strip()) & online or online
    return online


def core_file(root: Path, core: int, name: str) -> Path:
    """Returns a file about the clock of one core, e.g. ``scaling_cur_freq``."""
    return root / _CORES / f"cpu{core}" / "cpufreq" / name


def governor(root: Path) -> str | None:
    """Returns the frequency governor of the usable cores; where they differ, which has which.

    For example ``ondemand``, or ``powersave (0-3), performance (4-5)``.
    """
    found: dict[str, list[int]] = {}
    for core in sorted(usable_cores(root)):
        name = label(core_file(root, core, "scaling_governor"))
        if name:
            found.setdefault(name[:50], []).append(core)
    if len(found) < 2:
        return next(iter(found), None)
    return ", ".join(f"{name} ({_ranges(cores)})" for name, cores in found.items())[:300]


def _listed(text: str) -> frozenset[int]:
    """Reads a list of cores such as ``0-3,8``; empty for junk."""
    cores: set[int] = set()
    for part in text.split(",") if text else ():
        match = _RANGE.fullmatch(part)
        if match is None:
            return frozenset()
        first, last = int(match[1]), int(match[2] or match[1])
        cores.update(range(first, min(last + 1, _MOST_CORES)))
    return frozenset(cores)


def _ranges(cores: Iterable[int]) -> str:
    runs = []
    for _, run in groupby(enumerate(sorted(cores)), lambda pair: pair[1] - pair[0]):
        numbers = [core for _, core in run]
        runs.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return ",".join(runs)
