"""Rules of single operators: what Coral's list says beside the name, and what is known to fail.

Limits are those of the list for compiler 16 (coral.ai/docs/edgetpu/models-intro) unless a comment
names another source.
"""

from collections.abc import Callable, Iterator
from math import prod

from edgescale.edgetpu.flatbuffer import Tensor
from edgescale.edgetpu.lint_finding import Finding, Node, size_text, tensor_name

Rule = Callable[[Node], Iterator[Finding]]

# MEAN over 256x128x3 was not mapped, over 64x128x3 it was (google-coral/edgetpu#461).
MEAN_FAILED_POSITIONS = 256 * 128
MEAN_MAPPED_POSITIONS = 64 * 128
MOST_SOFTMAX_ELEMENTS = 16_000
MEAN_Z_STEP = 4
# A dense layer of this size is what libcoral's tool "split_fc" was made for (its CHANGES.md).
DENSE_CUT_OUTPUTS = 100_000


def no_fused_activation(node: Node) -> Iterator[Finding]:
    """Pooling and concatenation take no activation with them."""
    if node.operator.activation != "none":
        yield node.error(
            "fused-activation",
            f"it carries the activation {node.operator.activation}, which the Edge TPU does not"
            " take here",
            "put the activation on the layer before it",
        )


def same_dilation(node: Node) -> Iterator[Finding]:
    """Convolutions are dilated alike in both directions."""
    wide, high = node.operator.options["dilation_w"], node.operator.options["dilation_h"]
    if wide != high:
        yield node.error(
            "dilation",
            f"it is dilated by {wide} in x and {high} in y; both must be the same",
            "use one dilation",
        )


def one_group(node: Node) -> Iterator[Finding]:
    """Weights reach over all channels of the input.

    TensorFlow writes grouped ones as version 6 (google-coral/edgetpu#631); set back to 5,
    TensorFlow 2.5.3 fails in "conv.cc: input->dims->data[3] != filter->dims->data[3]" (measured).
    """
    weights = node.parameter(1)
    if node.name != "CONV_2D" or weights is None or not node.sources:
        return
    given, taken = ((tensor.shape or (0,))[-1] for tensor in (node.sources[0], weights))
    if given != taken:
        yield node.error(
            "grouped-convolution",
            f"its weights reach over {taken} of {given} channels; TFLite of TensorFlow 2.5's time,"
            " as the compiler's is, has no groups and refuses the whole file",
            "use one group, a depthwise convolution, or SPLIT, convolutions and CONCATENATION",
        )


def dense(node: Node) -> Iterator[Finding]:
    """A dense layer has one scale, the plain weight format and one row of outputs."""
    weights = node.parameter(1)
    if node.operator.options["weights_format"] != 0:
        yield node.error(
            "dense-weights-format",
            "its weights are stored shuffled; only the default format maps",
            "convert it again without shuffled weights",
        )
    if weights is not None and len(weights.scales) > 1:
        yield node.error(
            "per-channel-dense",
            f"its weights {tensor_name(weights)} have {len(weights.scales)} scales; runtimes"
            " before 2.11, as the compiler's is, compute a constant from them without a word",
            "convert with converter._experimental_disable_per_channel_quantization_for_dense_"
            "layers = True",
        )
    for output in node.outputs:
        yield from _dense_output(node, output)


def _dense_output(node: Node, output: Tensor) -> Iterator[Finding]:
    if prod(output.shape[:-1]) > 1:
        yield node.error(
            "dense-output",
            f"its output is {size_text(output.shape)}; the Edge TPU gives one row",
            "use a batch of 1, or a 1x1 convolution for maps",
        )
    elif output.elements >= DENSE_CUT_OUTPUTS:
        yield node.error(
            "dense-output",
            f"it has {output.elements} outputs; {DENSE_CUT_OUTPUTS} are known not to map",
            "split it into several dense layers and concatenate",
        )


def concatenation(node: Node) -> Iterator[Finding]:
    """A constant among the inputs is only a zero padding: two inputs, all zeros."""
    constants = [tensor for tensor in node.inputs if tensor is not None and tensor.constant]
    if not constants:
        return
    zero = constants[0].zero_points[:1] or (0,)
    if len(node.inputs) != 2 or set(constants[0].values()) != set(zero):
        yield node.error(
            "concat-constant",
            f"the constant {tensor_name(constants[0])} is concatenated; that maps only as zeros"
            " beside one other input",
            "use PAD, or add the constant in the program",
        )


def reduction(node: Node) -> Iterator[Finding]:
    """Sums, means and extremes never run over the batch."""
    source, places = _reduced(node)
    if source is not None and any(place < -3 for place in places):
        yield node.error(
            "reduced-batch",
            "it reduces the batch dimension, which does not map",
            "reduce only height, width or channels",
        )


