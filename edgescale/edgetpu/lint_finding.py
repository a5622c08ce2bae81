"""What a lint says, and an operator together with its tensors, which every rule looks at."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from edgescale.edgetpu.flatbuffer import Graph, Operator, Tensor
from edgescale.edgetpu.op_versions import PARAMETERS

EIGHT_BIT = ("int8", "uint8")
FLOATS = ("float32", "float16", "float64", "bfloat16")
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Finding:
    """One rule that one operator or tensor breaks."""

    rule: str
    level: str  # "error": it will not map, or compute something else; "warning": it maps, but
    where: str
    what: str
    mend: str


@dataclass(frozen=True)
class Node:
    """An operator of a graph and its place in it; an optional input left out is ``None``."""

    graph: Graph
    index: int

    @property
    def operator(self) -> Operator:
        """The operator itself."""
        return self.graph.operators[self.index]

    @property
    def name(self) -> str:
        """The operator's name, as TFLite calls it."""
        return self.operator.name

    @cached_property
    def inputs(self) -> tuple[Tensor | None, ...]:
        """Every input, parameters too."""
        return tuple(None if i < 0 else self.graph.tensors[i] for i in self.operator.inputs)

    @cached_property
    def outputs(self) -> tuple[Tensor, ...]:
        """Every output."""
        return tuple(self.graph.tensors[i] for i in self.operator.outputs if i >= 0)

    @cached_property
    def sources(self) -> tuple[Tensor, ...]:
        """The inputs that are computed: neither parameters nor other constants."""
        parameters = PARAMETERS.get(self.name, {})
        return tuple(
            tensor
            for place, tensor in enumerate(self.inputs)
            if tensor is not None and not tensor.constant and place not in parameters
        )

    @property
    def activations(self) -> Iterator[Tensor]:
        """Computed inputs and outputs."""
        yield from self.sources
        yield from self.outputs

    @property
    def label(self) -> str:
        """How the user finds it: its number and name, and the tensor it writes."""
        written = f" ({tensor_name(self.outputs[0])})" if self.outputs else ""
        return f"operator {self.index} {self.name}{written}"

    def parameter(self, place: int) -> Tensor | None:
        """Returns an input by its place, ``None`` where there is none."""
        return self.inputs[place] if place < len(self.inputs) else None

    def error(self, rule: str, what: str, mend: str) -> Finding:
        """Returns an error of this operator."""
        return Finding(rule, "error", self.label, what, mend)

    def warning(self, rule: str, what: str, mend: str) -> Finding:
        """Returns a warning of this operator."""
        return Finding(rule, "warning", self.label, what, mend)


def size_text(shape: tuple[int, ...]) -> str:
    """Returns a shape as ``1x256x128x3``."""
    return "x".join(map(str, shape)) or "scalar"


def tensor_name(tensor: Tensor) -> str:
    """Returns a tensor's name in quotes; converters join the names of fused layers to long ones."""
    name = tensor.name
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}...")
