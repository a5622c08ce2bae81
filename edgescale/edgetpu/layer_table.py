"""A network's published layer table as layer records: what is known where there is no model file.

A table is a list of records with ``op`` (conv, dw, fc, pool, gap, add, concat), ``kernel``
(height, width), ``stride``, ``in`` and ``out`` shapes as height, width, channels.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from edgescale.errors import ModelFileError
from edgescale.layer import Layer, Shape

_OPERATIONS = {
    "conv": "conv",
    "dw": "depthwise",
    "fc": "dense",
    "gap": "average_pool",
    "pool": "max_pool_2d",
    "add": "add",
    "concat": "concatenation",
}


def layers_from_table(table: Sequence[Mapping[str, Any]]) -> tuple[Layer, ...]:
    """Reads a layer table; a table has no connections, so each layer is said to read the last.

    Raises:
        ModelFileError: an unknown operation, or a record that lacks a shape.
    """
    try:
        return tuple(_layers(table))
    except (KeyError, TypeError, ValueError, IndexError) as problem:
        raise ModelFileError(
            f"the layer table cannot be read ({problem!r}); each layer needs 'op' (one of"
            f" {', '.join(_OPERATIONS)}), 'in' and 'out', and a convolution its 'kernel'"
        ) from problem


def _layers(table: Sequence[Mapping[str, Any]]) -> Iterator[Layer]:
    before = "input"
    for index, record in enumerate(table):
        operation = _OPERATIONS[record["op"]]
        source, output = _shape(record["in"][0]), _shape(record["out"])
        if operation == "dense":
            source = (1, 1, prod(source))
        height, width = record.get("kernel", (1, 1))
        channels = {"conv": source[2], "dense": source[2], "depthwise": 1}.get(operation, 0)
        name = f"{operation}_{index}"
        yield Layer(
            name=name,
            operation=operation,
            inputs=(before,),
            input_shape=source,
            output_shape=output,
            kernel=int(height),
            stride=int(record.get("stride", 1)),
            weights=int(height * width) * channels * output[2],
            biases=output[2] if channels else 0,
        )
        before = name


def _shape(sizes: Sequence[int]) -> Shape:
    if not 1 <= len(sizes) <= 3 or any(type(size) is not int or size < 1 for size in sizes):
        raise ValueError(f"a shape of {list(sizes)}")
    height, width, channels = (*(1,) * (3 - len(sizes)), *sizes)
    return height, width, channels
