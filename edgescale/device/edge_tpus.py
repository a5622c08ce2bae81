"""Edge TPUs as the kernel lists them, without loading a driver or a library.

Loading libedgetpu opens the device, which can abort the process; sysfs answers in a millisecond and
also tells the half-working states (no driver, USB 2 cable, off the bus) apart. Sources:
libedgetpu's udev rules; ``apex_driver.c`` and ``gasket_core.c`` of google/gasket-driver.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgescale.device.kernel_files import (
    entries,
    is_there,
    link_target,
    milli,
    read_text,
    whole_number,
)
from edgescale.device.openers import pids_with_open
from edgescale.device.thermal import sensible_c

_USB_BEFORE_FIRMWARE = ("1a6e", "089a")
_USB_AFTER_FIRMWARE = ("18d1", "9302")
_PCI = ("0x1ac1", "0x089a")
_USB3_MBIT_S = 5000
_APEX = re.compile(r"apex_[0-9]{1,4}")
_POWER = re.compile(r"([0-9]{1,5}) ?mA")
_TRIP_POINTS = ("trip_point0_temp", "trip_point1_temp", "trip_point2_temp")

MayOpen = Callable[[Path], bool]


@dataclass(frozen=True)
class EdgeTpu:
    """One Edge TPU: ``bus`` is ``usb`` or ``pci``; ``note`` says what is not as it should be.

    Attributes:
        bus: ``usb`` or ``pci``.
        path: its place on the bus, e.g. ``2-1`` or ``0000:01:00.0``; ``apex_0`` with its driver.
        speed_mbit_s: speed of the USB link.
        temperature_c: of the chip; never told on USB.
        note: what hinders it or slows it down; None where all is well.
        power_ma: the current that it may draw from the USB port.
        firmware_loaded: on USB, whether it has been used since it was plugged in.
        node: what libedgetpu opens, ``/dev/apex_0`` or ``/dev/bus/usb/002/003``.
        driver: on PCI, whether the apex driver holds it.
        accessible: whether this user may read and write the node; False too where it is missing.
        trip_points_c: on PCI, where the driver halves the clock, and again, and again.
        owners: the processes seen to have the node open.
    """

    bus: str
    path: str
    speed_mbit_s: int | None
    temperature_c: float | None
    note: str | None
    power_ma: int | None = None
    firmware_loaded: bool | None = None
    node: str | None = None
    driver: bool | None = None
    accessible: bool | None = None
    trip_points_c: tuple[float, ...] = ()
    owners: tuple[int, ...] = ()


def may_open(path: Path) -> bool:
    """Says whether this user may read and write a device node, as the kernel judges (ACLs too)."""
    try:
        return os.access(path, os.R_OK | os.W_OK)
    except ValueError:
        return False


def find_edge_tpus(root: Path, *, may_open: MayOpen = may_open) -> tuple[EdgeTpu, ...]:
    """Returns the Edge TPUs on the PCI and USB buses, PCI first, as libedgetpu looks for them.

    Args:
        root: where ``sys``, ``dev`` and ``proc`` are; ``/`` outside tests.
        may_open: says whether this user may open a device node.
    """
    found = [*_on_pci(root), *_on_usb(root)]
    nodes = frozenset(tpu.node for tpu in found if tpu.node)
    pids = pids_with_open(nodes, root) if nodes else {}
    return tuple(_with_node(tpu, root, pids, may_open) for tpu in found)


def edge_tpu_temperature_c(tpu: EdgeTpu, root: Path = Path("/")) -> float | None:
    """Reads an Edge TPU's temperature now; None on USB, without driver and on nonsense."""
    if tpu.bus != "pci" or not _APEX.fullmatch(tpu.path):
        return None
    return sensible_c(read_text(root / "sys/class/apex" / tpu.path / "temp"))


