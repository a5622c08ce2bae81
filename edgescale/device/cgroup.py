"""What the control groups leave of the machine: memory limits and CPU quota, version 1 and 2.

A container's limit is invisible to psutil, and the tightest limit may sit on any ancestor, so all
of them are read. Where each hierarchy is mounted, and which part of it, says ``mountinfo``: inside
a container the group of this process is often the top of the mount. Sources: the kernel's
``cgroup-v1/memory.rst``, ``cgroup-v2.rst`` and ``proc.rst``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgescale.device.kernel_files import is_folder, read_text, whole_number

_NO_LIMIT_BYTES = 2**59  # version 1 writes "no limit" as a number near 2^63
_LONGEST_GROUP = 4096  # a path of the kernel's


@dataclass(frozen=True)
class MemoryLimit:
    """A control group's memory limit, and what is used of it without cache that can be dropped."""

    group: str
    limit_bytes: int
    used_bytes: int


def memory_limits(root: Path) -> tuple[MemoryLimit, ...]:
    """Returns the limit of every control group above this process that has one.

    Of version 1 also the limit of ancestors that a container hides, which ``memory.stat`` tells;
    what other containers use of that one stays unknown. Version 2 hides such limits altogether.

    Args:
        root: where ``proc`` and ``sys`` are; ``/`` outside tests.
    """
    return (*_limits_v1(root), *_limits_v2(root))


def cpu_quota(root: Path) -> float | None:
    """Returns how many cores the tightest quota allows, or None where there is no quota."""
    quotas = []
    for folder in _folders(root, ""):
        quota, _, period = read_text(folder / "cpu.max").partition(" ")
        quotas.append((quota, period))
    for folder in _folders(root, "cpu"):
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota, period = (read_text(folder / name) for name in names)
        quotas.append((quota, period))
    numbers = [(whole_number(quota), whole_number(period)) for quota, period in quotas]
    cores = [quota / period for quota, period in numbers if quota and period]
    return min(cores, default=None)


def _limits_v1(root: Path) -> Iterator[MemoryLimit]:
    tightest_bytes = _NO_LIMIT_BYTES
    folder = None
    for folder in _folders(root, "memory"):
        limit_bytes = whole_number(read_text(folder / "memory.limit_in_bytes"))
        used_bytes = whole_number(read_text(folder / "memory.usage_in_bytes"))
        if limit_bytes is None or limit_bytes >= _NO_LIMIT_BYTES or used_bytes is None:
            continue
        tightest_bytes = min(tightest_bytes, limit_bytes)
        yield _limit(root, folder, limit_bytes, used_bytes)
    if folder is None:
        return
    hidden_bytes = _statistics(folder).get("hierarchical_memory_limit")
    used_bytes = whole_number(read_text(folder / "memory.usage_in_bytes"))
    if hidden_bytes is not None and used_bytes is not None and hidden_bytes < tightest_bytes:
        above = _limit(root, folder, hidden_bytes, used_bytes)
        yield MemoryLimit(f"{above.group} (above it)", above.limit_bytes, above.used_bytes)


def _limits_v2(root: Path) -> Iterator[MemoryLimit]:
    for folder in _folders(root, ""):
        # Above memory.high the kernel stalls a group, above memory.max it kills in it.
        texts = (read_text(folder / name) for name in ("memory.max", "memory.high"))
        limits_bytes = [number for number in map(whole_number, texts) if number is not None]
        used_bytes = whole_number(read_text(folder / "memory.current"))
        if limits_bytes and used_bytes is not None:
            yield _limit(root, folder, min(limits_bytes), used_bytes)


def _limit(root: Path, folder: Path, limit_bytes: int, used_bytes: int) -> MemoryLimit:
    group = f"/{folder.relative_to(root).as_posix()}".encode(errors="replace").decode()
    statistics = _statistics(folder)
    own_bytes = statistics.get("inactive_file", 0)
    droppable_bytes = statistics.get("total_inactive_file", own_bytes)
    return MemoryLimit(group, limit_bytes, max(0, used_bytes - droppable_bytes))


def _statistics(folder: Path) -> dict[str, int]:
    rows = (line.split(" ", 1) for line in read_text(folder / "memory.stat").splitlines())
    numbers = ((row[0], whole_number(row[1])) for row in rows if len(row) > 1)
    return {name: number for name, number in numbers if number is not None}


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yields the folders of this process's control group and its ancestors, innermost first.

    Args:
        root: where ``proc`` and ``sys`` are.
        controller: a version 1 controller, or "" for version 2.
    """
    group = _group(root, controller)
    mounts = [(_below(group, top), place) for top, place in _mounts(root, controller)]
    mounts = [(inside, place) for inside, place in mounts if is_folder(place)]
    seen = ((inside, place) for inside, place in mounts if inside and is_folder(place / inside))
    # A group that no mount shows leaves the top of the first one, which is above this process.
    inside, place = next(seen, (None, mounts[0][1] if mounts else None))
    if place is None:
        return
    for name in (inside, *inside.parents) if inside else (PurePosixPath(),):
        if is_folder(place / name):
            yield place / name


def _below(group: str, top: str) -> PurePosixPath | None:
    """Returns where a group lies below the part of its hierarchy that is mounted, or None."""
    parts, above = (PurePosixPath(text).parts for text in (group, top))
    rest = parts[len(above) :]
    if parts[: len(above)] != above or ".." in rest:
        return None
    return PurePosixPath(*rest)


def _group(root: Path, controller: str) -> str:
    """Returns the path of this process's group; "/" where nothing is said."""
    text = read_text(root / "proc/self/cgroup", errors="surrogateescape")
    for line in text.splitlines():
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(","):
            return group[:_LONGEST_GROUP] or "/"
    return "/"


def _mounts(root: Path, controller: str) -> Iterator[tuple[str, Path]]:
    """Yields which part of a hierarchy is mounted, and where; the usual place if nothing says."""
    text = read_text(root / "proc/self/mountinfo", errors="surrogateescape")
    for line in text.splitlines():
        mount, _, filesystem = line.partition(" - ")
        fields, (kind, _, options) = mount.split(" "), [*filesystem.split(" ", 2), "", "", ""][:3]
        wanted = (
            kind == "cgroup" and controller in options.split(",")
            if controller
            else kind == "cgroup2"
        )
        if wanted and len(fields) > 4:
            yield _unescaped(fields[3]), root / _unescaped(fields[4]).lstrip("/")
    if not text:
        base = root / "sys/fs/cgroup"
        names = (controller, f"{controller},{controller}acct") if controller else ("", "unified")
        yield from (("/", base / name) for name in names)


def _unescaped(field: str) -> str:
    r"""Undoes mountinfo's octal escapes, e.g. ``\040`` for a blank."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
