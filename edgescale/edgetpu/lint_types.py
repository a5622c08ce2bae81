"""Rules of types, sizes and scales: everything eight bits, everything fixed, at most three sides.

Each looks at one operator with its tensors; what is wrong with a tensor is told once, at the first
operator that touches it.
"""

from collections.abc import Iterator
from math import isfinite

from edgescale.edgetpu.flatbuffer import Tensor
from edgescale.edgetpu.lint_finding import EIGHT_BIT, FLOATS, Finding, Node, size_text, tensor_name
from edgescale.edgetpu.op_versions import (
    INSTEAD,
    KNOWN_CUSTOM,
    NEWEST_VERSION,
    ON_EDGE_TPU,
    PARAMETERS,
)
from edgescale.edgetpu.schema import OPERATORS

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
CONVERTERS = ("QUANTIZE", "DEQUANTIZE")
# Its cell state is 16 bits wide and variable, which is as it should be.
_RECURRENT = ("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM")
# TFLite asks for as many scales as that dimension is long (kernel_util.cc), but takes the channels
# from where its kernels have them: scales along another one of the same length go unnoticed.
_CHANNEL_DIMENSION = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0}
_USUAL_DIMENSIONS = 4  # those of every model Coral compiled
_LIST = "Coral's list of operators"
_BUILTIN = frozenset(OPERATORS.values()) - {"CUSTOM"}


def version(node: Node) -> Iterator[Finding]:
    """The parser in the compiler is of TensorFlow 2.5's time."""
    newest = NEWEST_VERSION.get(node.name)
    if newest is None:
        yield from _unknown(node)
    elif node.operator.version > newest:
        yield node.error(
            "operator-version",
            f"version {node.operator.version}, compiler 16 parses up to {newest} and refuses the"
            " whole file",
            "convert it with another TensorFlow (2.5 to 2.8 wrote older versions), or without the"
            " option that raised the version",
        )


def _unknown(node: Node) -> Iterator[Finding]:
    """Tells of an operator newer than the parser, of TensorFlow itself, or of someone's own."""
    if node.name in KNOWN_CUSTOM:
        return
    mend = INSTEAD.get(node.name, "replace it by operators of Coral's list, or end before it")
    if node.name.startswith("Flex"):
        what, mend = (
            "it is an operator of TensorFlow, not of TFLite",
            "convert without SELECT_TF_OPS",
        )
    elif node.name in _BUILTIN or node.name.startswith("BUILTIN_"):
        what = "it is not in the TFLite (of TensorFlow 2.5's time) of compiler 16"
    else:
        what = "it is a custom operator that the TFLite of compiler 16 does not have"
    yield node.error("unknown-to-parser", f"{what}, which refuses the whole file", mend)


def listed(node: Node) -> Iterator[Finding]:
    """The operator is on the list; DEQUANTIZE is judged by its types."""
    if node.name not in ON_EDGE_TPU and node.name != "DEQUANTIZE":
        yield node.error(
            "unsupported-operator",
            f"it is not in {_LIST}",
            INSTEAD.get(node.name, "replace it, or let the model end before it"),
        )


def eight_bit(node: Node) -> Iterator[Finding]:
    """Every value an operator computes with is int8 or uint8."""
    if node.name in _RECURRENT:
        return
    types = [tensor.dtype for tensor in node.activations]
    weights = node.parameter(1) if node.name in WEIGHTED else None
    if any(dtype in FLOATS for dtype in types):
        if weights is not None and weights.constant and weights.dtype in EIGHT_BIT:
            yield node.error(
                "dynamic-range-weights",
                f"its weights {tensor_name(weights)} are {weights.dtype} but it computes in float"
                " (dynamic-range quantisation)",
                "convert with a representative dataset and TFLITE_BUILTINS_INT8",
            )
        else:
            yield node.error(
                "float-operator",
                "it converts to or from float in the middle of the model"
                if node.name in CONVERTERS
                else "it computes in float; the Edge TPU computes in int8 and uint8 only",
                "convert with a representative dataset and TFLITE_BUILTINS_INT8",
            )
    elif any(dtype not in EIGHT_BIT for dtype in types) or node.name == "DEQUANTIZE":
        kinds = ", ".join(sorted(set(types)))
        yield node.error(
            "unsupported-type",
            f"it works on {kinds}; the Edge TPU computes in int8 and uint8 only",
            "convert with int8 or uint8 activations",
        )
    elif weights is not None and weights.dtype not in EIGHT_BIT:
        yield node.error(
            "unsupported-type",
            f"its weights {tensor_name(weights)} are {weights.dtype}, not int8 or uint8",
            "convert with TFLITE_BUILTINS_INT8",
        )