def _on_usb(root: Path) -> list[EdgeTpu]:
    found = []
    for folder in entries(root / "sys/bus/usb/devices"):
        vendor = "" if ":" in folder.name else read_text(folder / "idVendor").lower()
        if vendor not in (_USB_BEFORE_FIRMWARE[0], _USB_AFTER_FIRMWARE[0]):
            continue
        ids = (vendor, read_text(folder / "idProduct").lower())
        if ids in (_USB_BEFORE_FIRMWARE, _USB_AFTER_FIRMWARE):
            found.append(_usb_tpu(folder, firmware_loaded=ids == _USB_AFTER_FIRMWARE))
    return found


def _usb_tpu(folder: Path, *, firmware_loaded: bool) -> EdgeTpu:
    speed_mbit_s = whole_number(read_text(folder / "speed"))
    slow = speed_mbit_s is not None and speed_mbit_s < _USB3_MBIT_S
    power = _POWER.fullmatch(read_text(folder / "bMaxPower"))
    bus, number = (whole_number(read_text(folder / name)) for name in ("busnum", "devnum"))
    return EdgeTpu(
        bus="usb",
        path=folder.name,
        speed_mbit_s=speed_mbit_s,
        temperature_c=None,
        note="on USB 2: use a USB 3 port and cable for full speed" if slow else None,
        power_ma=int(power[1]) if power else None,
        firmware_loaded=firmware_loaded,
        node=None if bus is None or number is None else f"/dev/bus/usb/{bus:03d}/{number:03d}",
    )


def _on_pci(root: Path) -> list[EdgeTpu]:
    nodes = [node for node in entries(root / "sys/class/apex") if _APEX.fullmatch(node.name)]
    boards = [
        folder
        for folder in entries(root / "sys/bus/pci/devices")
        if read_text(folder / "vendor").lower() == _PCI[0]
        and read_text(folder / "device").lower() == _PCI[1]
    ]
    addresses = {Path(link_target(node / "device")).name for node in nodes}
    alone = [folder for folder in boards if folder.name not in addresses]
    # A node that does not say which board it is stands for one of those that are left.
    untold = sum(not link_target(node / "device") for node in nodes)
    held = [folder for folder in alone if _driver(folder) == "apex"]
    rest = [*held, *(folder for folder in alone if folder not in held)][untold:]
    return [*map(_apex_tpu, nodes), *map(_board_without_node, rest)]


def _apex_tpu(node: Path) -> EdgeTpu:
    text = read_text(node / "temp")
    celsius = sensible_c(text)
    trip_points = [sensible_c(read_text(node / name)) for name in _TRIP_POINTS]
    note = None
    if celsius is None and milli(text) is not None:
        note = (
            f"it reads {milli(text):g} C: it fell off the bus; switch the machine off and on, and"
            " see to its cooling, power supply and seat"
        )
    return EdgeTpu(
        bus="pci",
        path=node.name,
        speed_mbit_s=None,
        temperature_c=celsius,
        note=note,
        node=f"/dev/{node.name}",
        driver=True,
        trip_points_c=tuple(point for point in trip_points if point is not None),
    )


def _board_without_node(folder: Path) -> EdgeTpu:
    driver = _driver(folder)
    if not driver:
        note = "the gasket/apex driver is not loaded for it"
    elif driver == "apex":
        note = "the apex driver holds it but made no /dev/apex_N; see dmesg"
    else:
        note = f"the driver {driver[:50]} holds it, not apex"
    return EdgeTpu("pci", folder.name, None, None, note, driver=driver == "apex")


def _driver(folder: Path) -> str:
    return Path(link_target(folder / "driver")).name


def _with_node(
    tpu: EdgeTpu, root: Path, pids: dict[str, tuple[int, ...]], may_open: MayOpen
) -> EdgeTpu:
    if tpu.node is None:
        return tpu
    owners = pids.get(tpu.node, ())
    if not owners and tpu.bus == "pci":
        # The driver knows its owner where this user may not look into other processes.
        owner = whole_number(read_text(root / "sys/class/apex" / tpu.path / "device_owner"))
        owners = (owner,) if owner else ()
    path = root / tpu.node.lstrip("/")
    notes = [tpu.note] if tpu.note else []
    if not is_there(path):
        notes.append(f"{tpu.node} is not here: a container must be given it")
    note = "; ".join(notes) or None
    return replace(tpu, note=note, accessible=may_open(path), owners=owners)
