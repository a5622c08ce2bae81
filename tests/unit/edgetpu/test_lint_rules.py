"""Each rule beside the planted faults: one operator that breaks it, and one that just does not."""

from collections.abc import Sequence

import pytest

from edgescale.edgetpu.flatbuffer import Graph, Tensor
from edgescale.edgetpu.lint import lint_graphs
from tests.small_graphs import graph, operator, tensor

MAP = (1, 8, 8, 8)


def rules(found: Graph, level: str = "error") -> list[str]:
    report = lint_graphs((found,))
    return [finding.rule for finding in report.findings if finding.level == level]


def single(
    name: str, source: Sequence[int], target: Sequence[int], *parameters: Tensor,
    activation: str = "none", **options: int,
) -> Graph:  # fmt: skip
    """Returns a graph of one operator: input, output, then its parameters."""
    tensors = [tensor("in", source), tensor("out", target), *parameters]
    inputs = [0, *range(2, len(tensors))]
    return graph(tensors, [operator(name, inputs, [1], activation=activation, **options)])


def numbers(name: str, *values: int) -> Tensor:
    return tensor(name, [len(values)], "int32", scales=(), values=values)


KERNEL = tensor("kernel", [8, 1, 1, 8], values=[1])
DENSE = tensor("dense", [4, 8], values=[1])


def bias(value: int = 0, *, scale: float = 0.25, dtype: str = "int32", size: int = 8) -> Tensor:
    return tensor("bias", [size], dtype, scales=[scale], values=[value])


