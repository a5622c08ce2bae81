"""What a ``.tflite`` file costs and holds: layers, MACs, bytes, operators, compiled or not.

Read from the file itself, never from its name, so that imported and built models are judged alike.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path

from edgescale.edgetpu.custom_operator import COMPILED_OPERATOR
from edgescale.edgetpu.flatbuffer import MOST_MACS, Graph, Operator, Tensor, read_graphs
from edgescale.errors import ModelFileError
from edgescale.family.manifest import OperatorCount
from edgescale.layer import Layer, Shape

_OPERATIONS = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "ADD": "add",
    "AVERAGE_POOL_2D": "average_pool",
    "FULLY_CONNECTED": "dense",
    "SOFTMAX": "softmax",
}
# Operators with weights: where the kernel and the bias stand among the inputs, and the image.
_WEIGHTED = {
    "CONV_2D": (1, 2, 0),
    "DEPTHWISE_CONV_2D": (1, 2, 0),
    "FULLY_CONNECTED": (1, 2, 0),
    "TRANSPOSE_CONV": (1, 3, 2),
}
_PASSES_SCORES_ON = ("QUANTIZE", "DEQUANTIZE", "RESHAPE")


@dataclass(frozen=True)
class TensorSpec:
    """An input or output: shape with batch, dtype, quantisation (empty where there is none)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds; costs are those of its first graph, operators those of all.

    MACs and weights that an Edge TPU compiler has put inside its custom operator are not seen.
    ``per_channel_dense`` names dense weights with more than one scale, which runtimes before 2.11
    and the Edge TPU compiler silently compute wrongly.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: tuple[OperatorCount, ...]
    layers: tuple[Layer, ...]
    macs: int
    weight_bytes: int
    peak_activation_bytes: int
    compiled: bool
    per_channel_dense: tuple[str, ...]
    ends_in_softmax: bool


def read_model_file(path: Path | str) -> ModelFile:
    """Reads a ``.tflite`` file.

    Raises:
        ModelFileError: missing, no TFLite model, damaged, or too large; one sentence says which.
    """
    path = Path(path)
    return model_file_of(path, read_graphs(path))


def model_file_of(path: Path, graphs: tuple[Graph, ...]) -> ModelFile:
    """Sums up graphs that were read already; ``path`` is for messages.

    Raises:
        ModelFileError: damaged, or with sizes that no model has.
    """
    _refuse_infinite_scales(path, graphs)
    graph = graphs[0]
    operators = _count_operators(graphs)
    try:
        layers = tuple(_layers(graph))
        macs = sum(layer.macs for layer in layers)
    except (IndexError, ValueError) as problem:
        raise ModelFileError(
            f"{path}: damaged TFLite model (an operator lacks inputs or has tensors of the wrong"
            " shape); copy or convert it again"
        ) from problem
    peak_activation_bytes = _peak_activation_bytes(graph)
    if max(macs, peak_activation_bytes) > MOST_MACS:
        raise ModelFileError(f"{path}: damaged TFLite model (impossibly large tensors)")
    return ModelFile(
        inputs=tuple(_spec(graph.tensors[index]) for index in graph.inputs),
        outputs=tuple(_spec(graph.tensors[index]) for index in graph.outputs),
        operators=operators,
        layers=layers,
        macs=macs,
        weight_bytes=_weight_bytes(graph),
        peak_activation_bytes=peak_activation_bytes,
        compiled=any(operator.name == COMPILED_OPERATOR for operator in operators),
        per_channel_dense=tuple(dict.fromkeys(_per_channel_dense(graph))),
        ends_in_softmax=_ends_in_softmax(graph),
    )


def _refuse_infinite_scales(path: Path, graphs: tuple[Graph, ...]) -> None:
    scales = (scale for graph in graphs for tensor in graph.tensors for scale in tensor.scales)
    if not all(map(isfinite, scales)):
        raise ModelFileError(
            f"{path}: damaged TFLite model (a scale is no finite number; 'edgescale lint' names"
            " it); convert it again"
        )


def _spec(tensor: Tensor) -> TensorSpec:
    return TensorSpec(tensor.name, tensor.shape, tensor.dtype, tensor.scales, tensor.zero_points)


def _count_operators(graphs: tuple[Graph, ...]) -> tuple[OperatorCount, ...]:
    counts = Counter(
        (operator.name, operator.version) for graph in graphs for operator in graph.operators
    )
    return tuple(OperatorCount(*key, count) for key, count in sorted(counts.items()))


def _layers(graph: Graph) -> Iterator[Layer]:
    producers: dict[int, str] = dict.fromkeys(graph.inputs, "input")
    for index, operator in enumerate(graph.operators):
        operation = _OPERATIONS.get(operator.name, operator.name.lower())
        name = f"{operation}_{index}"
        inputs = _activations(graph, operator)
        if _writes(operator):
            yield _layer(graph, operator, name, tuple(producers.get(i, "input") for i in inputs))
        producers.update(dict.fromkeys(operator.outputs, name))


def _writes(operator: Operator) -> bool:
    """Says whether an operator has an output; one with weights must."""
    found = bool(operator.outputs) and operator.outputs[0] >= 0
    if not found and operator.name in _WEIGHTED:
        raise ValueError("an operator with weights and no output")
    return found


