"""What the Edge TPU compiler made of a model, read from the compiled file itself.

On the device as on the workstation, without an Edge TPU library, a compiler or its log: on-chip and
streamed bytes, memory, instructions, runtime version, and what was left to the CPU.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgescale.edgetpu.custom_operator import COMPILED_OPERATOR
from edgescale.edgetpu.darwinn import Executable, Package, PackageReader, is_package
from edgescale.edgetpu.flatbuffer import Graph, Operator, read_graphs
from edgescale.edgetpu.flexbuffer import FlexMap
from edgescale.errors import ModelFileError
from edgescale.family.manifest import OperatorCount

NARROW_MEMORY_BYTES_PER_TILE = 196_608  # of the chip, libedgetpu's "beagle" configuration
# What older drivers lack: libedgetpu's runtime 14 came with its Grouper release of July 2021.
GROUPER_RUNTIME_VERSION = 14
MOST_CUSTOM_OPERATORS = 1_000
MOST_IN_JSON = 2**53  # beyond it, numbers are no longer exact in every reader of JSON

# Keys of the operator's options (libedgetpu, tflite/custom_op_data.cc).
_PACKAGE, _MORE_PACKAGES = "4", "7"


@dataclass(frozen=True)
class CompiledModel:
    """A compiled model; totals are over ``packages``, one (or one per chip) for each operator.

    Attributes:
        packages: what runs.
        alternatives: packages for other chips, of which the driver would run one instead.
        operators_on_cpu: what stands beside the Edge TPU's operators.
    """

    packages: tuple[Package, ...]
    alternatives: tuple[Package, ...]
    operators_on_cpu: tuple[OperatorCount, ...]

    @property
    def executables(self) -> tuple[Executable, ...]:
        """The programs of all packages."""
        return tuple(program for package in self.packages for program in package.executables)

    @property
    def on_chip_bytes(self) -> int:
        """Parameters that stay on the chip."""
        return sum(x.parameter_bytes for x in self.executables if _caches(x))

    @property
    def streamed_bytes(self) -> int:
        """Parameters that are sent with every inference."""
        return sum(x.parameter_bytes for x in self._running)

    @property
    def scratch_bytes(self) -> int:
        """Host memory in which the chip puts what does not fit."""
        return sum(x.scratch_bytes for x in self.executables)

    @property
    def instruction_bytes(self) -> int:
        """Instructions; those that run the model are sent with every inference."""
        return sum(x.instruction_bytes for x in self.executables)

    @property
    def narrow_memory_bytes_per_tile(self) -> int:
        """The most memory for activations that one program uses in a tile."""
        return max(x.narrow_memory_bytes_per_tile for x in self.executables)

    @property
    def estimated_cycles(self) -> int | None:
        """The compiler's estimate, or None where it wrote none (those since 2021)."""
        return sum(x.estimated_cycles or 0 for x in self.executables) or None

    @property
    def input_bytes(self) -> int:
        """Bytes of the input layers, padded."""
        return sum(y.size_bytes * y.executions for x in self._running for y in x.inputs)

    @property
    def output_bytes(self) -> int:
        """Bytes of the output layers, padded."""
        return sum(y.size_bytes * y.executions for x in self._running for y in x.outputs)

    @property
    def dma_input_bytes(self) -> int:
        """Input transfers the compiler planned: overlapping where an input is cut in parts."""
        return sum(x.dma_input_bytes for x in self.executables)

    @property
    def dma_output_bytes(self) -> int:
        """Output transfers the compiler planned; 0 where it left them to the driver."""
        return sum(x.dma_output_bytes for x in self.executables)

    @property
    def min_runtime_version(self) -> int:
        """The least runtime of libedgetpu that runs all packages."""
        return max(package.min_runtime_version for package in self.packages)

    @property
    def compiler_versions(self) -> tuple[str, ...]:
        """The compilers, each once; ``cl/`` is what Google's builds of 2021 left."""
        return tuple(dict.fromkeys(package.compiler_version for package in self.packages))

    @property
    def parameter_caching_tokens(self) -> tuple[int, ...]:
        """The tokens, each once; co-compiled models have the same."""
        return tuple(dict.fromkeys(x.parameter_caching_token for x in self.executables))

    @property
    def _running(self) -> tuple[Executable, ...]:
        return tuple(program for program in self.executables if not _caches(program))


