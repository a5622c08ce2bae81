"""Rules of the numbers of a quantised operator: bias and output must fit 32 bits and each other.

These are TFLite's own checks when an operator is prepared (tensorflow/lite/kernels/kernel_util.cc,
GetQuantizedConvolutionMultipler and CalculateActivationRangeQuantized); the compiler, which runs
them, then refuses the whole file (google-coral/edgetpu#453).
"""

from collections.abc import Iterator
from itertools import repeat
from math import prod

from edgescale.edgetpu.flatbuffer import Tensor
from edgescale.edgetpu.lint_finding import EIGHT_BIT, Finding, Node, tensor_name
from edgescale.edgetpu.lint_types import WEIGHTED
from edgescale.edgetpu.op_versions import PARAMETERS

_LARGEST_INT32 = 2**31 - 1
_MOST_SCALE_DIFFERENCE = 0.02  # of the output's scale, kernel_util.cc
_LARGEST_PRODUCT = {"int8": 127 * 255, "uint8": 255 * 255}  # of a weight and a value
_BOUND = {"relu6": 6.0, "relu_n1_to_1": 1.0}
_CALIBRATE = "convert it again with pictures to calibrate on that are like those it will see"


def overflow(node: Node) -> Iterator[Finding]:
    """The bound of a fused activation, in steps of the output's scale, fits 32 bits."""
    bound = _BOUND.get(node.operator.activation, 0.0)
    for output in node.outputs:
        if output.dtype in EIGHT_BIT and output.scales and bound / output.scales[0] > 2**31:
            yield node.error(
                "quantisation-overflow",
                f"its output has scale {output.scales[0]:g}, so that the bound {bound:g} of"
                f" {node.operator.activation} does not fit 32 bits; the compiler refuses the whole"
                " file",
                _CALIBRATE,
            )


def bias(node: Node) -> Iterator[Finding]:
    """A bias is int32, has the scale of what it is added to, and leaves room for it."""
    found = _operands(node)
    if found is None:
        return
    source, weights, biases, output = found
    if biases.dtype != "int32":
        yield node.error(
            "bias-type",
            f"its bias {tensor_name(biases)} is {biases.dtype}, not int32",
            "convert again",
        )
    elif _scale_difference(source, weights, biases) > _MOST_SCALE_DIFFERENCE * output.scales[0]:
        yield node.error(
            "bias-scale",
            f"the scale of its bias {tensor_name(biases)} is not input scale times weight scale"
            f" ({source.scales[0]:g} x {weights.scales[0]:g})",
            "convert it again; a tool has changed one scale and not the other",
        )
    else:
        yield from _range(node, weights, biases)


def _range(node: Node, weights: Tensor, biases: Tensor) -> Iterator[Finding]:
    largest = max(map(abs, biases.values()), default=0)
    outputs = max(1, biases.elements)
    products = prod(weights.shape) // outputs * _LARGEST_PRODUCT[weights.dtype]
    if largest >= _LARGEST_INT32 or (largest > products and largest + products > _LARGEST_INT32):
        yield node.error(
            "bias-range",
            f"the bias {tensor_name(biases)} reaches {largest}; with the products it is added to it"
            " leaves the 32 bits of the sum",
            _CALIBRATE,
        )


def _operands(node: Node) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """Returns input, weights, bias and output of an operator with a bias, all with scales."""
    places = {what: place for place, what in PARAMETERS.get(node.name, {}).items()}
    if node.name not in WEIGHTED or not node.sources or not node.outputs:
        return None
    weights, biases = node.parameter(places["weights"]), node.parameter(places["bias"])
    if weights is None or biases is None or weights.dtype not in EIGHT_BIT:
        return None
    output = node.outputs[0]
    if not (node.sources[0].scales and weights.scales and output.scales):
        return None
    return node.sources[0], weights, biases, output


def _scale_difference(source: Tensor, weights: Tensor, biases: Tensor) -> float:
    """Returns the largest difference between a bias scale and the one it should have."""
    several = len(weights.scales) > 1
    if several and len(biases.scales) != len(weights.scales):
        return 0.0  # with weights per channel TFLite takes the products, whatever the bias says
    actual = biases.scales if several else repeat(biases.scales[0] if biases.scales else 0.0)
    return max(
        abs(source.scales[0] * weight - scale)
        for weight, scale in zip(weights.scales, actual, strict=False)
    )