def _layer(graph: Graph, operator: Operator, name: str, inputs: tuple[str, ...]) -> Layer:
    sources = _activations(graph, operator)
    output = _shape(graph.tensors[operator.outputs[0]])
    kernel, weights, biases = operator.kernel, 0, 0
    source = _shape(graph.tensors[sources[0]]) if sources else output
    if operator.name in _WEIGHTED:
        tensor = _kernel(graph, operator)
        weights, biases = tensor.elements, _biases(graph, operator)
        kernel = 1 if operator.name == "FULLY_CONNECTED" else tensor.shape[1]
        source = _source(graph, operator)
        if operator.name == "FULLY_CONNECTED":
            source, output = _dense_shapes(tensor, graph.tensors[operator.outputs[0]])
    return Layer(
        name=name,
        operation=_OPERATIONS.get(operator.name, operator.name.lower()),
        inputs=inputs,
        input_shape=source,
        output_shape=output,
        kernel=kernel,
        stride=operator.stride,
        weights=weights,
        biases=biases,
        activation=operator.activation,
    )


def _shape(tensor: Tensor) -> Shape:
    """Returns (height, width, channels) of a tensor with batch; fewer axes count as channels."""
    sizes = [max(1, size) for size in tensor.shape[1:]] or [1]
    sizes = [1] * (3 - len(sizes)) + sizes
    return prod(sizes[:-2]), sizes[-2], sizes[-1]


def _source(graph: Graph, operator: Operator) -> Shape:
    index = operator.inputs[_WEIGHTED[operator.name][2]]
    if index < 0:
        raise ValueError("an operator with weights and no input")
    return _shape(graph.tensors[index])


def _dense_shapes(kernel: Tensor, output: Tensor) -> tuple[Shape, Shape]:
    """Returns what a dense layer reads and writes: as many rows as its outputs fill."""
    units, channels = (max(1, size) for size in kernel.shape)
    rows = max(1, output.elements // units)
    return (1, rows, channels), (1, rows, units)


def _activations(graph: Graph, operator: Operator) -> list[int]:
    return [i for i in operator.inputs if i >= 0 and not graph.tensors[i].constant]


def _kernel(graph: Graph, operator: Operator) -> Tensor:
    """Returns the weights of an operator that has them, checked to have the rank they need."""
    index = operator.inputs[_WEIGHTED[operator.name][0]]
    if index < 0:
        raise ValueError("an operator without weights")
    tensor = graph.tensors[index]
    if len(tensor.shape) != (2 if operator.name == "FULLY_CONNECTED" else 4):
        raise ValueError("weights of the wrong rank")
    return tensor


def _biases(graph: Graph, operator: Operator) -> int:
    place = _WEIGHTED[operator.name][1]
    if len(operator.inputs) <= place or operator.inputs[place] < 0:
        return 0
    return graph.tensors[operator.inputs[place]].elements


def _weight_bytes(graph: Graph) -> int:
    """Adds up constants, each once; shapes, axes and paddings (whole numbers) are no weights."""
    found: dict[int, int] = {}
    for operator in graph.operators:
        bias = _WEIGHTED.get(operator.name, (-1, -1, -1))[1]
        for place, index in enumerate(operator.inputs):
            tensor = graph.tensors[index]
            wide = tensor.dtype in ("int32", "int64")
            if index >= 0 and tensor.constant and (place == bias or not wide):
                found[index] = tensor.size_bytes
    return sum(found.values())


def _peak_activation_bytes(graph: Graph) -> int:
    """Returns the most bytes alive at one operator: its inputs, its outputs, and waiting skips."""
    first: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    last: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    for step, operator in enumerate(graph.operators):
        for index in operator.outputs:
            first.setdefault(index, step)
            last.setdefault(index, step)
        for index in _activations(graph, operator):
            first.setdefault(index, step)
            last[index] = step
    last.update(dict.fromkeys(graph.outputs, len(graph.operators) - 1))
    change = [0] * (len(graph.operators) + 1)
    for index, begin in first.items():
        if index >= 0 and not graph.tensors[index].constant:
            change[begin] += graph.tensors[index].size_bytes
            change[last[index] + 1] -= graph.tensors[index].size_bytes
    alive, peak = 0, 0
    for step in change:
        alive += step
        peak = max(peak, alive)
    return peak


def _per_channel_dense(graph: Graph) -> Iterator[str]:
    for operator in graph.operators:
        if operator.name == "FULLY_CONNECTED":
            tensor = _kernel(graph, operator)
            if len(tensor.scales) > 1:
                yield tensor.name


def _ends_in_softmax(graph: Graph) -> bool:
    if not graph.outputs:
        return False
    producers = {index: op for op in graph.operators for index in op.outputs}
    operator = producers.get(graph.outputs[0])
    for _ in graph.operators:  # bounded: a damaged file may hold a cycle
        if operator is None or operator.name not in _PASSES_SCORES_ON or not operator.inputs:
            break
        operator = producers.get(operator.inputs[0])
    return operator is not None and operator.name == "SOFTMAX"
