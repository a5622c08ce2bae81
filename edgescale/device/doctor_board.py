"""The doctor's checks of the Edge TPUs themselves: bus, device file, permission, owner, heat.

Causes and numbers: libedgetpu's driver and udev rules, google/gasket-driver, and the reports of
their users (google-coral/edgetpu issues 237, 766, 822, 843; tensorflow 34135).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from edgescale.device.doctor_facts import Board, Facts, System
from edgescale.device.doctor_finding import Finding, fine

# From it downwards no silicon works; the driver gives about -89 C once the board stops answering.
_FELL_OFF_C = -60.0
_USB3_MBIT_S = 5000
_LAST_GASKET_KERNEL = (6, 8)  # google/gasket-driver, last mended in April 2024
_CLOCKS_MHZ = (250, 125, 62.5)  # beyond each of the driver's trip points; 500 below
_USB_IDS = "1a6e:089a (before first use) or 18d1:9302 (after it)"
_PCI_ID = "1ac1:089a"
_PASS_USB = (
    "pass the whole bus, since the Edge TPU changes its number on first use: docker run -v"
    " /dev/bus/usb:/dev/bus/usb --device-cgroup-rule='c 189:* rmw' ..."
)
_UDEV_FILE = "/etc/udev/rules.d/99-edgetpu-accelerator.rules"


def board_findings(facts: Facts) -> Iterator[Finding]:
    """Yields what is wrong with each Edge TPU, or that there is none.

    Where one of several works, what keeps the others from working is a warning.
    """
    if not facts.has_edge_tpu:
        yield from _none(facts)
        return
    each = [tuple(_of_board(board, facts.system)) for board in facts.system.boards]
    one_works = not all(any(one.level == "error" for one in found) for found in each)
    for found in each:
        for one in found:
            mild = one_works and one.level == "error"
            yield replace(one, level="warning") if mild else one


def may_be_tried(board: Board, system: System) -> bool:
    """Says whether an Edge TPU may be opened: nothing hinders it and nobody uses it."""
    return all(check(board, system) is None for check in _BLOCKING)


def _none(facts: Facts) -> Iterator[Finding]:
    system = facts.system
    wanted = facts.wants_edge_tpu or facts.software.library.found
    if not wanted:
        yield fine("edge-tpu", "No Edge TPU is connected; the CPU runs every family.",
                   *_searched(system))  # fmt: skip
        return
    if not system.usb_bus:
        mend = _PASS_USB if system.container else "check that the kernel has USB support: lsusb"
        yield Finding(
            "usb-bus", "warning", "This system shows no USB bus, so none on USB can be seen.",
            _with_container(system, "/sys/bus/usb is not there"), mend,
        )  # fmt: skip
    yield Finding(
        "edge-tpu", "error", f"No Edge TPU is connected, but {_who_wants(facts)}.",
        _with_container(system, *_searched(system), *facts.software.library.said.splitlines()[-3:]),
        f"plug it in and look again: lsusb | grep -E '1a6e:089a|18d1:9302', lspci -d {_PCI_ID}; on"
        " a machine without one, run families with --device cpu",
    )  # fmt: skip


def _who_wants(facts: Facts) -> str:
    for model in facts.software.models:
        if model.named and model.min_runtime_version is not None:
            return f"{model.path} is compiled for one"
    return "its library was named" if facts.software.library_named else "its library is installed"


def _searched(system: System) -> tuple[str, ...]:
    usb = f"no {_USB_IDS} among {system.usb_devices}" if system.usb_bus else "not there"
    return (
        f"/sys/bus/usb/devices: {usb}",
        f"/sys/bus/pci/devices: no {_PCI_ID}; /sys/class/apex: no board",
    )


def _of_board(board: Board, system: System) -> Iterator[Finding]:
    """Yields the findings of one Edge TPU; one that keeps it from being opened ends the search."""
    for check in _BLOCKING:
        found = check(board, system)
        if found is not None:
            yield found
            return
    slow = [found for check in _SLOWING if (found := check(board)) is not None]
    yield from slow
    if not slow:
        speed = "" if board.tpu.speed_mbit_s is None else f", {board.tpu.speed_mbit_s} Mbit/s"
        heat = "" if board.sensor_c is None else f", {board.sensor_c:.1f} C"
        yield fine("edge-tpu", f"The Edge TPU {_name(board)} is there and may be opened.",
                   f"{_sysfs(board)}{speed}{heat}", *_text(board.node_text))  # fmt: skip


def _driver(board: Board, system: System) -> Finding | None:
    if board.tpu.bus != "pci" or board.tpu.node is not None:
        return None
    kernel = re.search(r"(\d+)\.(\d+)", system.machine.system)
    numbers = (int(kernel[1]), int(kernel[2])) if kernel else (0, 0)
    evidence = [f"{_sysfs(board)} is {_PCI_ID}, and no /dev/apex_N belongs to it",
                *_text(board.tpu.note), f"kernel: {system.machine.system}"]  # fmt: skip
    if system.apex_module:
        what = "the apex driver is loaded but did not take it"
        evidence.append("/sys/module/apex is there")
        mend = "see why: sudo dmesg | grep -iE 'apex|gasket'; then power the machine off and on"
    elif numbers > _LAST_GASKET_KERNEL:
        what = "the apex driver is missing, and Google's does not build for a kernel newer than 6.8"
        mend = (
            "install gasket-dkms from a fork that keeps up with the kernel"
            " (github.com/feranick/gasket-driver/releases): sudo apt install"
            " linux-headers-$(uname -r) ./gasket-dkms_*.deb && sudo modprobe apex"
        )
    else:
        what = "its apex driver is missing"
        mend = (
            "sudo apt install linux-headers-$(uname -r) gasket-dkms && sudo modprobe apex"
            " (the package is in Google's coral-edgetpu-stable archive)"
        )
    what = f"The Edge TPU {_name(board)} cannot be used: {what}."
    return Finding("driver", "error", what, tuple(evidence), mend)


def _fell_off(board: Board, system: System) -> Finding | None:
    if board.sensor_c is None or board.sensor_c > _FELL_OFF_C:
        return None
    return Finding(
        "fell-off-bus", "error",
        f"The Edge TPU {_name(board)} no longer answers on its bus.",
        (f"{_sysfs(board)}/temp says {board.sensor_c:.1f} C",),
        "power the machine off and on; if it returns, seat the board again, cool it, and turn PCIe"
        " power saving off (kernel option pcie_aspm=off)",
    )  # fmt: skip


def _node(board: Board, system: System) -> Finding | None:
    if board.node_there is not False:
        return None
    node = board.tpu.node or "its device file"
    evidence = _with_container(system, f"{_sysfs(board)} is there, {node} is not")
    if board.tpu.bus == "pci":
        mend = f"pass it to the container: docker run --device {node} ..."
        if not system.container:
            mend = "load the driver anew: sudo modprobe -r apex gasket && sudo modprobe apex"
    else:
        evidence += (f"{system.usb_nodes} of {system.usb_devices} USB devices have a file here",)
        mend = _PASS_USB if system.container else "unplug the Edge TPU and plug it in again"
    return Finding(
        "device-file", "error",
        f"The kernel has the Edge TPU {_name(board)}, but its device file is not here"
        " (the wrong bus, or only a part of it, was passed).",
        evidence, mend,
    )  # fmt: skip


def _first_use(board: Board, system: System) -> Finding | None:
    """Finds a stick that would vanish: its number changes when it gets its firmware."""
    alone = 0 < system.usb_nodes < system.usb_devices
    if board.tpu.bus != "usb" or board.tpu.firmware_loaded is not False or not alone:
        return None
    return Finding(
        "first-use", "error",
        f"The Edge TPU {_name(board)} will vanish on its first use: it then gets a new number on"
        " the bus, whose device file is not passed here.",
        _with_container(
            system,
            f"{_sysfs(board)} is 1a6e:089a, that is before its firmware",
            f"{system.usb_nodes} of {system.usb_devices} USB devices have a file here",
        ),
        _PASS_USB,
    )  # fmt: skip


def _permission(board: Board, system: System) -> Finding | None:
    if board.tpu.accessible is not False:
        return _refused(board, system)
    user, group = system.user, board.node_group
    evidence = (*_text(board.node_text), f"user {user.name}, groups {' '.join(user.groups)}")
    if system.container and group in (None, "root", "nobody", "nogroup"):
        mend = "run the container as root, or give its user the group of the device: --group-add"
    elif group in user.groups_at_next_login and group not in user.groups:
        mend = f"log out and in again: {user.name} is in group {group}, this session is not yet"
    elif group is not None and group not in ("root", *user.groups):
        mend = f"sudo usermod -aG {group} {user.name}, then log out and in again"
    elif board.tpu.bus == "pci":
        mend = (
            'sudo groupadd -f apex; echo \'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"\' | sudo'
            " tee /etc/udev/rules.d/65-apex.rules; sudo udevadm control --reload-rules && sudo"
            f" udevadm trigger; sudo usermod -aG apex {user.name}; then log out and in again"
        )
    else:
        evidence += (f"udev rule for 1a6e: {system.udev_rule or 'none'}",)
        mend = _udev_mend(system)
    what = f"This user may not open the Edge TPU {_name(board)}."
    return Finding("permission", "error", what, evidence, mend)


def _refused(board: Board, system: System) -> Finding | None:
    """Finds what the file's mode does not show: a control group that forbids the device."""
    if board.refusal is None:
        return None
    return Finding(
        "permission", "error",
        f"The system forbids this process to open the Edge TPU {_name(board)}.",
        _with_container(system, *_text(board.node_text), f"opening it: {board.refusal}"),
        _PASS_USB if system.container else "run it where devices are allowed, as a plain process",
    )  # fmt: skip


