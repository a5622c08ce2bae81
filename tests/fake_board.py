"""Writes what a kernel shows of a board below any folder: cores, clocks, memory, heat, pressure.

Layout: the kernel's ABI documents for cpufreq, thermal zones, hwmon and PSI. Each function writes
one thing; the accelerators and the containers are in ``fake_root``.
"""

from collections.abc import Mapping
from pathlib import Path

from tests.fake_root import write


def meminfo(
    root: Path,
    *,
    total_bytes: int = 4 * 2**30,
    available_bytes: int = 3 * 2**30,
    swap_total_bytes: int = 0,
    swap_free_bytes: int = 0,
) -> Path:
    """Writes the memory of the machine; whole KiB."""
    rows = {"MemTotal": total_bytes, "MemFree": available_bytes // 2,
            "MemAvailable": available_bytes, "SwapTotal": swap_total_bytes,
            "SwapFree": swap_free_bytes}  # fmt: skip
    text = "".join(f"{name + ':':<15} {size // 1024:>9} kB\n" for name, size in rows.items())
    return write(root, {"proc/meminfo": text})


def cpus(
    root: Path,
    count: int = 4,
    *,
    first: int = 0,
    governor: str = "ondemand",
    mhz: int = 1500,
    max_mhz: int = 1800,
) -> Path:
    """Writes the clocks of some cores; call it twice for big and little ones."""
    for core in range(first, first + count):
        folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
        write(
            root,
            {
                f"{folder}/scaling_governor": f"{governor}\n",
                f"{folder}/scaling_cur_freq": f"{1000 * mhz}\n",
                f"{folder}/cpuinfo_max_freq": f"{1000 * max_mhz}\n",
            },
        )
    return write(root, {"sys/devices/system/cpu/online": f"0-{first + count - 1}\n"})


def affinity(root: Path, allowed: str) -> Path:
    """Writes which cores this process may run on, e.g. ``0-1,3``."""
    return write(root, {"proc/self/status": f"Name:\tpython\nCpus_allowed_list:\t{allowed}\n"})


def thermal_zone(root: Path, number: int, kind: str, milli_c: int | str) -> Path:
    """Writes one thermal zone."""
    folder = f"sys/class/thermal/thermal_zone{number}"
    return write(root, {f"{folder}/type": f"{kind}\n", f"{folder}/temp": f"{milli_c}\n"}) / folder


def hwmon(root: Path, number: int, name: str, sensors: Mapping[str, int | str]) -> Path:
    """Writes one hardware monitor; ``sensors`` are files such as ``temp1_input``."""
    folder = f"sys/class/hwmon/hwmon{number}"
    write(root, {f"{folder}/name": f"{name}\n"})
    return write(root, {f"{folder}/{key}": f"{value}\n" for key, value in sensors.items()}) / folder


def pressed(root: Path, *, cpu: float = 0.0, memory: float = 0.0, io: float = 0.0) -> Path:
    """Writes the pressure on CPU, memory and storage, in per cent of the last 10 s."""
    for name, percent in (("cpu", cpu), ("memory", memory), ("io", io)):
        tail = "avg60=0.00 avg300=0.00 total=4200"
        text = f"some avg10={percent:.2f} {tail}\nfull avg10=0.00 {tail}\n"
        write(root, {f"proc/pressure/{name}": text})
    return root


def raspberry_pi(root: Path) -> Path:
    """Writes a Raspberry Pi 4: device tree, four cores, one thermal zone, 4 GiB, no swap."""
    write(
        root,
        {
            "proc/device-tree/model": b"Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/cpuinfo": "processor\t: 0\nCPU part\t: 0xd08\n\n"
            "Hardware\t: BCM2711\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
            "proc/loadavg": "0.50 0.40 0.30 1/99 1234\n",
        },
    )
    cpus(root, 4)
    affinity(root, "0-3")
    thermal_zone(root, 0, "cpu-thermal", 48_700)
    meminfo(root)
    return pressed(root)
