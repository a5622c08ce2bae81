"""Edge TPUs as the kernel lists them, without loading a driver or a library.

Loading libedgetpu opens the device, which can abort the process; sysfs answers in a millisecond and
also tells the half-working states (no driver, USB 2 cable) apart. Ids: libedgetpu's udev rules and
google/gasket-driver.
"""

from dataclasses import dataclass
from pathlib import Path

from edgescale.device.cgroup import read_text

_USB_BEFORE_FIRST_USE = ("1a6e", "089a")
_USB_AFTER_FIRST_USE = ("18d1", "9302")
_PCI = ("0x1ac1", "0x089a")
_USB3_MBIT_S = 5000


@dataclass(frozen=True)
class EdgeTpu:
    """One Edge TPU: ``bus`` is ``usb`` or ``pci``; ``note`` says what is not as it should be."""

    bus: str
    path: str
    speed_mbit_s: int | None
    temperature_c: float | None
    note: str | None


def find_edge_tpus(root: Path) -> tuple[EdgeTpu, ...]:
    """Returns the Edge TPUs on the USB and PCI buses.

    Args:
        root: where ``sys`` is; ``/`` outside tests.
    """
    return (*_on_pci(root), *_on_usb(root))


def _on_usb(root: Path) -> list[EdgeTpu]:
    found = []
    for folder in _entries(root / "sys/bus/usb/devices"):
        ids = (read_text(folder / "idVendor").lower(), read_text(folder / "idProduct").lower())
        if ids not in (_USB_BEFORE_FIRST_USE, _USB_AFTER_FIRST_USE):
            continue
        speed = read_text(folder / "speed")
        speed_mbit_s = int(speed) if speed.isdigit() else None
        slow = speed_mbit_s is not None and speed_mbit_s < _USB3_MBIT_S
        note = "on USB 2: use a USB 3 port and cable for full speed" if slow else None
        found.append(EdgeTpu("usb", folder.name, speed_mbit_s, None, note))
    return found


def _on_pci(root: Path) -> list[EdgeTpu]:
    apex = _entries(root / "sys/class/apex")
    boards = [
        folder
        for folder in _entries(root / "sys/bus/pci/devices")
        if (read_text(folder / "vendor"), read_text(folder / "device")) == _PCI
    ]
    found = [EdgeTpu("pci", node.name, None, _temperature_c(node), None) for node in apex]
    for folder in boards[len(apex) :]:
        note = "the gasket/apex driver is not loaded for it"
        found.append(EdgeTpu("pci", folder.name, None, None, note))
    return found


def _temperature_c(node: Path) -> float | None:
    text = read_text(node / "temp")
    return int(text) / 1000 if text.lstrip("-").isdigit() else None


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