def mean(node: Node) -> Iterator[Finding]:
    """A mean over channels needs a multiple of four of them; one over a large map does not map."""
    source, places = _reduced(node)
    if source is None:
        return
    if -1 in places and len(source.shape) > 1 and source.shape[-1] % MEAN_Z_STEP:
        yield node.error(
            "mean-channels",
            f"it takes the mean of {source.shape[-1]} channels; that needs a multiple of"
            f" {MEAN_Z_STEP}",
            f"use a multiple of {MEAN_Z_STEP} channels",
        )
    positions = prod(source.shape[place] for place in places if place in (-2, -3))
    size = size_text(source.shape[-3:])
    mend = "use AVERAGE_POOL_2D, or take the mean in two steps"
    if positions >= MEAN_FAILED_POSITIONS:
        what = f"it takes the mean of a map of {size}; 256x128x3 is known not to map"
        yield node.error("mean-size", what, mend)
    elif positions > MEAN_MAPPED_POSITIONS:
        what = (
            f"it takes the mean of a map of {size}; 64x128x3 is known to map, 256x128x3 not to,"
            " between them nothing is known"
        )
        yield node.warning("mean-size", what, mend)


def _reduced(node: Node) -> tuple[Tensor | None, tuple[int, ...]]:
    """Returns what is reduced and over which dimensions, counted from the innermost (-1)."""
    source, axes = node.parameter(0), node.parameter(1)
    if source is None or axes is None:
        return None, ()
    rank = len(source.shape)
    places = {axis - rank if axis >= 0 else axis for axis in axes.values()[:8]}
    return source, tuple(place for place in places if -rank <= place < 0)


def softmax(node: Node) -> Iterator[Finding]:
    """A softmax runs over one row of at most 16 000 elements."""
    for source in node.sources:
        rows, elements = prod(source.shape[:-1]), (source.shape or (1,))[-1]
        if rows > 1 or elements > MOST_SOFTMAX_ELEMENTS:
            yield node.error(
                "softmax-size",
                f"its input is {size_text(source.shape)}; one row of at most"
                f" {MOST_SOFTMAX_ELEMENTS} elements maps",
                "leave the softmax to the program: it changes no order",
            )


def resize(node: Node) -> Iterator[Finding]:
    """Coral promises no size: some are refused to keep precision. TFLite refuses both options."""
    options = node.operator.options
    if options["align_corners"] and options["half_pixel_centers"]:
        yield node.error(
            "resize-options",
            "it has align_corners and half_pixel_centers, which exclude each other",
            "choose one of them",
        )
        return
    sizes = [size_text(tensor.shape[1:]) for tensor in node.activations]
    yield node.warning(
        "resize-size",
        f"it resizes {' to '.join(sizes)}; whether a size maps, only the compiler tells",
        "look for it in the compiler's report; a transposed convolution is the way round",
    )


def padding(node: Node) -> Iterator[Finding]:
    """Padding never touches the batch."""
    amounts = node.parameter(1)
    source = node.parameter(0)
    if amounts is None or source is None or len(source.shape) < 4:
        return
    if any(amounts.values()[: 2 * (len(source.shape) - 3)]):
        yield node.error(
            "padded-batch", "it pads the batch dimension", "pad height, width or channels only"
        )


def prelu(node: Node) -> Iterator[Finding]:
    """PReLU has one slope per channel."""
    alpha = node.parameter(1)
    if alpha is not None and prod(alpha.shape[:-1]) > 1:
        yield node.error(
            "prelu-alpha",
            f"its alpha is {size_text(alpha.shape)}; only one value per channel maps",
            "share alpha over height and width (shared_axes=[1, 2])",
        )


def strided_slice(node: Node) -> Iterator[Finding]:
    """A slice has strides of 1 and no ellipsis or new axis."""
    strides = node.parameter(3)
    options = node.operator.options
    stepping = strides is not None and any(stride != 1 for stride in strides.values())
    if stepping or options["ellipsis_mask"] or options["new_axis_mask"]:
        yield node.error(
            "strided-slice",
            "it slices with a stride other than 1, an ellipsis or a new axis",
            "slice with stride 1; use a strided convolution or pooling to step",
        )


RULES: dict[str, tuple[Rule, ...]] = {
    "AVERAGE_POOL_2D": (no_fused_activation,),
    "MAX_POOL_2D": (no_fused_activation,),
    "CONCATENATION": (no_fused_activation, concatenation),
    "CONV_2D": (same_dilation,),
    "DEPTHWISE_CONV_2D": (same_dilation,),
    "FULLY_CONNECTED": (dense,),
    "MEAN": (reduction, mean),
    "SUM": (reduction,),
    "REDUCE_MAX": (reduction,),
    "REDUCE_MIN": (reduction,),
    "SOFTMAX": (softmax,),
    "RESIZE_BILINEAR": (resize,),
    "RESIZE_NEAREST_NEIGHBOR": (resize,),
    "PAD": (padding,),
    "PRELU": (prelu,),
    "STRIDED_SLICE": (strided_slice,),
}