def _udev_mend(system: System) -> str:
    join = f"sudo usermod -aG plugdev {system.user.name}, then log out and in again"
    reload = "sudo udevadm control --reload-rules && sudo udevadm trigger, unplug it, plug it in"
    if system.udev_rule:
        return f"{reload}; {join}"
    rules = "".join(
        f'SUBSYSTEM=="usb",ATTRS{{idVendor}}=="{vendor}",GROUP="plugdev",MODE="0660"\\n'
        for vendor in ("1a6e", "18d1")
    )
    return f"printf '{rules}' | sudo tee {_UDEV_FILE}; {reload}; {join}"


def _busy(board: Board, system: System) -> Finding | None:
    if not board.users:
        what = f"The Edge TPU {_name(board)} is in use by edgescale, as it should be."
        return fine("busy", what, *board.runs) if board.runs else None
    return Finding(
        "busy", "error",
        f"The Edge TPU {_name(board)} is busy: another process has it, and two on one Edge TPU end"
        " each other.",
        (*(f"{board.tpu.node} is open in process {user}" for user in board.users), *board.runs),
        f"let that process finish, or end it: kill {board.users[0].partition(' ')[0]}",
    )  # fmt: skip


def _usb2(board: Board) -> Finding | None:
    speed = board.tpu.speed_mbit_s
    if speed is None or speed >= _USB3_MBIT_S:
        return None
    return Finding(
        "usb2", "warning",
        f"The Edge TPU {_name(board)} is on USB 2: every picture and streamed weight takes longer.",
        (f"{_sysfs(board)}/speed is {speed}, USB 3 has {_USB3_MBIT_S}",),
        "use a USB 3 port, if there is one, and the Edge TPU's own cable, without a hub",
    )  # fmt: skip