def constant_parameters(node: Node) -> Iterator[Finding]:
    """Weights, biases, axes and sizes stand in the file."""
    for place, what in PARAMETERS.get(node.name, {}).items():
        tensor = node.parameter(place)
        if tensor is not None and not tensor.constant:
            yield node.error(
                "non-constant-parameter",
                f"its {what} {tensor_name(tensor)} is computed while the model runs",
                "make it a constant of the model",
            )


def tensor_faults(node: Node) -> Iterator[tuple[int, Finding]]:
    """Yields the tensors, by index, whose sizes or scales keep this operator from the Edge TPU."""
    weighted = node.name in WEIGHTED
    parameters = PARAMETERS.get(node.name, {})
    for place, index in enumerate(node.operator.inputs):
        if index >= 0 and place not in parameters:
            yield from _activation(node, index)
        elif index >= 0 and weighted and parameters[place] in ("weights", "bias"):
            yield from _numbered(index, _scale(node, node.graph.tensors[index], place))
    for index in node.operator.outputs:
        if index >= 0:
            yield from _activation(node, index)


def _activation(node: Node, index: int) -> Iterator[tuple[int, Finding]]:
    tensor = node.graph.tensors[index]
    yield from _numbered(index, _rank(tensor))
    yield from _numbered(index, _scale(node, tensor, 0))


def _numbered(index: int, finding: Finding | None) -> Iterator[tuple[int, Finding]]:
    if finding is not None:
        yield index, finding


def _rank(tensor: Tensor) -> Finding | None:
    """Coral's requirement: of more than three dimensions only the 3 innermost may exceed 1."""
    shape, level = tensor.shape, "error"
    if any(size not in (1, -1) for size in shape[:-3]):
        what = f"its size is {size_text(shape)}; only the 3 innermost may exceed 1"
    elif len(shape) > _USUAL_DIMENSIONS:
        level = "warning"
        what = (
            f"it has {len(shape)} dimensions ({size_text(shape)}), the outer ones 1, which Coral's"
            " requirements allow; whether it maps, only the compiler tells"
        )
    else:
        return None
    mend = "reshape it to height, width and channels with a batch of 1"
    return Finding("rank", level, f"tensor {tensor_name(tensor)}", what, mend)


def _scale(node: Node, tensor: Tensor, place: int) -> Finding | None:
    """Looks at the scales of an activation (place 0), of weights or of a bias."""
    what = _scale_fault(node, tensor, place)
    if what is None:
        return None
    mend = "convert it again with other pictures to calibrate on"
    return Finding("bad-scale", "error", f"tensor {tensor_name(tensor)}", what, mend)


def _scale_fault(node: Node, tensor: Tensor, place: int) -> str | None:
    wrong = [scale for scale in tensor.scales if not isfinite(scale) or scale <= 0]
    if wrong:
        return f"its scale is {wrong[0]}; a scale is a finite number above 0"
    if tensor.dtype not in EIGHT_BIT or node.name in _RECURRENT:
        return None
    if not tensor.scales:
        return "it has no scale although it is quantised"
    if len(tensor.scales) != _scales_needed(node, tensor, place):
        return f"it has {len(tensor.scales)} scales, which do not go with its size"
    dimension = _CHANNEL_DIMENSION.get(node.name, tensor.quantised_dimension)
    if place and len(tensor.scales) > 1 and tensor.quantised_dimension != dimension:
        return (
            f"its scales go along dimension {tensor.quantised_dimension}, the channels of"
            f" {node.name} along {dimension}"
        )
    return None


def _scales_needed(node: Node, tensor: Tensor, place: int) -> int:
    dimension = _CHANNEL_DIMENSION.get(node.name)
    if place and node.name == "FULLY_CONNECTED":
        return len(tensor.scales)  # several have their own rule
    if place and dimension is not None and len(tensor.scales) > 1:
        return tensor.shape[dimension] if dimension < len(tensor.shape) else 0
    return 1


def open_sizes(tensors: tuple[Tensor, ...]) -> frozenset[int]:
    """Returns the tensors, by index, that have a size left open."""
    return frozenset(
        index
        for index, tensor in enumerate(tensors)
        if -1 in tensor.shape or -1 in tensor.shape_signature
    )


def open_size(tensor: Tensor, count: int) -> Finding:
    """Builds the one finding about open sizes; the tensor is the first of ``count``."""
    shape = tensor.shape_signature if -1 in tensor.shape_signature else tensor.shape
    others = f" ({count} tensors have one)" if count > 1 else ""
    return Finding(
        "dynamic-shape",
        "error",
        f"tensor {tensor_name(tensor)}",
        f"its size {size_text(shape)} is left open{others}; the compiler refuses the whole file",
        "convert with a fixed batch of 1: Input(shape, batch_size=1)",
    )
