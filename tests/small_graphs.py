"""Graphs of a few operators as records, for rules that need no file."""

import struct
from collections.abc import Sequence

from edgescale.edgetpu.flatbuffer import Graph, Operator, Tensor
from edgescale.edgetpu.schema import OPTIONS

_FORMS = {"int8": "b", "uint8": "B", "int32": "i"}


def tensor(
    name: str,
    shape: Sequence[int],
    dtype: str = "int8",
    *,
    scales: Sequence[float] = (0.5,),
    values: Sequence[int] | None = None,
) -> Tensor:
    """Returns a tensor with one scale; a constant where it has values (or one, repeated)."""
    found = Tensor(name, tuple(shape), dtype, tuple(scales), (0,) * len(scales), False)
    if values is None:
        return found
    repeated = list(values) * (found.elements if len(values) == 1 else 1)
    data = struct.pack(f"<{len(repeated)}{_FORMS[dtype]}", *repeated)
    return Tensor(
        name, tuple(shape), dtype, tuple(scales), found.zero_points, True, data=memoryview(data)
    )


def operator(
    name: str, inputs: Sequence[int], outputs: Sequence[int], *, activation: str = "none",
    **options: int,
) -> Operator:  # fmt: skip
    """Returns an operator of version 1 with its options, the schema's defaults for the rest."""
    known = OPTIONS[name].fields if name in OPTIONS else {}
    defaults = {option: field.default for option, field in known.items()}
    return Operator(
        name, 1, tuple(inputs), tuple(outputs), 1, 1, activation, options=defaults | options
    )


def graph(
    tensors: Sequence[Tensor],
    operators: Sequence[Operator],
    inputs: Sequence[int] = (0,),
    outputs: Sequence[int] = (1,),
) -> Graph:
    """Returns a graph from its first tensor to its second, unless said otherwise."""
    return Graph(tuple(tensors), tuple(operators), tuple(inputs), tuple(outputs))
