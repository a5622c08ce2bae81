"""Which device a family runs on here: what was asked, or what ``auto`` finds.

Only ``auto`` may end on the CPU, and it says why; a named Edge TPU that is not there is an error.
One that another process has open is never touched: a second process ends the transfers of the first
(google-coral/edgetpu issue 237), and the stick has to be plugged in again.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.probe import ROOT, Machine
from edgescale.errors import DeviceError, EdgeTpuBusy, NotForThisDevice
from edgescale.family.manifest import Artifact, VariantRecord
from edgescale.family.store import Family
from edgescale.inference.delegate import check_device, try_edge_tpu
from edgescale.inference.tpu_lock import lock_name
from edgescale.inference.worker import WorkerSettings

log = logging.getLogger(__name__)

_UNSEEN = ":0"  # the first of any kind that the library knows


@dataclass(frozen=True)
class DeviceChoice:
    """The device string to run on, and the reason in words."""

    device: str
    reason: str


def edge_tpu_devices(machine: Machine) -> list[tuple[str, EdgeTpu]]:
    """Returns the Edge TPUs that libedgetpu counts, each with its device string.

    PCIe comes before USB, and ``usb`` is the first on USB, ``usb:1`` the second. A board on PCIe
    without its driver has no number.
    """
    found = []
    for bus in ("pci", "usb"):
        on_bus = (tpu for tpu in machine.edge_tpus if tpu.bus == bus and tpu.driver is not False)
        found += [(f"{bus}:{index}" if index else bus, tpu) for index, tpu in enumerate(on_bus)]
    return found


def edge_tpu_of(device: str, machine: Machine, root: Path = ROOT) -> EdgeTpu | None:
    """Returns the Edge TPU that a device string means, as its lock counts.

    Args:
        device: a device string.
        machine: with its Edge TPUs.
        root: where ``sys`` is; ``/`` outside tests.

    Returns:
        None for the CPU, and where the kernel shows no such Edge TPU.
    """
    if device == "cpu":
        return None
    name = lock_name(device, root)
    counted = edge_tpu_devices(machine)
    return next((tpu for one, tpu in counted if lock_name(one, root) == name), None)


def hindrance(tpu: EdgeTpu) -> str | None:
    """Says why this process must not use an Edge TPU; None where nothing is seen against it."""
    # A note on USB is about its speed; a board on PCIe with one cannot be opened.
    if tpu.accessible is False or (tpu.bus == "pci" and tpu.note is not None):
        return tpu.note or "your user may not open it"
    others = _others(tpu)
    return f"it is open in {others}" if others else None


def choices(
    asked: str,
    machine: Machine,
    variants: Sequence[VariantRecord],
    *,
    library: str | None = None,
) -> tuple[DeviceChoice, ...]:
    """Returns the devices that may run some of the variants, best first.

    A device that was named is the only one. ``auto`` is each Edge TPU that the kernel shows ready,
    in the order in which libedgetpu looks for them, and at last the CPU. A library that was named
    may know an Edge TPU where the kernel shows none, as in a container without ``/sys/bus/usb``.
    """
    if asked != "auto":
        return (DeviceChoice(asked, "as asked"),)
    none = "no Edge TPU is connected"
    if all(variant.compiled is None for variant in variants):
        names = ", ".join(variant.name for variant in variants)
        why = f"there is an Edge TPU, but no model is compiled for it ({names})"
        return (DeviceChoice("cpu", why if machine.edge_tpus else none),)
    if not machine.edge_tpus:
        why = f"{library} was named and may know an Edge TPU, though the kernel shows none"
        unseen = () if library is None else (DeviceChoice(_UNSEEN, why),)
        return (*unseen, DeviceChoice("cpu", none))
    return _among(machine)


def link_mbit_s(device: str, machine: Machine) -> int | None:
    """Returns the speed of the USB link to a device; None on the CPU, on PCIe, and before use.

    A stick shows its real speed only once its firmware is loaded.
    """
    tpu = edge_tpu_of(device, machine)
    return tpu.speed_mbit_s if tpu is not None and tpu.firmware_loaded else None


def resolve(
    variants: Sequence[VariantRecord], settings: WorkerSettings, machine: Machine
) -> tuple[DeviceChoice, WorkerSettings]:
    """Turns ``auto`` into a device that works, and says in the log which and why.

    Raises:
        DeviceError: the device string is none.
        EdgeTpuBusy: another process has the Edge TPU that was named.
    """
    asked = check_device(settings.device)
    found = choices(asked, machine, variants, library=settings.edgetpu_library)
    choice = found[0]
    if asked == "auto":
        choice = _first_usable(found, settings)
        log.info("device: %s, because %s", choice.device, choice.reason)
    else:
        _refuse_taken(asked, machine)
    return choice, replace(settings, device=choice.device)


def without_advice(problem: DeviceError) -> str:
    """Returns what is wrong, without what to do: that follows the first semicolon."""
    return str(problem).partition("; ")[0]


def _among(machine: Machine) -> tuple[DeviceChoice, ...]:
    """Returns the Edge TPUs that are ready, and the CPU with what is against the others."""
    ready: list[DeviceChoice] = []
    against: list[str] = []
    for device, tpu in edge_tpu_devices(machine):
        hinders = hindrance(tpu)
        if hinders is None:
            reason = "; ".join([f"there is an Edge TPU ({tpu.path})", *against])
            ready.append(DeviceChoice(device, reason))
        else:
            against.append(f"{tpu.path}: {hinders}")
    driverless = (tpu for tpu in machine.edge_tpus if tpu.driver is False)
    against += [f"{tpu.path}: {tpu.note}" for tpu in driverless]
    none = "no other Edge TPU" if ready else "no Edge TPU"
    why = f"{none} is connected"
    if against:
        why = f"{none} can be used ({'; '.join(against)}; 'edgescale doctor' says more)"
    return (*ready, DeviceChoice("cpu", why))


def _first_usable(found: Sequence[DeviceChoice], settings: WorkerSettings) -> DeviceChoice:
    """Tries each Edge TPU; what keeps one from being used goes into the reason for the next."""
    failed: list[str] = []
    for choice in found:
        if choice.device == "cpu":
            return DeviceChoice("cpu", "; ".join([*failed, choice.reason]))
        try:
            try_edge_tpu(choice.device, runtime=settings.runtime, library=settings.edgetpu_library)
        except DeviceError as problem:
            failed.append(f"'{choice.device}' cannot be used: {without_advice(problem)}")
        else:
            return DeviceChoice(choice.device, "; ".join([choice.reason, *failed]))
    raise ValueError("the CPU is always among the choices")


def _refuse_taken(device: str, machine: Machine) -> None:
    """Refuses a named Edge TPU that another process has open, before anything is loaded.

    Raises:
        EdgeTpuBusy: one has.
    """
    tpu = edge_tpu_of(device, machine)
    others = "" if tpu is None else _others(tpu)
    if tpu is not None and others:
        raise EdgeTpuBusy(
            f"Edge TPU '{device}' ({tpu.path}) is open in {others}, and only one process can use"
            " it; let that one end, or choose another device (--device cpu, usb:1, ...)"
        )


def _others(tpu: EdgeTpu) -> str:
    """Names the processes other than this one that have an Edge TPU open; empty without any."""
    pids = sorted(set(tpu.owners) - {os.getpid()})
    return f"process {', '.join(map(str, pids))}" if pids else ""


def model_for(variant: VariantRecord, device: str) -> Artifact:
    """Returns the file of a variant that runs on a device.

    Raises:
        NotForThisDevice: an Edge TPU is wanted and the variant was not compiled for it.
    """
    if device == "cpu":
        return variant.model
    if variant.compiled is None:
        reason = f" ({variant.compiled_reason})" if variant.compiled_reason else ""
        raise NotForThisDevice(
            f"variant '{variant.name}' has no model compiled for the Edge TPU{reason}; run it with"
            " --device cpu or compile the family"
        )
    return variant.compiled


def models_on(family: Family, device: str) -> tuple[tuple[str, str], ...]:
    """Returns every variant with the sha256 of the file it would run on a device, by name."""
    return tuple(sorted((one.name, _sha256(one, device)) for one in family.manifest.variants))


def _sha256(variant: VariantRecord, device: str) -> str:
    try:
        return model_for(variant, device).sha256
    except NotForThisDevice:
        return variant.model.sha256
