"""Warnings: what maps and is slow, and what maps only with some versions.

Each pattern is told once for a model, with how often it stands there and the first place.
"""

from collections.abc import Iterator, Sequence
from math import prod

from edgescale.edgetpu.flatbuffer import Graph
from edgescale.edgetpu.lint_finding import FLOATS, Finding, Node, size_text, tensor_name
from edgescale.edgetpu.lint_types import CONVERTERS

# The reference's divisor of channels; a multiple of 16 fills the chip's 16 tiles (a fit to the
# compiler's cycle estimates: output channels in steps of 16, maps in cells of 4x4).
CHANNEL_STEP = 8
TILES = 16
CELL = 4
# Told above this share of idle tiles: the fit itself is off by 4.2 % on average, so that less says
# nothing. EfficientNet-EdgeTPU and -Lite, whose channels are multiples of 8, stay below it at every
# phi from -4 to 4 (at most 4.2 %).
MOST_IDLE = 0.05
# Multiples of 8 keep the first three halvings whole; published sizes (240, 260, 300) are even.
INPUT_STEP = 8
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_GATE_PATH = (
    "CONV_2D", "FULLY_CONNECTED", "RESHAPE", "RELU", "RELU6", "EXPAND_DIMS", "SQUEEZE", "ADD",
    "MUL", "QUANTIZE",
)  # fmt: skip
_GATE_POOLS = ("MEAN", "AVERAGE_POOL_2D", "SUM")
_LONGEST_GATE = 12  # steps back from the gate to its pooling; published blocks have up to 7


def warnings(graph: Graph, ends: frozenset[int]) -> Iterator[Finding]:
    """Yields what makes a graph slow although it maps; ``ends`` are its ``float_ends``."""
    nodes = [Node(graph, index) for index in range(len(graph.operators))]
    makers = {index: node for node in nodes for index in node.operator.outputs if index >= 0}
    yield from (_float_end(nodes[index]) for index in sorted(ends))
    yield from _gates(nodes, makers)
    yield from _transposes(nodes)
    yield from _channels(nodes)
    yield from _resolution(nodes)


def float_ends(graph: Graph) -> frozenset[int]:
    """Returns the operators that convert the model's float input or output, which CPUs do."""
    inputs, outputs = set(graph.inputs), set(graph.outputs)
    found = set()
    for index, operator in enumerate(graph.operators):
        if operator.name not in CONVERTERS:
            continue
        ends = (
            inputs.intersection(operator.inputs)
            if operator.name == "QUANTIZE"
            else outputs.intersection(operator.outputs)
        )
        if any(graph.tensors[tensor].dtype in FLOATS for tensor in ends):
            found.add(index)
    return frozenset(found)


def _float_end(node: Node) -> Finding:
    end = "input" if node.name == "QUANTIZE" else "output"
    return node.warning(
        f"float-{end}",
        f"the model's {end} is float; this conversion stays on the CPU",
        f"convert with uint8 or int8 {end}s (inference_{end}_type)",
    )


def _gates(nodes: Sequence[Node], makers: dict[int, Node]) -> Iterator[Finding]:
    """Looks at products with a LOGISTIC: swish (of the same tensor), squeeze-and-excite."""
    swish, excite = [], []
    for node in nodes:
        if node.name != "MUL":
            continue
        for place, index in enumerate(node.operator.inputs[:2]):
            gate = makers.get(index)
            if gate is None or gate.name not in ("LOGISTIC", "HARD_SWISH"):
                continue
            other = node.operator.inputs[1 - place] if len(node.operator.inputs) > 1 else -1
            if gate.name == "LOGISTIC" and other in gate.operator.inputs:
                swish.append(node)
            elif _comes_from_pool(gate, makers):
                excite.append(node)
    yield from _once(
        "swish", swish, "{} swish activations (LOGISTIC and MUL of the same tensor): two passes"
        " over the map each", "use RELU or RELU6 and train again, as EfficientNet-Lite does",
    )  # fmt: skip
    yield from _once(
        "squeeze-and-excite", excite, "{} squeeze-and-excite blocks: each waits for the mean of a"
        " whole map and passes over it again", "leave them out, as EfficientNet-EdgeTPU does",
    )  # fmt: skip


