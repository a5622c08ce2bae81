"""A ``.tflite`` file as plain records: the graphs, their tensors and their operators.

The only file that reads by the TFLite schema. A model is foreign input: every count is bounded and
every offset checked, so that junk ends in one sentence and never in a traceback or in gigabytes.
"""

import stat
import struct
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any

from edgescale.edgetpu.schema import generated_schema
from edgescale.errors import ModelFileError

IDENTIFIER = b"TFL3"
LARGEST_FILE_BYTES = 2**31
MOST_TENSORS = 100_000
MOST_EDGES = 1_000_000  # operator inputs and outputs together
MOST_SCALES = 100_000
MOST_DIMENSIONS = 8
MOST_MACS = 2**53  # what JSON carries exactly

_ITEM_BYTES = {
    "float16": 2, "float32": 4, "float64": 8, "bool": 1, "int8": 1, "uint8": 1, "int16": 2,
    "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "bfloat16": 2,
}  # fmt: skip
_OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "ADD": "AddOptions",
}
# What the generated reader raises when an offset or a count is not what it should be.
_READER_ERRORS = (
    struct.error, ValueError, TypeError, IndexError, AttributeError, AssertionError, KeyError,
    OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A tensor as the file describes it; ``constant`` ones (weights) have their data in it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    constant: bool

    @property
    def elements(self) -> int:
        """Number of elements; an open dimension counts as one."""
        return prod(max(1, size) if size < 0 else size for size in self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes as stored; a type of less than a byte or of no fixed size counts as one."""
        return self.elements * _ITEM_BYTES.get(self.dtype, 1)


@dataclass(frozen=True)
class Operator:
    """One node: name (the custom one where it is custom), version, tensor indices, options."""

    name: str
    version: int
    inputs: tuple[int, ...]  # -1 for an optional input left out
    outputs: tuple[int, ...]
    stride: int
    kernel: int  # of pooling; a convolution has it in the shape of its weights
    activation: str


@dataclass(frozen=True)
class Graph:
    """One subgraph; ``inputs`` and ``outputs`` are tensor indices."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graphs(path: Path) -> tuple[Graph, ...]:
    """Reads every subgraph of a ``.tflite`` file.

    Raises:
        ModelFileError: missing, not a TFLite model, damaged, or too large.
    """
    content = _content(path)
    try:
        graphs = _Reader(path, content).graphs()
    except _READER_ERRORS as problem:
        raise ModelFileError(
            f"{path}: damaged TFLite model (an offset or a count leads out of the file); copy or"
            " convert it again"
        ) from problem
    if not graphs or not graphs[0].operators:
        raise ModelFileError(f"{path}: a TFLite model without operators; convert it again")
    return graphs


def _content(path: Path) -> bytes:
    try:
        facts = path.stat()
        size_bytes = facts.st_size
        if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            raise ModelFileError(f"{path}: no regular file; give a .tflite file")
        if size_bytes > LARGEST_FILE_BYTES:
            raise ModelFileError(f"{path}: {size_bytes} bytes; a TFLite model has at most 2 GiB")
        content = path.read_bytes()
    except OSError as problem:
        raise ModelFileError(
            f"{path}: cannot be read ({problem.strerror}); give a .tflite file"
        ) from problem
    if not content:
        raise ModelFileError(f"{path}: the file is empty; copy or convert it again")
    if len(content) < 16 or content[4:8] != IDENTIFIER:
        raise ModelFileError(
            f"{path}: not a TFLite model (bytes 4 to 8 are not 'TFL3'); give a .tflite file"
        )
    return content


class _Reader:
    """Walks the generated accessors, counting what it has read."""

    def __init__(self, path: Path, content: bytes) -> None:
        schema = generated_schema()
        self._schema = schema
        self._path = path
        self._content = content
        self._model = schema.Model.GetRootAs(content, 0)
        self._edges = 0
        self._tensors = 0
        self._operators = 0
        self._data_bytes: dict[int, int] = {}
        self._types = {
            number: name.lower()
            for name, number in vars(schema.TensorType).items()
            if not name.startswith("_")
        }
        self._activations = {
            number: name.lower()
            for name, number in vars(schema.ActivationFunctionType).items()
            if not name.startswith("_")
        }
        self._names = {
            number: name
            for name, number in vars(schema.BuiltinOperator).items()
            if not name.startswith("_")
        }

    def graphs(self) -> tuple[Graph, ...]:
        count = self._bounded(self._model.SubgraphsLength(), "subgraphs", most=1_000)
        return tuple(self._graph(self._model.Subgraphs(index)) for index in range(count))

    def _graph(self, graph: Any) -> Graph:
        self._tensors += graph.TensorsLength()
        self._bounded(self._tensors, "tensors", most=MOST_TENSORS)
        tensors = tuple(self._tensor(graph.Tensors(i)) for i in range(graph.TensorsLength()))
        operators = graph.OperatorsLength()
        self._operators += operators
        self._bounded(self._operators, "operators", most=MOST_TENSORS)
        return Graph(
            tensors=tensors,
            operators=tuple(
                self._operator(graph.Operators(i), len(tensors)) for i in range(operators)
            ),
            inputs=self._ends(graph.InputsLength(), graph.InputsAsNumpy, len(tensors)),
            outputs=self._ends(graph.OutputsLength(), graph.OutputsAsNumpy, len(tensors)),
        )

    def _ends(self, length: int, values: Any, tensors: int) -> tuple[int, ...]:
        indices = self._indices(length, values, tensors)
        if -1 in indices:
            raise IndexError("no such tensor")
        return indices

    def _tensor(self, tensor: Any) -> Tensor:
        rank = self._bounded(tensor.ShapeLength(), "dimensions", most=MOST_DIMENSIONS)
        shape = tuple(int(tensor.Shape(i)) for i in range(rank))
        if any(size < -1 for size in shape):
            raise ValueError("a negative dimension")
        name = _text(tensor.Name())
        scales, zero_points = self._quantisation(tensor.Quantization())
        found = Tensor(
            name=name,
            shape=shape,
            dtype=self._types[tensor.Type()],
            scales=scales,
            zero_points=zero_points,
            constant=self._data(tensor.Buffer()) > 0,
        )
        self._bounded(found.size_bytes, "bytes in a tensor", most=MOST_MACS)
        sparse = tensor.Sparsity() is not None
        if found.constant and not sparse and found.dtype in _ITEM_BYTES:
            self._check_data(found, self._data(tensor.Buffer()))
        return found

    def _check_data(self, tensor: Tensor, held_bytes: int) -> None:
        if held_bytes != tensor.size_bytes:
            raise ModelFileError(
                f"{self._path}: damaged TFLite model (tensor {tensor.name!r} needs"
                f" {tensor.size_bytes} bytes of weights, the file holds {held_bytes}); copy or"
                " convert it again"
            )

    def _quantisation(self, found: Any) -> tuple[tuple[float, ...], tuple[int, ...]]:
        if found is None:
            return (), ()
        self._bounded(found.ScaleLength(), "scales", most=MOST_SCALES)
        self._bounded(found.ZeroPointLength(), "zero points", most=MOST_SCALES)
        self._edges += found.ScaleLength() + found.ZeroPointLength()
        self._bounded(self._edges, "scales and connections", most=MOST_EDGES)
        scales = tuple(found.ScaleAsNumpy().tolist()) if found.ScaleLength() else ()
        if not all(map(isfinite, scales)):
            raise ModelFileError(
                f"{self._path}: damaged TFLite model (a scale is no finite number); convert it"
                " again"
            )
        return (
            scales,
            tuple(found.ZeroPointAsNumpy().tolist()) if found.ZeroPointLength() else (),
        )

    def _data(self, index: int) -> int:
        """Returns how many bytes a buffer holds, 0 for the empty one of activations."""
        if index == 0:  # by convention the empty buffer, even where there is none
            return 0
        if index not in self._data_bytes:
            if index >= self._model.BuffersLength():
                raise IndexError("no such buffer")
            buffer = self._model.Buffers(index)
            size_bytes = int(buffer.DataLength())
            if size_bytes:
                buffer.DataAsNumpy()  # raises where the data would lie outside the file
            elif buffer.Offset() > 1:  # data behind the flatbuffer, as files of 2 GiB have it
                size_bytes = int(buffer.Size())
                if buffer.Offset() + size_bytes > len(self._content):
                    raise IndexError("data outside the file")
            self._data_bytes[index] = size_bytes
        return self._data_bytes[index]

    def _operator(self, operator: Any, tensors: int) -> Operator:
        if operator.OpcodeIndex() >= self._model.OperatorCodesLength():
            raise IndexError("no such operator code")
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = self._names.get(number, f"BUILTIN_{number}")
        stride, kernel, activation = self._options(operator, name)
        return Operator(
            name=_text(code.CustomCode()) or "CUSTOM" if name == "CUSTOM" else name,
            version=int(code.Version()),
            inputs=self._indices(operator.InputsLength(), operator.InputsAsNumpy, tensors),
            outputs=self._indices(operator.OutputsLength(), operator.OutputsAsNumpy, tensors),
            stride=stride,
            kernel=kernel,
            activation=activation,
        )

    def _options(self, operator: Any, name: str) -> tuple[int, int, str]:
        table = operator.BuiltinOptions()
        if table is None or name not in _OPTIONS:
            return 1, 1, "none"
        options = getattr(self._schema, _OPTIONS[name])()
        options.Init(table.Bytes, table.Pos)
        stride = int(options.StrideH()) if hasattr(options, "StrideH") else 1
        kernel = int(options.FilterHeight()) if hasattr(options, "FilterHeight") else 1
        activation = getattr(options, "FusedActivationFunction", int)()
        return max(1, stride), max(1, kernel), self._activations[activation]

    def _indices(self, length: int, values: Any, tensors: int) -> tuple[int, ...]:
        if length == 0:
            return ()
        self._edges += length
        self._bounded(self._edges, "scales and connections", most=MOST_EDGES)
        indices = tuple(int(value) for value in values().tolist())
        if any(not -1 <= index < tensors for index in indices):
            raise IndexError("no such tensor")
        return indices

    def _bounded(self, number: int, what: str, *, most: int) -> int:
        if number > most:
            raise ModelFileError(
                f"{self._path}: {number} {what}, more than the {most} edgescale reads; the file is"
                " damaged or no image classifier"
            )
        return number


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw[:1_000].decode("utf-8", "replace")
