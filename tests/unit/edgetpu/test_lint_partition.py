"""Which operators the one part for the Edge TPU holds, when some are cut."""

from collections.abc import Sequence

import pytest

from edgescale.edgetpu.lint import lint_graphs
from edgescale.edgetpu.lint_partition import first_part
from tests.small_graphs import graph, operator, tensor


def part(edges: Sequence[tuple[Sequence[int], Sequence[int]]], cut: Sequence[int]) -> list[int]:
    """Returns the operators on the Edge TPU; operator n reads and writes the tensors of edge n."""
    tensors = [tensor(str(index), (1, 4)) for index in range(10)]
    operators = [operator("RELU", inputs, outputs) for inputs, outputs in edges]
    mappable = [index not in cut for index in range(len(edges))]
    return sorted(first_part(graph(tensors, operators), mappable))


CHAIN = [([0], [1]), ([1], [2]), ([2], [3]), ([3], [4])]
# 0 feeds two branches (1, 2) and (3, 4) that meet in 5
FORK = [([0], [1]), ([1], [2]), ([2], [3]), ([1], [4]), ([4], [5]), ([3, 5], [6])]


@pytest.mark.parametrize(
    ("edges", "cut", "found"),
    [
        pytest.param(CHAIN, [], [0, 1, 2, 3], id="nothing is cut"),
        pytest.param(CHAIN, [2], [0, 1], id="everything after a cut is on the CPU"),
        pytest.param(CHAIN, [0], [1, 2, 3], id="the CPU may begin"),
        pytest.param(CHAIN, [0, 2], [1], id="only the first part counts"),
        pytest.param(CHAIN, [0, 1, 2, 3], [], id="all are cut"),
        pytest.param(FORK, [1], [0, 3, 4], id="a branch beside the cut still maps"),
        pytest.param(FORK, [0], [1, 2, 3, 4, 5], id="both branches of a CPU beginning"),
        pytest.param([([1], [2]), ([2], [1]), ([0], [3])], [], [2], id="a cycle is never reached"),
        pytest.param([([0], [0])], [], [], id="an operator that waits for itself"),
        pytest.param([([0, -1], [1]), ([1], [-1])], [], [0, 1], id="an input left out"),
        pytest.param([([2], [1]), ([0], [2])], [], [0, 1], id="a file out of order"),
    ],
)
def test_the_first_part_holds(
    edges: Sequence[tuple[Sequence[int], Sequence[int]]], cut: Sequence[int], found: list[int]
) -> None:
    assert part(edges, cut) == found


def test_a_float_input_and_output_stay_on_the_cpu_and_cut_nothing() -> None:
    tensors = [
        tensor("in", (1, 8), "float32", scales=()), tensor("out", (1, 8), "float32", scales=()),
        tensor("a", (1, 8)), tensor("b", (1, 8)),
    ]  # fmt: skip
    operators = [
        operator("QUANTIZE", [0], [2]), operator("RELU", [2], [3]), operator("DEQUANTIZE", [3], [1])
    ]  # fmt: skip
    report = lint_graphs((graph(tensors, operators),))
    assert [finding.rule for finding in report.findings] == ["float-input", "float-output"]
    assert report.errors == ()
    assert (report.ops_on_edgetpu, report.ops_on_cpu, report.first_cut) == (1, 2, None)
    assert not report.fully_mapped


def test_a_requantised_input_maps() -> None:
    tensors = [tensor("in", (1, 8), "uint8"), tensor("out", (1, 8)), tensor("a", (1, 8))]
    found = graph(tensors, [operator("QUANTIZE", [0], [2]), operator("RELU", [2], [1])])
    assert lint_graphs((found,)).fully_mapped
