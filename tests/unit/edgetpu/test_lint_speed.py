"""Warnings: told once for a model, and only where the pattern is one."""

import pytest

from edgescale.edgetpu.flatbuffer import Graph
from edgescale.edgetpu.lint import lint_graphs
from tests.small_graphs import graph, operator, tensor

MAP, GATE = (1, 8, 8, 8), (1, 1, 1, 8)


def warned(found: Graph) -> list[str]:
    report = lint_graphs((found,))
    assert report.errors == ()
    return [finding.rule for finding in report.warnings]


def gated(pool: str, blocks: int = 1) -> Graph:
    """Returns blocks of pool, convolution, LOGISTIC and MUL over a map."""
    axes = tensor("axes", [2], "int32", scales=(), values=[1, 2])
    kernel = tensor("kernel", [8, 1, 1, 8], values=[1])
    tensors, operators = [tensor("in", MAP), tensor("out", MAP), axes, kernel], []
    for _ in range(blocks):
        first = len(tensors)
        tensors += [tensor(name, GATE) for name in ("pool", "squeezed", "gate")]
        operators += [
            operator(pool, [0, 2] if pool == "MEAN" else [0], [first]),
            operator("CONV_2D", [first, 3], [first + 1]),
            operator("LOGISTIC", [first + 1], [first + 2]),
            operator("MUL", [0, first + 2], [1]),
        ]
    return graph(tensors, operators)


@pytest.mark.parametrize("pool", ["MEAN", "AVERAGE_POOL_2D"])
def test_squeeze_and_excite_is_told_once(pool: str) -> None:
    assert warned(gated(pool, blocks=3)) == ["squeeze-and-excite"]
    assert "3 squeeze" in lint_graphs((gated(pool, blocks=3),)).warnings[0].what


def test_a_product_without_a_pool_is_no_squeeze() -> None:
    assert warned(gated("RELU")) == []


def test_swish_is_the_product_of_a_tensor_and_its_logistic() -> None:
    tensors = [tensor("in", MAP), tensor("out", MAP), tensor("sigmoid", MAP), tensor("b", MAP)]
    logistic = operator("LOGISTIC", [0], [2])
    assert warned(graph(tensors, [logistic, operator("MUL", [0, 2], [1])])) == ["swish"]
    assert warned(graph(tensors, [logistic, operator("MUL", [3, 2], [1])], (0, 3))) == []


def test_transposes_are_told_once() -> None:
    order = tensor("order", [4], "int32", scales=(), values=[0, 2, 1, 3])
    tensors = [tensor("in", MAP), tensor("out", MAP), order, tensor("between", MAP)]
    operators = [operator("TRANSPOSE", [0, 2], [3]), operator("TRANSPOSE", [3, 2], [1])]
    assert warned(graph(tensors, operators)) == ["transpose"]


def convolutions(side: int, *channels: int) -> Graph:
    tensors = [tensor("in", (1, side, side, 3)), tensor("out", (1, side, side, channels[-1]))]
    operators = []
    for place, width in enumerate(channels):
        last = place == len(channels) - 1
        tensors.append(tensor("kernel", [width, 1, 1, 3], values=[1]))
        tensors.append(tensor("map", (1, side, side, width)))
        operators.append(
            operator("CONV_2D", [0, len(tensors) - 2], [1 if last else len(tensors) - 1])
        )
    return graph(tensors, operators)


def test_odd_channels_are_counted_in_one_finding() -> None:
    report = lint_graphs((convolutions(8, 12, 16, 24, 20),))
    assert [finding.rule for finding in report.findings] == ["channels-off-grid"]
    assert "2 of 4" in report.findings[0].what
    assert "(this one 12), 1 more none of 16" in report.findings[0].what


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        pytest.param((16, 32), None, id="all fill their tiles"),
        pytest.param((24, 24), "2 of 2 convolutions", id="none does"),
        pytest.param((24, 24), "about 25% of the tiles", id="24 of 32"),
        pytest.param((72, 16), "1 of 2 convolutions", id="72 of 80"),
        pytest.param((24, 256), None, id="a few, which the fit does not tell apart"),
    ],
)
def test_channels_by_eight_are_told_where_they_leave_much_idle(
    channels: tuple[int, ...], said: str | None
) -> None:
    found = lint_graphs((convolutions(8, *channels),)).findings
    assert [finding.rule for finding in found] == (["channels-off-grid"] if said else [])
    assert said is None or said in found[0].what


def test_class_scores_may_have_any_number() -> None:
    assert warned(convolutions(1, 1001)) == []


@pytest.mark.parametrize(
    ("side", "told"),
    [pytest.param(224, False), pytest.param(240, False), pytest.param(300, True),
     pytest.param(225, True)],
)  # fmt: skip
def test_an_input_off_the_grid_is_told(side: int, told: bool) -> None:
    assert warned(convolutions(side, 16)) == (["resolution-off-grid"] if told else [])


def test_a_gate_in_a_cycle_ends() -> None:
    tensors = [tensor("in", MAP), tensor("out", MAP), tensor("a", MAP), tensor("b", MAP)]
    operators = [
        operator("RELU", [3], [2]), operator("RELU", [2], [3]), operator("LOGISTIC", [2], [2]),
        operator("MUL", [0, 2], [1]),
    ]  # fmt: skip
    assert lint_graphs((graph(tensors, operators),)).ops_on_edgetpu == 0
