"""What speaks against a variant before anything is measured: accuracy, and where weights lie."""

from collections.abc import Sequence

from edgescale.edgetpu.package import read_compiled
from edgescale.errors import NotForThisDevice
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.selection.budget import Budget
from edgescale.selection.explanation import Excess, Rejection, not_known, over_budget


def eligible(
    family: Family, budget: Budget, device: str
) -> tuple[Sequence[VariantRecord], dict[str, Rejection]]:
    """Splits the family into variants worth measuring and rejections by name.

    Raises:
        NotForThisDevice: weights on the chip are asked for, and the device is a CPU.
        ArtifactError, ModelFileError: a compiled model that must be looked at cannot be read.
    """
    if budget.on_chip_only and device == "cpu":
        raise NotForThisDevice(
            "weights on the chip only is a limit for an Edge TPU, and this would run on the CPU;"
            " leave the limit out, or name the Edge TPU with --device"
        )
    rejected = {}
    for variant in family.manifest.variants:
        found = _against(family, variant, budget, device)
        if found is not None:
            rejected[variant.name] = found
    left = [variant for variant in family.manifest.variants if variant.name not in rejected]
    return left, rejected


def _against(
    family: Family, variant: VariantRecord, budget: Budget, device: str
) -> Rejection | None:
    if device != "cpu" and variant.compiled is None:
        reason = variant.compiled_reason or "it has no compiled model"
        return not_known(variant.name, f"not for the Edge TPU: {reason}")
    if budget.min_accuracy is not None:
        if variant.accuracy is None:
            reason = variant.accuracy_reason or "not evaluated"
            return not_known(variant.name, f"its accuracy is not known ({reason})")
        top1 = variant.accuracy.int8_top1
        if top1 < budget.min_accuracy:
            figure = f"int8 top-1 (n = {variant.accuracy.n})"
            broken = Excess("min_accuracy", figure, top1, budget.min_accuracy)
            return over_budget(variant.name, (broken,))
    if budget.on_chip_only and variant.compiled is not None:
        streamed = read_compiled(family.verify(variant.compiled)).streamed_bytes
        if streamed:
            broken = Excess("on_chip_only", "streamed weights", streamed, 0)
            return over_budget(variant.name, (broken,))
    return None
