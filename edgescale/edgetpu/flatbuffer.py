"""A ``.tflite`` file as plain records: the graphs, their tensors and their operators.

The only file that reads by the TFLite schema. A model is foreign input: every count is bounded and
every offset checked, so that junk ends in one sentence and never in a traceback or in gigabytes.
Neither numpy nor a runtime is imported; constants stay views of the file.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from edgescale.edgetpu.model_bytes import model_bytes
from edgescale.edgetpu.schema import ACTIVATIONS, OPERATORS, OPTIONS, TYPES, Field, TfliteTable
from edgescale.errors import ModelFileError

MOST_TENSORS = 100_000
MOST_OPERATORS = 10_000  # of all graphs; networks have hundreds
MOST_EDGES = 1_000_000  # operator inputs and outputs together
MOST_SCALES = 100_000
MOST_ENDS = 1_000  # inputs, or outputs, of a graph
MOST_DIMENSIONS = 8
MOST_MACS = 2**53  # what JSON carries exactly
_LONGEST_NAME = 1_000
MOST_NAME_BYTES = 5_000_000  # those of Coral's models are 50 KB at most
MOST_VALUES = 2_000_000  # of a constant, as Python's numbers of up to 36 bytes; as lint has it

_ITEM_BYTES = {
    "float16": 2, "float32": 4, "float64": 8, "bool": 1, "int8": 1, "uint8": 1, "int16": 2,
    "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "bfloat16": 2,
}  # fmt: skip
_WHOLE_NUMBERS = {"int8": "b", "uint8": "B", "int16": "h", "int32": "i", "int64": "q"}
# What the reader raises when an offset or a count is not what it should be.
_READER_ERRORS = (struct.error, ValueError, IndexError, KeyError, OverflowError)


@dataclass(frozen=True)
class Tensor:
    """A tensor as the file describes it; ``constant`` ones (weights) have their data in it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]  # as they stand in the file: infinity and NaN among them
    zero_points: tuple[int, ...]
    constant: bool
    shape_signature: tuple[int, ...] = ()  # the shape with -1 for open sizes, where it is given
    quantised_dimension: int = 0  # that of the scales, where there are several
    data: memoryview = field(default=memoryview(b""), repr=False, compare=False)

    @property
    def elements(self) -> int:
        """Number of elements; an open dimension counts as one."""
        return prod(max(1, size) if size < 0 else size for size in self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes as stored; a type of less than a byte or of no fixed size counts as one."""
        return self.elements * _ITEM_BYTES.get(self.dtype, 1)

    def values(self) -> tuple[int, ...]:
        """Returns the whole numbers of a constant; empty for any other tensor, or a huge one."""
        form = _WHOLE_NUMBERS.get(self.dtype)
        sparse = len(self.data) != self.size_bytes  # which has a layout of its own
        if form is None or sparse or self.elements > MOST_VALUES:
            return ()
        return struct.unpack(f"<{self.elements}{form}", self.data)


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
    # Of a custom operator, as they stand in the file.
    custom_options: memoryview = field(default=memoryview(b""), repr=False, compare=False)
    options: Mapping[str, int] = field(default_factory=dict)  # named as in schema.OPTIONS


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
    content = model_bytes(path)
    try:
        graphs = _Reader(path, memoryview(content)).graphs()
    except _READER_ERRORS as problem:
        raise ModelFileError(
            f"{path}: damaged TFLite model (an offset or a count leads out of the file); copy or"
            " convert it again"
        ) from problem
    if not graphs or not graphs[0].operators:
        raise ModelFileError(f"{path}: a TFLite model without operators; convert it again")
    return graphs


class _Reader:
    """Walks the file's tables, counting what it has read; slots are those of schema.fbs."""

    def __init__(self, path: Path, content: memoryview) -> None:
        self._path = path
        self._content = content
        self._model = TfliteTable(content, struct.unpack_from("<I", content)[0])
        self._codes = self._bounded_children(self._model, 1, "operator codes", most=MOST_TENSORS)
        self._buffers = self._bounded_children(self._model, 4, "buffers", most=2 * MOST_TENSORS)
        self._edges = 0
        self._tensors = 0
        self._operators = 0
        self._custom_bytes = 0
        self._name_bytes = 0
        self._names: dict[int, str] = {}  # of operator codes
        self._data: dict[int, memoryview] = {}

    def graphs(self) -> tuple[Graph, ...]:
        found = self._bounded_children(self._model, 2, "subgraphs", most=1_000)
        return tuple(self._graph(table) for table in found)

    def _graph(self, graph: TfliteTable) -> Graph:
        self._tensors += graph.length(0)
        self._bounded(self._tensors, "tensors", most=MOST_TENSORS)
        tensors = tuple(self._tensor(table) for table in graph.tables(0))
        self._operators += graph.length(3)
        self._bounded(self._operators, "operators", most=MOST_OPERATORS)
        return Graph(
            tensors=tensors,
            operators=tuple(self._operator(table, len(tensors)) for table in graph.tables(3)),
            inputs=self._ends(graph, 1, tensors),
            outputs=self._ends(graph, 2, tensors),
        )

    def _ends(self, graph: TfliteTable, slot: int, tensors: tuple[Tensor, ...]) -> tuple[int, ...]:
        self._bounded(graph.length(slot), "inputs or outputs", most=MOST_ENDS)
        indices = self._indices(graph, slot, len(tensors))
        if -1 in indices:
            raise IndexError("no such tensor")
        for end in (tensors[i] for i in indices):  # shown in full as often as the list names it
            self._count_edges(len(end.scales) + len(end.zero_points))
            self._count_name(len(end.name))
        return indices

    def _tensor(self, tensor: TfliteTable) -> Tensor:
        data = self._data_of(tensor.number(Field(2, "<I")))
        scales, zero_points, dimension = self._quantisation(tensor.table(4))
        found = Tensor(
            name=self._text(tensor, 3),
            shape=self._shape(tensor, 0),
            dtype=TYPES[tensor.number(Field(1))],
            scales=scales,
            zero_points=zero_points,
            constant=len(data) > 0,
            shape_signature=self._shape(tensor, 7),
            quantised_dimension=dimension,
            data=data,
        )
        self._bounded(found.size_bytes, "bytes in a tensor", most=MOST_MACS)
        sparse = tensor.table(6) is not None
        if found.constant and not sparse and found.dtype in _ITEM_BYTES:
            self._check_data(found)
        return found

    def _shape(self, tensor: TfliteTable, slot: int) -> tuple[int, ...]:
        self._bounded(tensor.length(slot), "dimensions", most=MOST_DIMENSIONS)
        shape = tensor.ints(slot)
        if any(size < -1 for size in shape):
            raise ValueError("a negative dimension")
        return shape

    def _check_data(self, tensor: Tensor) -> None:
        if len(tensor.data) != tensor.size_bytes:
            raise ModelFileError(
                f"{self._path}: damaged TFLite model (tensor {tensor.name!r} needs"
                f" {tensor.size_bytes} bytes of weights, the file holds {len(tensor.data)}); copy"
                " or convert it again"
            )

    def _quantisation(
        self, found: TfliteTable | None
    ) -> tuple[tuple[float, ...], tuple[int, ...], int]:
        if found is None:
            return (), (), 0
        self._bounded(found.length(2), "scales", most=MOST_SCALES)
        self._bounded(found.length(3), "zero points", most=MOST_SCALES)
        self._count_edges(found.length(2) + found.length(3))
        return found.floats(2), found.ints(3, "q"), found.number(Field(6, "<i"))

    def _data_of(self, index: int) -> memoryview:
        """Returns what a buffer holds: nothing in the first one, which activations name."""
        if index == 0:  # by convention the empty buffer, even where there is none
            return self._content[:0]
        if index not in self._data:
            buffer = self._buffers[index]
            data = buffer.bytes_view(0)
            offset, size_bytes = buffer.number(Field(1, "<Q")), buffer.number(Field(2, "<Q"))
            if not data and offset > 1:  # data behind the flatbuffer, as files of 2 GiB have it
                if offset + size_bytes > len(self._content):
                    raise IndexError("data outside the file")
                data = self._content[offset : offset + size_bytes]
            self._data[index] = data
        return self._data[index]

    def _operator(self, operator: TfliteTable, tensors: int) -> Operator:
        index = operator.number(Field(0, "<I"))
        code = self._codes[index]
        number = max(code.number(Field(3, "<i")), code.number(Field(0)))
        name = OPERATORS.get(number, f"BUILTIN_{number}")
        options = _options(operator, name)
        return Operator(
            name=self._custom_name(index) if name == "CUSTOM" else name,
            version=code.number(Field(2, "<i", 1)),
            inputs=self._indices(operator, 1, tensors),
            outputs=self._indices(operator, 2, tensors),
            stride=max(1, options.get("stride_h", 1)),
            kernel=max(1, options.get("kernel_h", 1)),
            activation=ACTIVATIONS[options.get("activation", 0)],
            custom_options=self._custom_options(operator, name),
            options=options,
        )

    def _custom_name(self, index: int) -> str:
        if index not in self._names:
            name = self._text(self._codes[index], 1) or "CUSTOM"
            built_in = name in OPERATORS.values()  # a foreign operator under TFLite's name for one
            self._names[index] = f"CUSTOM {name}" if built_in and name != "CUSTOM" else name
        return self._names[index]

    def _custom_options(self, operator: TfliteTable, name: str) -> memoryview:
        found = operator.bytes_view(5) if name == "CUSTOM" else self._content[:0]
        self._custom_bytes += len(found)
        if self._custom_bytes > len(self._content):  # operators that share theirs, to seem more
            raise ValueError("more custom options than the file has bytes")
        return found

    def _indices(self, table: TfliteTable, slot: int, tensors: int) -> tuple[int, ...]:
        self._count_edges(table.length(slot))
        indices = table.ints(slot)
        if any(not -1 <= index < tensors for index in indices):
            raise IndexError("no such tensor")
        return indices

    def _count_edges(self, more: int) -> None:
        self._edges += more
        self._bounded(self._edges, "scales and connections", most=MOST_EDGES)

    def _text(self, table: TfliteTable, slot: int) -> str:
        found = table.bytes_view(slot)[:_LONGEST_NAME]
        self._count_name(len(found))
        return bytes(found).decode("utf-8", "replace")

    def _count_name(self, size_bytes: int) -> None:
        """Refuses names that share their bytes, which makes a small file fill memory."""
        self._name_bytes += size_bytes
        most = min(2 * len(self._content), MOST_NAME_BYTES)  # as a tensor, and as an end
        self._bounded(self._name_bytes, "bytes of names", most=most)

    def _bounded_children(
        self, table: TfliteTable, slot: int, what: str, *, most: int
    ) -> tuple[TfliteTable, ...]:
        self._bounded(table.length(slot), what, most=most)
        return tuple(table.tables(slot))

    def _bounded(self, number: int, what: str, *, most: int) -> int:
        if number > most:
            raise ModelFileError(
                f"{self._path}: {number} {what}, more than the {most} edgescale reads; the file is"
                " damaged or no image classifier"
            )
        return number


def _options(operator: TfliteTable, name: str) -> dict[str, int]:
    """Reads the options of an operator; all defaults where they are left out or another's."""
    known = OPTIONS.get(name)
    if known is None:
        return {}
    table = operator.table(4)
    if table is None or operator.number(Field(3, "<B")) != known.number:
        return {option: place.default for option, place in known.fields.items()}
    return {option: table.number(place) for option, place in known.fields.items()}
