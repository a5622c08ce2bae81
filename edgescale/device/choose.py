"""Which device a family runs on here: what was asked, or what ``auto`` finds.

Only ``auto`` may end on the CPU, and it says why; a named Edge TPU that is not there is an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgescale.device.probe import Machine
from edgescale.errors import NotForThisDevice
from edgescale.family.manifest import Artifact, VariantRecord


@dataclass(frozen=True)
class DeviceChoice:
    """The device string to run on, and the reason in words."""

    device: str
    reason: str


def choose_device(asked: str, machine: Machine, variants: Sequence[VariantRecord]) -> DeviceChoice:
    """Resolves ``auto`` for the variants that may run; other device strings are taken as given."""
    if asked != "auto":
        return DeviceChoice(asked, "as asked")
    # libedgetpu looks on PCIe before USB; a board whose driver is missing cannot be opened.
    ready = [tpu for tpu in machine.edge_tpus if tpu.bus == "usb" or tpu.note is None]
    if not ready:
        return DeviceChoice("cpu", "no Edge TPU is connected")
    if all(variant.compiled is None for variant in variants):
        names = ", ".join(variant.name for variant in variants)
        why = f"there is an Edge TPU, but no model is compiled for it ({names})"
        return DeviceChoice("cpu", why)
    return DeviceChoice(ready[0].bus, f"there is an Edge TPU ({ready[0].path})")


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
