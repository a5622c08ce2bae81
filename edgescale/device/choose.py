"""Which device a family runs on here: what was asked, or what ``auto`` finds.

Only ``auto`` may end on the CPU, and it says why; a named Edge TPU that is not there is an error.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgescale.device.probe import Machine
from edgescale.errors import DeviceError, NotForThisDevice
from edgescale.family.manifest import Artifact, VariantRecord
from edgescale.family.store import Family
from edgescale.inference.delegate import check_device, try_edge_tpu
from edgescale.inference.worker import WorkerSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeviceChoice:
    """The device string to run on, and the reason in words."""

    device: str
    reason: str


def choices(
    asked: str, machine: Machine, variants: Sequence[VariantRecord]
) -> tuple[DeviceChoice, ...]:
    """Returns the devices that may run some of the variants, best first.

    A device that was named is the only one. ``auto`` is each Edge TPU that the kernel shows ready,
    in the order in which libedgetpu looks for them, and at last the CPU.
    """
    if asked != "auto":
        return (DeviceChoice(asked, "as asked"),)
    ready: list[DeviceChoice] = []
    against: list[str] = []
    counts: Counter[str] = Counter()
    for tpu in machine.edge_tpus:
        # A note on USB is about its speed; a board on PCIe with one cannot be opened.
        if tpu.accessible is False or (tpu.bus == "pci" and tpu.note is not None):
            against.append(f"{tpu.path}: {tpu.note or 'your user may not open it'}")
        else:
            number = f":{counts[tpu.bus]}" if counts[tpu.bus] else ""
            ready.append(DeviceChoice(f"{tpu.bus}{number}", f"there is an Edge TPU ({tpu.path})"))
        counts[tpu.bus] += tpu.bus == "usb" or tpu.driver is not False
    if all(variant.compiled is None for variant in variants):
        names = ", ".join(variant.name for variant in variants)
        why = f"there is an Edge TPU, but no model is compiled for it ({names})"
        return (DeviceChoice("cpu", why if machine.edge_tpus else "no Edge TPU is connected"),)
    why = "no Edge TPU is connected"
    if against:
        why = f"no Edge TPU can be used ({'; '.join(against)}; 'edgescale doctor' says more)"
    return (*ready, DeviceChoice("cpu", why))


def resolve(
    variants: Sequence[VariantRecord], settings: WorkerSettings, machine: Machine
) -> tuple[DeviceChoice, WorkerSettings]:
    """Turns ``auto`` into a device that works, and says in the log which and why.

    Raises:
        DeviceError: the device string is none.
    """
    found = choices(check_device(settings.device), machine, variants)
    choice = found[0]
    if settings.device == "auto":
        choice = _first_usable(found, settings)
        log.info("device: %s, because %s", choice.device, choice.reason)
    return choice, replace(settings, device=choice.device)


def _first_usable(found: Sequence[DeviceChoice], settings: WorkerSettings) -> DeviceChoice:
    """Tries each Edge TPU; what keeps one from being used goes into the reason for the next."""
    against = ""
    for choice in found:
        reason = f"{choice.reason}{against}"
        if choice.device == "cpu":
            return DeviceChoice("cpu", against.lstrip("; ") or reason)
        try:
            try_edge_tpu(choice.device, runtime=settings.runtime, library=settings.edgetpu_library)
        except DeviceError as problem:
            against += f"; {choice.reason}, but it cannot be used: {problem}"
        else:
            return DeviceChoice(choice.device, reason)
    raise ValueError("the CPU is always among the choices")


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
