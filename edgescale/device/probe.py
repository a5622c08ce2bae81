"""What this machine is and how busy it is, read from the kernel.

Every figure in a profile stands beside these facts. Whatever a machine does not tell is None;
nothing is guessed and nothing missing is an error.
"""

import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgescale.device.cgroup import MemoryLimit, cpu_quota, memory_limits, read_text
from edgescale.device.edge_tpus import EdgeTpu, find_edge_tpus

ROOT = Path("/")


@dataclass(frozen=True)
class Memory:
    """RAM of the whole machine, before any control group takes its share."""

    total_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class Machine:
    """The facts of one machine; None is "it does not say"."""

    host: str
    system: str
    architecture: str
    board: str | None
    cpu_model: str | None
    cores: int
    usable_cores: int
    cpu_quota_cores: float | None
    governor: str | None
    memory_total_bytes: int
    memory_available_bytes: int
    memory_limits: tuple[MemoryLimit, ...]
    edge_tpus: tuple[EdgeTpu, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain dicts and lists, ready for JSON."""
        return asdict(self)

    def fingerprint(self) -> tuple[str, ...]:
        """Returns what makes a measurement of another machine worthless here.

        Neither the host's name nor the free memory: both change while the machine does not.
        """
        quota = "" if self.cpu_quota_cores is None else f"{self.cpu_quota_cores:g}"
        facts = (self.architecture, self.board or "", self.cpu_model or "", str(self.cores))
        return (*facts, str(self.usable_cores), quota)


@dataclass(frozen=True)
class Pressure:
    """How busy the machine is: PSI ``some`` for the CPU (per cent, microseconds) and load."""

    avg10_percent: float | None
    total_us: int | None
    load: float | None


def system_memory() -> Memory:
    """Returns the RAM that the kernel reports."""
    import psutil

    memory = psutil.virtual_memory()
    return Memory(memory.total, memory.available)


def own_rss_bytes() -> int:
    """Returns the resident memory of this process."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def probe(root: Path = ROOT, *, memory: Callable[[], Memory] = system_memory) -> Machine:
    """Reads the facts of this machine.

    Args:
        root: where ``proc`` and ``sys`` are; ``/`` outside tests.
        memory: gives the RAM of the machine.
    """
    ram = memory()
    limits = memory_limits(root)
    left = [limit.limit_bytes - limit.used_bytes for limit in limits]
    uname = platform.uname()
    return Machine(
        host=uname.node,
        system=f"{uname.system} {uname.release}",
        architecture=uname.machine,
        board=read_text(root / "proc/device-tree/model") or None,
        cpu_model=_cpu_model(root),
        cores=os.cpu_count() or 1,
        usable_cores=_usable_cores(),
        cpu_quota_cores=cpu_quota(root),
        governor=read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        memory_total_bytes=ram.total_bytes,
        memory_available_bytes=max(0, min([ram.available_bytes, *left])),
        memory_limits=limits,
        edge_tpus=find_edge_tpus(root),
    )


def pressure(root: Path = ROOT) -> Pressure:
    """Reads how busy the machine is now."""
    some = next(
        (
            line
            for line in read_text(root / "proc/pressure/cpu").splitlines()
            if line.startswith("some ")
        ),
        "",
    )
    values = dict(part.split("=", 1) for part in some.split() if "=" in part)
    total = values.get("total", "")
    load = read_text(root / "proc/loadavg").split(" ", 1)[0]
    return Pressure(
        avg10_percent=_decimal(values.get("avg10", "")),
        total_us=int(total) if total.isdigit() else None,
        load=_decimal(load),
    )


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model(root: Path) -> str | None:
    """Returns the CPU's name; ARM kernels write it under other keys, or only as a part number."""
    values: dict[str, str] = {}
    for line in read_text(root / "proc/cpuinfo").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            values.setdefault(key.strip(), value.strip())
    for key in ("model name", "Model", "Hardware", "Processor", "CPU part"):
        if values.get(key):
            return values[key]
    return None


def _decimal(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