def _hot(board: Board) -> Finding | None:
    trips = board.tpu.trip_points_c
    if board.sensor_c is None or not trips or board.sensor_c < min(trips):
        return None
    passed = [trip for trip in sorted(trips) if board.sensor_c >= trip]
    clock = _CLOCKS_MHZ[min(len(passed), len(_CLOCKS_MHZ)) - 1]
    return Finding(
        "too-hot", "warning",
        f"The Edge TPU {_name(board)} is too hot and runs at {clock:g} of 500 MHz.",
        (f"{_sysfs(board)}/temp says {board.sensor_c:.1f} C, trip point {passed[-1]:.1f} C",),
        "cool it, or choose a smaller variant: edgescale classify --adapt",
    )  # fmt: skip


_BLOCKING: tuple[Callable[[Board, System], Finding | None], ...] = (
    _driver, _fell_off, _node, _permission, _busy, _first_use
)  # fmt: skip
_SLOWING: tuple[Callable[[Board], Finding | None], ...] = (_hot, _usb2)


def _name(board: Board) -> str:
    return f"{board.tpu.bus} {board.tpu.path}"


def _sysfs(board: Board) -> str:
    if board.tpu.bus == "usb":
        return f"/sys/bus/usb/devices/{board.tpu.path}"
    folder = "class/apex" if board.tpu.path.startswith("apex") else "bus/pci/devices"
    return f"/sys/{folder}/{board.tpu.path}"


def _text(text: str | None) -> tuple[str, ...]:
    return () if text is None else (text,)


def _with_container(system: System, *evidence: str) -> tuple[str, ...]:
    if system.container is None:
        return evidence
    return (*evidence, f"this is a container: {system.container}")