BROKEN = {
    "fused-activation of a pool": (
        "fused-activation",
        single("MAX_POOL_2D", MAP, MAP, activation="relu"),
        single("MAX_POOL_2D", MAP, MAP),
    ),
    "dilation of one side": (
        "dilation",
        single("CONV_2D", MAP, MAP, KERNEL, bias(), dilation_w=2),
        single("CONV_2D", MAP, MAP, KERNEL, bias(), dilation_w=2, dilation_h=2),
    ),
    "shuffled dense weights": (
        "dense-weights-format",
        single("FULLY_CONNECTED", (1, 8), (1, 4), DENSE, weights_format=1),
        single("FULLY_CONNECTED", (1, 8), (1, 4), DENSE),
    ),
    "two rows of dense outputs": (
        "dense-output",
        single("FULLY_CONNECTED", (2, 8), (2, 4), DENSE),
        single("FULLY_CONNECTED", (1, 8), (1, 4), DENSE),
    ),
    "a hundred thousand dense outputs": (
        "dense-output",
        single("FULLY_CONNECTED", (1, 1), (1, 100_000), tensor("w", [100_000, 1], values=[1])),
        single("FULLY_CONNECTED", (1, 1), (1, 99_999), tensor("w", [99_999, 1], values=[1])),
    ),
    "a constant that is concatenated": (
        "concat-constant",
        single("CONCATENATION", MAP, (1, 8, 8, 16), tensor("c", MAP, values=[1]), axis=3),
        single("CONCATENATION", MAP, (1, 8, 8, 16), tensor("c", MAP, values=[0]), axis=3),
    ),
    "a mean over the batch": (
        "reduced-batch",
        single("MEAN", MAP, (8, 8, 8), numbers("axes", 0)),
        single("MEAN", MAP, (1, 1, 1, 8), numbers("axes", 1, -2)),
    ),
    "a mean over six channels": (
        "mean-channels",
        single("MEAN", (1, 8, 8, 6), (1, 8, 8, 1), numbers("axes", 3)),
        single("MEAN", (1, 8, 8, 8), (1, 8, 8, 1), numbers("axes", 3)),
    ),
    "a mean over 256x128": (
        "mean-size",
        single("MEAN", (1, 256, 128, 3), (1, 3), numbers("axes", 1, 2)),
        single("MEAN", (1, 64, 128, 3), (1, 3), numbers("axes", 1, 2)),
    ),
    "a softmax of 16001": (
        "softmax-size",
        single("SOFTMAX", (1, 16_001), (1, 16_001)),
        single("SOFTMAX", (1, 16_000), (1, 16_000)),
    ),
    "a softmax of two rows": (
        "softmax-size",
        single("SOFTMAX", (1, 2, 8), (1, 2, 8)),
        single("SOFTMAX", (1, 1, 8), (1, 1, 8)),
    ),
    "resizing with both options": (
        "resize-options",
        single("RESIZE_BILINEAR", MAP, MAP, numbers("size", 8, 8), align_corners=1,
               half_pixel_centers=1),
        single("RESIZE_BILINEAR", MAP, MAP, numbers("size", 8, 8), align_corners=1),
    ),
    "padding of the batch": (
        "padded-batch",
        single("PAD", MAP, MAP, tensor("p", [4, 2], "int32", scales=(), values=[0, 1] + [0] * 6)),
        single("PAD", MAP, MAP, tensor("p", [4, 2], "int32", scales=(), values=[0, 0] + [1] * 6)),
    ),
    "a slope for each position": (
        "prelu-alpha",
        single("PRELU", MAP, MAP, tensor("alpha", [8, 8, 8], values=[1])),
        single("PRELU", MAP, MAP, tensor("alpha", [1, 1, 8], values=[1])),
    ),
    "a slice that steps": (
        "strided-slice",
        single("STRIDED_SLICE", MAP, MAP, *(numbers(n, *[v] * 4) for n, v in
                                            (("begin", 0), ("end", 8), ("strides", 2)))),
        single("STRIDED_SLICE", MAP, MAP, *(numbers(n, *[v] * 4) for n, v in
                                            (("begin", 0), ("end", 8), ("strides", 1)))),
    ),
    "weights that are computed": (
        "non-constant-parameter",
        single("CONV_2D", MAP, MAP, tensor("kernel", [8, 1, 1, 8]), bias()),
        single("CONV_2D", MAP, MAP, KERNEL, bias()),
    ),
    "a batch of two": (
        "rank",
        single("RELU", (2, 8, 8, 8), (2, 8, 8, 8)),
        single("RELU", MAP, MAP),
    ),
    "a bias of 16 bits": (
        "bias-type",
        single("CONV_2D", MAP, MAP, KERNEL, bias(dtype="int8")),
        single("CONV_2D", MAP, MAP, KERNEL, bias()),
    ),
    "a bias of another scale": (
        "bias-scale",
        single("CONV_2D", MAP, MAP, KERNEL, bias(scale=0.25 + 0.011)),
        single("CONV_2D", MAP, MAP, KERNEL, bias(scale=0.25 + 0.009)),
    ),
    "a bias that fills 32 bits": (
        "bias-range",
        single("CONV_2D", MAP, MAP, KERNEL, bias(2**31 - 1)),
        single("CONV_2D", MAP, MAP, KERNEL, bias(2**30)),
    ),
    "16-bit activations": (
        "unsupported-type",
        graph([tensor("in", MAP, "int16"), tensor("out", MAP, "int16")],
              [operator("RELU", [0], [1])]),
        single("RELU", MAP, MAP),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_rule_is_told_alone_and_its_limit_is_not_crossed(case: str) -> None:
    rule, broken, sound = BROKEN[case]
    assert rules(broken) == [rule]
    assert rules(sound) == []


@pytest.mark.parametrize(
    ("scales", "said"),
    [
        pytest.param([float("nan")], "its scale is nan", id="no number"),
        pytest.param([0.0], "its scale is 0", id="zero"),
        pytest.param([-1.0], "its scale is -1", id="negative"),
        pytest.param([], "it has no scale", id="none"),
        pytest.param([0.5, 0.5], "it has 2 scales", id="two for an activation"),
    ],
)
def test_a_scale_is_one_finite_number_above_zero(scales: list[float], said: str) -> None:
    tensors = [tensor("in", MAP), tensor("out", MAP, scales=scales)]
    report = lint_graphs((graph(tensors, [operator("RELU", [0], [1])]),))
    assert [finding.rule for finding in report.findings] == ["bad-scale"]
    assert said in report.findings[0].what


def test_weights_have_a_scale_for_each_channel_or_one() -> None:
    kernel = tensor("kernel", [8, 1, 1, 8], values=[1], scales=[0.5] * 7)
    assert rules(single("CONV_2D", MAP, MAP, kernel, bias())) == ["bad-scale"]


@pytest.mark.parametrize(
    ("activation", "scale", "overflows"),
    [
        pytest.param("relu6", 2e-9, True, id="6 does not fit"),
        pytest.param("relu6", 3e-9, False, id="6 fits"),
        pytest.param("relu_n1_to_1", 4e-10, True, id="1 does not fit"),
        pytest.param("relu", 1e-30, False, id="no upper bound"),
    ],
)
def test_a_bound_must_fit_32_bits_in_steps_of_the_output(
    activation: str, scale: float, overflows: bool
) -> None:
    tensors = [tensor("in", MAP), tensor("out", MAP, scales=[scale]), tensor("more", MAP)]
    found = graph(tensors, [operator("ADD", [0, 2], [1], activation=activation)], inputs=(0, 2))
    assert rules(found) == (["quantisation-overflow"] if overflows else [])
    assert lint_graphs((found,)).ops_on_edgetpu == (0 if overflows else 1)


def test_between_the_known_sizes_a_mean_is_a_warning() -> None:
    found = single("MEAN", (1, 96, 96, 8), (1, 8), numbers("axes", 1, 2))
    assert (rules(found), rules(found, "warning")) == ([], ["mean-size"])


def test_a_recurrent_layer_may_keep_its_16_bit_state() -> None:
    tensors = [tensor("in", (1, 4, 8)), tensor("out", (1, 4, 8)), tensor("state", (1, 8), "int16")]
    found = graph(tensors, [operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [0, 2], [1])])
    assert rules(found) == []


def test_an_operator_without_its_inputs_is_judged_without_a_crash() -> None:
    for name in ("CONV_2D", "FULLY_CONNECTED", "MEAN", "PAD", "SOFTMAX", "CONCATENATION", "MUL"):
        assert lint_graphs((graph([], [operator(name, [], [])], (), ()),)).ops_on_cpu in (0, 1)


@pytest.mark.parametrize(
    ("shape", "errors", "warnings", "mapped"),
    [
        pytest.param((1, 1, 8, 8, 8), [], ["rank"], 1, id="outer ones of 1 are allowed"),
        pytest.param((1, 2, 8, 8, 8), ["rank"], [], 0, id="four exceed 1"),
    ],
)
def test_of_five_dimensions_only_the_three_innermost_may_exceed_1(
    shape: Sequence[int], errors: list[str], warnings: list[str], mapped: int
) -> None:
    found = single("RELU", shape, shape)
    assert (rules(found), rules(found, "warning")) == (errors, warnings)
    assert lint_graphs((found,)).ops_on_edgetpu == mapped


def test_an_operator_that_cannot_map_is_told_without_its_tensors_faults() -> None:
    tensors = [tensor("in", (2, 8, 8, 8), scales=[]), tensor("out", (2, 8, 8, 8), scales=[])]
    found = graph(tensors, [operator("HARD_SWISH", [0], [1])])
    assert rules(found) == ["unsupported-operator"]
