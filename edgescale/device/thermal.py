"""How warm this machine is and how fast its cores are clocked now.

A board that heats up lowers its clock, and every latency measured before that is wrong after it;
both figures stand beside each measurement. Sources: the kernel's ``sysfs-class-thermal``,
``hwmon/sysfs-interface.rst`` and ``cpu-freq`` documents.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgescale.device.cores import core_file, usable_cores
from edgescale.device.kernel_files import (
    decimal,
    entries,
    label,
    link_target,
    milli,
    read_text,
    whole_number,
)

COLDEST_C = -40.0  # below, and above the hottest, no chip works: the sensor is not there
HOTTEST_C = 150.0
_MOST_SENSORS = 64
_SENSOR = re.compile(r"temp([0-9]{1,3})_input")


@dataclass(frozen=True)
class Temperature:
    """One sensor's name and reading in degrees Celsius."""

    name: str
    celsius: float


def temperatures(root: Path) -> tuple[Temperature, ...]:
    """Returns what the thermal zones and hardware monitors say; nonsense is left out.

    Args:
        root: where ``sys`` is; ``/`` outside tests.
    """
    found = [*_thermal_zones(root), *_hardware_monitors(root)]
    return tuple(found[:_MOST_SENSORS])


def sensible_c(text: str) -> float | None:
    """Reads thousandths of a degree; None for junk and for what no working chip can have."""
    celsius = milli(text)
    return celsius if celsius is not None and COLDEST_C <= celsius <= HOTTEST_C else None


def cpu_mhz(root: Path) -> float | None:
    """Returns the mean clock of the usable cores now, in MHz, or None."""
    cores = usable_cores(root)
    clocks = [_mhz(root, core, "scaling_cur_freq") for core in sorted(cores)]
    known = [clock for clock in clocks if clock] or list(_cpuinfo_mhz(root, cores))
    return sum(known) / len(known) if known else None


def cpu_max_mhz(root: Path) -> float | None:
    """Returns the highest clock that one of the usable cores can reach, in MHz, or None."""
    clocks = (_mhz(root, core, "cpuinfo_max_freq") for core in usable_cores(root))
    return max((clock for clock in clocks if clock), default=None)


def _thermal_zones(root: Path) -> Iterator[Temperature]:
    for zone in entries(root / "sys/class/thermal"):
        if zone.name.startswith("thermal_zone"):
            yield from _reading(label(zone / "type") or zone.name, zone / "temp")


def _hardware_monitors(root: Path) -> Iterator[Temperature]:
    for monitor in entries(root / "sys/class/hwmon"):
        # The kernel makes a monitor of most thermal zones; the zone has been read.
        if "thermal_zone" in link_target(monitor / "device"):
            continue
        chip = label(monitor / "name") or monitor.name
        for path in entries(monitor):
            match = _SENSOR.fullmatch(path.name)
            if match:
                which = label(monitor / f"temp{match[1]}_label") or f"temp{match[1]}"
                yield from _reading(f"{chip} {which}", path)


def _reading(name: str, path: Path) -> Iterator[Temperature]:
    celsius = sensible_c(read_text(path))
    if celsius is not None:
        yield Temperature(name[:100], celsius)


def _mhz(root: Path, core: int, name: str) -> float | None:
    khz = whole_number(read_text(core_file(root, core, name)))
    return None if khz is None else khz / 1000


def _cpuinfo_mhz(root: Path, cores: frozenset[int]) -> Iterator[float]:
    core = None
    for line in read_text(root / "proc/cpuinfo").splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "processor":
            core = whole_number(value)
        elif key == "cpu MHz" and core in cores:
            clock = decimal(value)
            if clock:
                yield clock
