"""What the control groups leave of the machine: memory limits and CPU quota, version 1 and 2.

A container's limit is invisible to psutil, and the tightest limit may sit on any ancestor, so all
of them are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_NO_LIMIT_BYTES = 2**60  # version 1 writes "no limit" as a number near 2^63


@dataclass(frozen=True)
class MemoryLimit:
    """A control group's memory limit, and what is used of it without cache that can be dropped."""

    group: str
    limit_bytes: int
    used_bytes: int


def memory_limits(root: Path) -> tuple[MemoryLimit, ...]:
    """Returns the limit of every control group above this process that has one.

    Args:
        root: where ``proc`` and ``sys`` are; ``/`` outside tests.
    """
    return (
        *_limits(root, "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
        *_limits(root, "", "memory.max", "memory.current"),
    )


def cpu_quota(root: Path) -> float | None:
    """Returns how many cores the tightest quota allows, or None where there is no quota."""
    quotas = []
    for folder in _folders(root, ""):
        quota, _, period = read_text(folder / "cpu.max").partition(" ")
        quotas.append((_number(quota), _number(period)))
    for folder in _folders(root, "cpu"):
        quotas.append(
            (
                _number(read_text(folder / "cpu.cfs_quota_us")),
                _number(read_text(folder / "cpu.cfs_period_us")),
            )
        )
    cores = [quota / period for quota, period in quotas if quota and period]
    return min(cores, default=None)


def read_text(path: Path) -> str:
    """Returns a small kernel file without the trailing blanks, or "" where it cannot be read."""
    try:
        return path.read_text("utf-8", errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def _limits(root: Path, controller: str, limit: str, used: str) -> Iterator[MemoryLimit]:
    for folder in _folders(root, controller):
        limit_bytes = _number(read_text(folder / limit))
        used_bytes = _number(read_text(folder / used))
        if limit_bytes is None or limit_bytes >= _NO_LIMIT_BYTES or used_bytes is None:
            continue
        group = f"/{folder.relative_to(root).as_posix()}"
        droppable_bytes = _inactive_file_bytes(folder)
        yield MemoryLimit(group, limit_bytes, max(0, used_bytes - droppable_bytes))


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yields the folders of this process's control group and its ancestors, innermost first.

    Args:
        root: where ``proc`` and ``sys`` are.
        controller: a version 1 controller, or "" for version 2.
    """
    top = _mount(root, controller)
    if top is None:
        return
    group = PurePosixPath(_group(root, controller))
    for name in (group, *group.parents):
        folder = top / name.as_posix().lstrip("/")
        if folder.is_dir():
            yield folder


def _mount(root: Path, controller: str) -> Path | None:
    base = root / "sys/fs/cgroup"
    if controller:
        found = (base / name for name in (controller, f"{controller},{controller}acct"))
        return next((path for path in found if path.is_dir()), None)
    found = (path for path in (base, base / "unified") if (path / "cgroup.procs").exists())
    return next(found, None)


def _group(root: Path, controller: str) -> str:
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(","):
            return "/" if ".." in group else group
    return "/"


def _inactive_file_bytes(folder: Path) -> int:
    values = dict(
        line.split(" ", 1) for line in read_text(folder / "memory.stat").splitlines() if " " in line
    )
    text = values.get("total_inactive_file") or values.get("inactive_file") or "0"
    return _number(text) or 0


def _number(text: str) -> int | None:
    """Returns a non-negative whole number; "max", -1 and junk are None."""
    return int(text) if text.isascii() and text.isdigit() else None
