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

from edgescale.device.cgroup import MemoryLimit, cpu_quota, memory_limits
from edgescale.device.cores import governor, online_cores, usable_cores
from edgescale.device.edge_tpus import EdgeTpu, MayOpen, find_edge_tpus, may_open
from edgescale.device.kernel_files import LONGEST_LABEL, decimal, label, read_text, whole_number
from edgescale.device.thermal import Temperature, cpu_max_mhz, temperatures

ROOT = Path("/")
_BOARD_FILES = ("proc/device-tree/model", "sys/firmware/devicetree/base/model")
_DMI_FILES = ("sys/class/dmi/id/product_name", "sys/class/dmi/id/board_name")
_DMI_PLACEHOLDERS = ("default string", "none", "not applicable", "not specified", "o.e.m.",
                     "system product name", "to be filled by o.e.m.", "unknown")  # fmt: skip


@dataclass(frozen=True)
class Memory:
    """RAM and swap of the whole machine, before any control group takes its share."""

    total_bytes: int
    available_bytes: int
    swap_total_bytes: int | None = None
    swap_free_bytes: int | None = None


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
    swap_total_bytes: int | None = None
    swap_free_bytes: int | None = None
    cpu_max_mhz: float | None = None
    temperatures: tuple[Temperature, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns plain dicts and lists, ready for JSON."""
        return asdict(self)

    def fingerprint(self) -> tuple[str, ...]:
        """Returns what makes a measurement of another machine worthless here.

        Neither the host's name nor the memory, swap, heat or governor: all of them change while
        the machine does not. The highest clock tells big cores from little ones, and a board that
        was overclocked from one that was not.
        """
        quota = "" if self.cpu_quota_cores is None else f"{self.cpu_quota_cores:g}"
        clock = "" if self.cpu_max_mhz is None else f"{self.cpu_max_mhz:g}"
        facts = (self.architecture, self.board or "", self.cpu_model or "", str(self.cores))
        return (*facts, str(self.usable_cores), quota, clock)


@dataclass(frozen=True)
class Pressure:
    """How busy the machine is: PSI ``some`` (per cent, microseconds of the CPU) and load."""

    avg10_percent: float | None
    total_us: int | None
    load: float | None
    memory_avg10_percent: float | None = None
    io_avg10_percent: float | None = None


def system_memory() -> Memory:
    """Returns the RAM as psutil finds it, where there is no ``/proc/meminfo``."""
    import psutil

    try:
        memory = psutil.virtual_memory()
    except (OSError, psutil.Error):  # Linux without /proc; sysinfo(2) still answers
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        pages = (os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
        total_bytes, available_bytes = (page_bytes * number for number in pages)
        return Memory(total_bytes, available_bytes)
    return Memory(memory.total, memory.available)


def probe(
    root: Path = ROOT,
    *,
    memory: Callable[[], Memory] = system_memory,
    may_open: MayOpen = may_open,
) -> Machine:
    """Reads the facts of this machine.

    Args:
        root: where ``proc``, ``sys`` and ``dev`` are; ``/`` outside tests.
        memory: gives the RAM of the machine where the root has no ``proc/meminfo``.
        may_open: says whether this user may open a device node.
    """
    ram = _meminfo(root) or memory()
    limits = memory_limits(root)
    left = [limit.limit_bytes - limit.used_bytes for limit in limits]
    uname = platform.uname()
    return Machine(
        host=uname.node[:LONGEST_LABEL],
        system=f"{uname.system} {uname.release}"[:LONGEST_LABEL],
        architecture=uname.machine[:100],
        board=_board(root),
        cpu_model=_cpu_model(root),
        cores=len(online_cores(root)),
        usable_cores=len(usable_cores(root)),
        cpu_quota_cores=cpu_quota(root),
        governor=governor(root),
        memory_total_bytes=ram.total_bytes,
        memory_available_bytes=max(0, min([ram.available_bytes, *left])),
        memory_limits=limits,
        edge_tpus=find_edge_tpus(root, may_open=may_open),
        swap_total_bytes=ram.swap_total_bytes,
        swap_free_bytes=ram.swap_free_bytes,
        cpu_max_mhz=cpu_max_mhz(root),
        temperatures=temperatures(root),
    )


def pressure(root: Path = ROOT) -> Pressure:
    """Reads how busy the machine is now."""
    cpu = _some(root, "cpu")
    return Pressure(
        avg10_percent=decimal(cpu.get("avg10", "")),
        total_us=whole_number(cpu.get("total", "")),
        load=decimal(read_text(root / "proc/loadavg").split(" ", 1)[0]),
        memory_avg10_percent=decimal(_some(root, "memory").get("avg10", "")),
        io_avg10_percent=decimal(_some(root, "io").get("avg10", "")),
    )


def _some(root: Path, resource: str) -> dict[str, str]:
    """Returns the figures of PSI's line "some", e.g. ``avg10``."""
    lines = read_text(root / "proc/pressure" / resource).splitlines()
    some = next((line for line in lines if line.startswith("some ")), "")
    return dict(part.split("=", 1) for part in some.split() if "=" in part)


def _meminfo(root: Path) -> Memory | None:
    sizes: dict[str, int] = {}
    for line in read_text(root / "proc/meminfo").splitlines():
        name, _, size = line.partition(":")
        number = whole_number(size.removesuffix("kB").strip())
        if number is not None and number < 2**43:  # 8 PiB: JSON's exact whole numbers
            sizes[name] = 1024 * number
    if "MemTotal" not in sizes or "MemAvailable" not in sizes:
        return None
    return Memory(
        sizes["MemTotal"], sizes["MemAvailable"], sizes.get("SwapTotal"), sizes.get("SwapFree")
    )


def _board(root: Path) -> str | None:
    """Returns the board's name: the device tree's, or on a PC what its maker wrote into DMI."""
    names = (label(root / name) for name in (*_BOARD_FILES, *_DMI_FILES))
    return next((name for name in names if name and name.lower() not in _DMI_PLACEHOLDERS), None)


def _cpu_model(root: Path) -> str | None:
    """Returns the CPU's name; ARM kernels write it under other keys, or only as a part number."""
    values: dict[str, str] = {}
    for line in read_text(root / "proc/cpuinfo").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            values.setdefault(key.strip(), value.strip()[:LONGEST_LABEL])
    for key in ("model name", "Model", "Hardware", "Processor", "CPU part"):
        if values.get(key):
            return values[key]
    return None