def _comes_from_pool(gate: Node, makers: dict[int, Node]) -> bool:
    """Follows the first input back from a gate; bounded, since a damaged file may hold a cycle."""
    node: Node | None = gate
    for _ in range(_LONGEST_GATE):
        first = node.operator.inputs[0] if node is not None and node.operator.inputs else -1
        node = makers.get(first)
        if node is None or node.name in _GATE_POOLS:
            return node is not None
        if node.name not in _GATE_PATH:
            return False
    return False


def _transposes(nodes: Sequence[Node]) -> Iterator[Finding]:
    yield from _once(
        "transpose",
        [node for node in nodes if node.name == "TRANSPOSE"],
        "{} TRANSPOSE operators: compilers before 16 leave them on the CPU"
        " (google-coral/edgetpu#342), and moving data is slow anywhere",
        "keep one order of dimensions (channels last) from input to output",
    )


def _once(rule: str, found: Sequence[Node], what: str, mend: str) -> Iterator[Finding]:
    if found:
        yield found[0].warning(rule, what.format(len(found)), mend)


def _channels(nodes: Sequence[Node]) -> Iterator[Finding]:
    """Tells once how many convolutions leave tiles idle; class scores are what they are."""
    widths = [(node, node.outputs[0].shape[-1]) for node in nodes if _gives_map(node)]
    odd = [(node, width) for node, width in widths if width % CHANNEL_STEP]
    half = [(node, width) for node, width in widths if width % TILES and not width % CHANNEL_STEP]
    mend = f"round channels to multiples of {CHANNEL_STEP}, better of {TILES}"
    if odd:
        first, width = odd[0]
        yield first.warning(
            "channels-off-grid",
            f"{len(odd)} of {len(widths)} convolutions give channels that are no multiple of"
            f" {CHANNEL_STEP} (this one {width}), {len(half)} more none of {TILES}: tiles stay"
            " idle",
            mend,
        )
    elif half and (idle := _idle_share(widths)) > MOST_IDLE:
        first, width = half[0]
        yield first.warning(
            "channels-off-grid",
            f"{len(half)} of {len(widths)} convolutions give channels that are multiples of"
            f" {CHANNEL_STEP} but not of {TILES} (this one {width}): about {idle:.0%} of the tiles"
            " stay idle, weighed by MACs",
            mend,
        )


def _gives_map(node: Node) -> bool:
    return (
        node.name in _CONVOLUTIONS
        and bool(node.outputs)
        and len(node.outputs[0].shape) == 4
        and not _is_head(node)
    )


def _idle_share(widths: Sequence[tuple[Node, int]]) -> float:
    """Returns the share of the tiles' time that goes to channels that are not there.

    Of CONV_2D alone: the fit gives depthwise convolutions lanes of their own.
    """
    used, spent = 0, 0.0
    for node, width in widths:
        weights = node.parameter(1)
        if node.name != "CONV_2D" or weights is None or width <= 0:
            continue
        macs = weights.elements * prod(node.outputs[0].shape[:-1])
        used += macs
        spent += macs * (-(-width // TILES) * TILES) / width
    return 1 - used / spent if spent > 0 else 0.0


def _is_head(node: Node) -> bool:
    """Says whether a convolution gives class scores: its map is a single position."""
    return all(size == 1 for size in node.outputs[0].shape[:-1])


def _resolution(nodes: Sequence[Node]) -> Iterator[Finding]:
    graph = nodes[0].graph
    for index in graph.inputs[:1]:
        tensor = graph.tensors[index]
        sides = tensor.shape[1:3]
        if len(tensor.shape) != 4 or not any(side % INPUT_STEP for side in sides if side > 1):
            continue
        maps = [
            node.outputs[0].shape[1:3]
            for node in nodes
            if node.name in _CONVOLUTIONS and node.outputs and len(node.outputs[0].shape) == 4
        ]
        cut = sum(1 for sides in maps if any(side % CELL for side in sides))
        yield Finding(
            "resolution-off-grid",
            "warning",
            f"tensor {tensor_name(tensor)}",
            f"the input is {size_text(sides)}, no multiple of {INPUT_STEP}; {cut} of {len(maps)}"
            f" convolutions give maps that do not fill cells of {CELL}x{CELL}",
            f"use a side that is a multiple of {INPUT_STEP}",
        )
