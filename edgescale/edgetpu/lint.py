"""Judges a ``.tflite`` file before the Edge TPU compiler sees it: what maps, what does not, why.

The compiler says "compiled successfully" with nothing mapped (google-coral/edgetpu#358), and
exporters say "supported" while most of a model runs on the CPU. Every rule has a name, a place and
a mend; sources stand beside the rules. Only the file is read: neither interpreter nor compiler.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgescale.edgetpu.custom_operator import COMPILED_OPERATOR
from edgescale.edgetpu.flatbuffer import Graph, Operator, Tensor, read_graphs
from edgescale.edgetpu.lint_arithmetic import bias, overflow
from edgescale.edgetpu.lint_finding import Finding, Node
from edgescale.edgetpu.lint_operators import RULES, Rule, one_group
from edgescale.edgetpu.lint_partition import first_part
from edgescale.edgetpu.lint_speed import float_ends, warnings
from edgescale.edgetpu.lint_types import (
    constant_parameters,
    eight_bit,
    listed,
    open_size,
    open_sizes,
    tensor_faults,
    version,
)
from edgescale.errors import ModelFileError

__all__ = ["Finding", "LintReport", "lint_file", "lint_graphs", "lint_of"]

# The compiler gives up on the whole file: its TFLite can not load or prepare the model.
REFUSES_THE_FILE = frozenset({
    "operator-version", "unknown-to-parser", "dynamic-shape", "more-than-one-subgraph",
    "bad-scale", "quantisation-overflow", "bias-type", "bias-scale", "grouped-convolution",
})  # fmt: skip
# Groups raise the version, which is then no matter of the converter.
_FITNESS: tuple[Rule, ...] = (one_group, version, listed, eight_bit)
MOST_VALUES = 2_000_000  # scales, biases and axes looked at; EfficientNet-EdgeTPU-S has 77 000


@dataclass(frozen=True)
class LintReport:
    """What a file breaks, in the order of its operators, and what would run where.

    ``first_cut`` is the first operator that keeps the rest from the Edge TPU. Conversions of a
    float input or output count on the CPU without being a cut.
    """

    findings: tuple[Finding, ...]
    ops_on_edgetpu: int
    ops_on_cpu: int
    first_cut: str | None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that keep the model, or a part of it, from the Edge TPU."""
        return tuple(finding for finding in self.findings if finding.level == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that cost time, or that only some versions map."""
        return tuple(finding for finding in self.findings if finding.level == "warning")

    @property
    def fully_mapped(self) -> bool:
        """Whether every operator is expected to run on the Edge TPU."""
        return not self.errors and self.ops_on_cpu == 0


def lint_file(path: Path | str) -> LintReport:
    """Judges a ``.tflite`` file.

    Raises:
        ModelFileError: missing, no TFLite model, damaged, or too large.
    """
    path = Path(path)
    return lint_of(path, read_graphs(path))


def lint_of(path: Path, graphs: tuple[Graph, ...]) -> LintReport:
    """Judges graphs that were read already; ``path`` is for messages.

    Raises:
        ModelFileError: damaged or too large.
    """
    _bound_work(path, graphs[0])
    try:
        return lint_graphs(graphs)
    except (IndexError, ValueError) as problem:
        raise ModelFileError(
            f"{path}: damaged TFLite model (an operator lacks inputs or has tensors of the wrong"
            " shape); copy or convert it again"
        ) from problem


def lint_graphs(graphs: tuple[Graph, ...]) -> LintReport:
    """Judges the graphs of a file, which the compiler takes only one of."""
    graph = graphs[0]
    if any(operator.name == COMPILED_OPERATOR for operator in graph.operators):
        return _already_compiled(graph)
    ends = float_ends(graph)
    judged = _judge(graph, ends)
    findings = [*judged.findings, *warnings(graph, ends)]
    if len(graphs) > 1:
        findings.insert(0, _second_graph(graphs))
    refused = any(finding.rule in REFUSES_THE_FILE for finding in findings)
    mappable = [
        index not in judged.blocked and index not in ends for index in range(len(graph.operators))
    ]
    mapped = 0 if refused else len(first_part(graph, mappable))
    return LintReport(
        findings=tuple(findings),
        ops_on_edgetpu=mapped,
        ops_on_cpu=sum(len(each.operators) for each in graphs) - mapped,
        first_cut=Node(graph, min(judged.blocked)).label if judged.blocked else None,
    )


@dataclass
class _Judged:
    findings: list[Finding]
    blocked: set[int]  # operators, by index


def _judge(graph: Graph, ends: frozenset[int]) -> _Judged:
    """Asks every rule about every operator; a tensor's fault is told where it is met first."""
    judged = _Judged([], set())
    opened = open_sizes(graph.tensors)
    told: set[tuple[object, ...]] = set()
    for index in range(len(graph.operators)):
        node = Node(graph, index)
        unfit = list(_unfit(node, index in ends))
        for finding in unfit or _limits(node):
            judged.findings.append(finding)
            if finding.level == "error":
                judged.blocked.add(index)
        for tensor, finding in _tensor_findings(node, opened, unfit=bool(unfit)):
            if finding.level == "error":
                judged.blocked.add(index)
            cause = _cause(graph, tensor, finding.rule)
            if cause not in told:
                judged.findings.append(finding)
                told.add(cause)
    _drop_consequences(judged)
    return judged


def _cause(graph: Graph, tensor: int, rule: str) -> tuple[object, ...]:
    """Returns what is told only once: a batch of 2 goes through every tensor of a model."""
    if rule == "dynamic-shape":
        return (rule,)
    return (rule, graph.tensors[tensor].shape[:-3] if rule == "rank" else tensor)


def _drop_consequences(judged: _Judged) -> None:
    """Where weights are quantised for their size only, every operator computes in float."""
    if any(finding.rule == "dynamic-range-weights" for finding in judged.findings):
        judged.findings = [item for item in judged.findings if item.rule != "float-operator"]


def _unfit(node: Node, float_end: bool) -> Iterator[Finding]:
    """Yields why an operator cannot map whatever its tensors are: the first reason only."""
    for rule in _FITNESS[:-1] if float_end else _FITNESS:
        found = list(rule(node))
        yield from found
        if found:
            return


def _limits(node: Node) -> Iterator[Finding]:
    """Yields which limits a known operator of eight bits breaks."""
    yield from constant_parameters(node)
    for rule in RULES.get(node.name, ()):
        yield from rule(node)
    if not any(finding.level == "error" for _, finding in tensor_faults(node)):
        yield from overflow(node)
        yield from bias(node)


def _tensor_findings(
    node: Node, opened: frozenset[int], *, unfit: bool
) -> Iterator[tuple[int, Finding]]:
    touched = (*node.operator.inputs, *node.operator.outputs)
    first = next((index for index in touched if index in opened), None)
    if first is not None:
        yield first, open_size(node.graph.tensors[first], len(opened))
    if not unfit:
        yield from tensor_faults(node)


def _second_graph(graphs: tuple[Graph, ...]) -> Finding:
    operators = sum(len(graph.operators) for graph in graphs[1:])
    return Finding(
        "more-than-one-subgraph",
        "error",
        f"subgraph 1 of {len(graphs)}",
        f"the file holds {len(graphs)} subgraphs ({operators} operators beside the first); the"
        " compiler takes one",
        "convert without control flow (tf.cond, tf.while_loop) and with one signature",
    )


def _already_compiled(graph: Graph) -> LintReport:
    node = next(
        Node(graph, index)
        for index, operator in enumerate(graph.operators)
        if operator.name == COMPILED_OPERATOR
    )
    finding = node.error(
        "already-compiled",
        "the file is already compiled for the Edge TPU, so its layers can no longer be judged",
        "lint the model it was compiled from; 'edgescale inspect' shows what this one holds",
    )
    mapped = sum(operator.name == COMPILED_OPERATOR for operator in graph.operators)
    return LintReport((finding,), mapped, len(graph.operators) - mapped, None)


def _bound_work(path: Path, graph: Graph) -> None:
    """Refuses a file that would keep the lint busy: many operators that share one big constant."""
    work = sum(
        len(tensor.scales) + (tensor.elements if _is_read(tensor, operator) else 0)
        for operator in graph.operators
        for tensor in (graph.tensors[index] for index in operator.inputs if index >= 0)
    )
    if work > MOST_VALUES:
        raise ModelFileError(
            f"{path}: its operators have {work} scales, biases and axes, more than the"
            f" {MOST_VALUES} edgescale looks at; the file is damaged or no image classifier"
        )


def _is_read(tensor: Tensor, operator: Operator) -> bool:
    """Says whether a rule reads the values of a constant: biases, axes and paddings."""
    return tensor.constant and (
        tensor.dtype in ("int32", "int64") or operator.name == "CONCATENATION"
    )
