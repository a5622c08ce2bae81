"""What ``edgescale inspect`` shows of one ``.tflite`` file, as text and as a record.

A compiled file shows its package besides (see ``inspect_compiled``). Names in a file are foreign
and may be long; numbers in it may be larger than JSON can carry.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgescale.cli.inspect_compiled import compiled_facts, compiled_record, compiled_tables
from edgescale.cli.show import printable, table
from edgescale.edgetpu.flatbuffer import Graph, Operator, Tensor, read_graphs
from edgescale.edgetpu.model_file import ModelFile, TensorSpec, model_file_of
from edgescale.edgetpu.package import MOST_IN_JSON, CompiledModel, compiled_of
from edgescale.layer import Layer
from edgescale.units import count, mib

SCHEMA_VERSION = 1  # of the record of a .tflite file
_LONGEST_NAME = 60


@dataclass(frozen=True)
class FileContent:
    """A file and all that was read of it."""

    path: Path
    size_bytes: int
    model: ModelFile
    graphs: tuple[Graph, ...]
    compiled: CompiledModel | None


def read_file(path: Path) -> FileContent:
    """Reads a ``.tflite`` file, and the package in it if it is compiled.

    Raises:
        ModelFileError: missing, no TFLite model, or damaged.
    """
    graphs = read_graphs(path)
    compiled = compiled_of(path, graphs)
    model = model_file_of(path, graphs)
    return FileContent(path, path.stat().st_size, model, graphs, compiled)


def file_record(content: FileContent) -> dict[str, Any]:
    """Returns everything known of a model file as plain values."""
    model = content.model
    record = {
        "schema_version": SCHEMA_VERSION,
        "file": str(content.path),
        "size_bytes": content.size_bytes,
        **asdict(model),
        "compiled": content.compiled is not None,
        "layers": [
            {**asdict(layer), "macs": layer.macs, **_quantisation(content.graphs[0], layer)}
            for layer in model.layers
        ],
        "edgetpu": None if content.compiled is None else compiled_record(content.compiled),
    }
    return {key: _exact(value) for key, value in record.items()}


def file_text(content: FileContent, *, with_layers: bool) -> str:
    """Returns a model file as text: what it is, its tensors, its operators."""
    facts = list(_facts(content))
    width = max(len(name) for name, _ in facts)
    lines = [f"{name:<{width}}  {text}" for name, text in facts]
    if content.compiled is not None:
        lines += ["", *compiled_tables(content.compiled)]
    operators = [
        (short(operator.name), str(operator.version), str(operator.count))
        for operator in content.model.operators
    ]
    lines += ["", table(("operator", "version", "count"), operators)]
    if with_layers:
        lines += ["", _layers_table(content)]
    return "\n".join(lines)


def short(text: str) -> str:
    """Makes a foreign name safe and short enough for a line on the terminal."""
    safe = printable(text)
    return safe if len(safe) <= _LONGEST_NAME else f"{safe[: _LONGEST_NAME - 1]}\u2026"


def _facts(content: FileContent) -> Iterator[tuple[str, str]]:
    model, compiled = content.model, content.compiled
    yield "file", f"{printable(str(content.path))} ({mib(content.size_bytes)})"
    if compiled is None:
        yield "compiled for the Edge TPU", "no"
    else:
        yield from compiled_facts(compiled)
    where = "" if compiled is None else " on the CPU"
    if compiled is None or compiled.operators_on_cpu:
        yield f"MACs{where}", count(model.macs)
        yield f"weights{where}", mib(model.weight_bytes)
        yield f"peak activations{where}", mib(model.peak_activation_bytes)
    yield "scores", "softmax" if model.ends_in_softmax else "logits or unknown"
    for spec in model.inputs:
        yield "input", _tensor_text(spec)
    for spec in model.outputs:
        yield "output", _tensor_text(spec)
    for name in model.per_channel_dense:
        yield "per-channel dense weights", short(name)


def _tensor_text(spec: TensorSpec) -> str:
    shape = "x".join(str(size) for size in spec.shape) or "scalar"
    quantised = "not quantised"
    if spec.scales:
        zero_point = spec.zero_points[0] if spec.zero_points else 0
        quantised = f"scale {spec.scales[0]:.6g}, zero point {zero_point}"
    return f"{short(spec.name)} {spec.dtype} {shape}, {quantised}"


def _quantisation(graph: Graph, layer: Layer) -> dict[str, Any]:
    """Returns a layer's types and scales: of its output, and of its weights if it has any."""
    output, weights = _output(graph, layer), _weights(graph, layer)
    return {
        "dtype": output.dtype,
        "scale": output.scales[0] if output.scales else None,
        "zero_point": output.zero_points[0] if output.zero_points else None,
        "weights_dtype": weights.dtype if weights else None,
        "weight_scales": len(weights.scales) if weights else None,  # 1 is one for all channels
    }


def _operator(graph: Graph, layer: Layer) -> Operator:
    """Returns the operator of a layer, whose name ends in the operator's place."""
    return graph.operators[int(layer.name.rpartition("_")[2])]


def _output(graph: Graph, layer: Layer) -> Tensor:
    return graph.tensors[_operator(graph, layer).outputs[0]]


def _weights(graph: Graph, layer: Layer) -> Tensor | None:
    """Returns the largest constant an operator reads, which is its weights."""
    if not layer.weights:
        return None
    constants = [graph.tensors[i] for i in _operator(graph, layer).inputs if i >= 0]
    return max(constants, key=lambda tensor: tensor.constant * tensor.elements, default=None)


def _layers_table(content: FileContent) -> str:
    headings = ("layer", "input", "output", "kernel", "stride", "activation", "MACs", "weights",
                "dtype", "scale", "zero point", "weights dtype")  # fmt: skip
    return table(headings, [_layer_row(content.graphs[0], x) for x in content.model.layers])


def _layer_row(graph: Graph, layer: Layer) -> tuple[str, ...]:
    facts = _quantisation(graph, layer)
    scales = facts["weight_scales"]
    per = "" if scales is None or scales < 2 else f" per channel ({scales})"
    return (
        short(layer.name),
        "x".join(map(str, layer.input_shape)),
        "x".join(map(str, layer.output_shape)),
        str(layer.kernel),
        str(layer.stride),
        layer.activation,
        count(layer.macs),
        count(layer.weights),
        facts["dtype"],
        "-" if facts["scale"] is None else f"{facts['scale']:.6g}",
        "-" if facts["zero_point"] is None else str(facts["zero_point"]),
        "-" if facts["weights_dtype"] is None else facts["weights_dtype"] + per,
    )


def _exact(value: Any) -> Any:
    """Replaces whole numbers that not every reader of JSON keeps (zero points have 64 bits)."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, int) and abs(value) > MOST_IN_JSON:
        return None
    return value