def _caches(program: Executable) -> bool:
    return program.kind == "parameter-caching"


def read_compiled(path: Path | str) -> CompiledModel:
    """Reads a compiled model.

    Raises:
        ModelFileError: missing, damaged, or not compiled.
    """
    path = Path(path)
    found = find_compiled(path)
    if found is None:
        raise ModelFileError(
            f"{path}: not compiled for the Edge TPU (no operator holds a package of its compiler);"
            " give the file that 'edgetpu_compiler' wrote"
        )
    return found


def find_compiled(path: Path) -> CompiledModel | None:
    """Reads a compiled model, or returns None for one that is not.

    Raises:
        ModelFileError: missing or damaged.
    """
    return compiled_of(path, read_graphs(path))


def compiled_of(path: Path, graphs: tuple[Graph, ...]) -> CompiledModel | None:
    """Finds the packages in graphs that were read already; ``path`` is for messages.

    Raises:
        ModelFileError: a damaged package, or an Edge TPU operator without one.
    """
    reader, on_cpu = PackageReader(), Counter[tuple[str, int]]()
    packages: list[Package] = []
    alternatives: list[Package] = []
    searched = 0
    for operator in (operator for graph in graphs for operator in graph.operators):
        searched += bool(operator.custom_options)
        if searched > MOST_CUSTOM_OPERATORS:
            raise ModelFileError(f"{path}: more than {MOST_CUSTOM_OPERATORS} custom operators")
        contents = _package_bytes(path, operator)
        if not contents:
            on_cpu[operator.name, operator.version] += 1
            continue
        packages += _packages(path, reader, contents[:1])
        alternatives += _packages(path, reader, contents[1:])
    if not packages:
        return None
    counts = tuple(OperatorCount(*key, count) for key, count in sorted(on_cpu.items()))
    compiled = CompiledModel(tuple(packages), tuple(alternatives), counts)
    _check_totals(path, compiled)
    return compiled


def _package_bytes(path: Path, operator: Operator) -> tuple[memoryview, ...]:
    """Returns the packages in an operator's options, found by content, whatever its name."""
    named = operator.name == COMPILED_OPERATOR
    try:
        options = FlexMap(operator.custom_options)
        first = options.value(_PACKAGE)
        if isinstance(first, memoryview) and is_package(first):
            more = options.value(_MORE_PACKAGES)
            items = more if isinstance(more, tuple) else ()
            return (first, *(item for item in items if isinstance(item, memoryview)))
    except ValueError as problem:
        if named:
            raise _damaged(path, f"{problem} in its Edge TPU operator") from problem
    if named:
        raise _damaged(path, "its Edge TPU operator holds no package")
    return ()


def _packages(
    path: Path, reader: PackageReader, contents: Iterable[memoryview]
) -> tuple[Package, ...]:
    try:
        return tuple(package for content in contents for package in reader.packages(content))
    except ValueError as problem:
        raise _damaged(path, f"{problem} in its package") from problem


def _check_totals(path: Path, compiled: CompiledModel) -> None:
    totals = (compiled.estimated_cycles or 0, compiled.input_bytes, compiled.output_bytes)
    if max(totals) > MOST_IN_JSON:
        raise _damaged(path, "impossibly large sizes in its package")


def _damaged(path: Path, what: str) -> ModelFileError:
    return ModelFileError(f"{path}: damaged compiled model ({what}); copy or compile it again")
