"""A DarwiNN package, what the Edge TPU's driver runs, as plain records.

The lengths of parameters and instructions in it say what stays on the chip and what is sent again
with every image, with no log of the compiler. Field numbers and enums as in libedgetpu's
``executable/executable.fbs``; every compiled file of Coral's test data was read with them.
"""

from dataclasses import dataclass

from edgescale.edgetpu.flatbuffer_table import Table

IDENTIFIER = b"DWN1"
# Over all packages of a file; Coral's have at most 25 parts and 173 characters of names. They keep
# a small file, whose parts and names may share their bytes, from a long read and a longer record.
MOST_ITEMS = 5_000
MOST_TEXT = 100_000  # characters

_KINDS = {0: "stand-alone", 1: "parameter-caching", 2: "execution-only"}
_DTYPES = {0: "uint8", 1: "uint16", 2: "int32", 3: "bfloat16", 4: "float16", 5: "float32",
           8: "int8", 9: "int16"}  # fmt: skip
_DESCRIPTOR = 1  # of the hints, the one that is a transfer; others are instructions, interrupts
_OUTPUT, _INPUT = 0, 1  # what a transfer carries; 2 is parameters, 3 is scratch


@dataclass(frozen=True)
class PackageLayer:
    """An input or output as the chip has it; ``size_bytes`` is padded, for one execution.

    ``zero_point`` is as stored: of signed types it counts from the least value, so that int8's is
    128 more than TFLite's.
    """

    name: str
    size_bytes: int
    height: int
    width: int
    channels: int
    dtype: str
    zero_point: int
    scale: float
    executions: int  # per inference; more than one where a recurrent layer is unrolled


@dataclass(frozen=True)
class Executable:
    """One program of a package; ``kind`` says what its parameters are.

    Those of ``parameter-caching`` stay on the chip, those of ``execution-only`` and
    ``stand-alone`` are sent with every inference.
    """

    kind: str
    name: str
    chip: str
    batch_size: int
    parameter_bytes: int
    scratch_bytes: int
    instruction_bytes: int
    narrow_memory_bytes_per_tile: int
    estimated_cycles: int | None  # compilers since 2021 leave it out
    parameter_caching_token: int  # the same in co-compiled models, which share the memory
    dma_input_bytes: int  # transfers the compiler planned; more than the layers where they overlap
    dma_output_bytes: int  # 0 where the compiler left the transfers to the driver
    inputs: tuple[PackageLayer, ...]
    outputs: tuple[PackageLayer, ...]


@dataclass(frozen=True)
class Package:
    """What one custom operator holds for one chip."""

    min_runtime_version: int
    compiler_version: str
    model_identifier: str
    virtual_chip_id: int
    executables: tuple[Executable, ...]


def is_package(content: memoryview) -> bool:
    """Says whether bytes are a package, by its identifier."""
    return len(content) > 8 and content[4:8] == IDENTIFIER


class PackageReader:
    """Reads packages, counting what it has read over all of them.

    Raises:
        ValueError: a damaged package; by every method.
    """

    def __init__(self) -> None:
        """Starts the count."""
        self._items = 0
        self._text = 0  # characters of names
        self._left_bytes = 0  # of a package, that no program has claimed

    def packages(self, content: memoryview) -> tuple[Package, ...]:
        """Reads a package, or the packages for several chips that stand in one."""
        root = Table.root(content)
        self._left_bytes = len(content)
        if not self._count(root, 6):
            return (self._package(root),)
        parts = (part.bytes_view(0) for part in root.tables(6))
        return tuple(self._package(Table.root(part)) for part in parts)

    def _package(self, package: Table) -> Package:
        programs = Table.root(package.bytes_view(1))
        if not self._count(programs, 0):
            raise ValueError("a package without an executable")
        return Package(
            min_runtime_version=_not_negative(package.int32(0)),
            compiler_version=self._name(package, 4),
            model_identifier=self._name(package, 7),
            virtual_chip_id=package.int32(5),
            executables=tuple(
                self._executable(Table.root(program)) for program in programs.byte_strings(0)
            ),
        )

    def _executable(self, program: Table) -> Executable:
        dma_input_bytes, dma_output_bytes = self._transfers(program.table(7))
        return Executable(
            kind=_kind(program.int16(13)),
            name=self._name(program, 1),
            chip=self._name(program, 10),
            batch_size=_not_negative(program.int32(3)),
            parameter_bytes=self._claimed(program.bytes_view(6)),
            scratch_bytes=_not_negative(program.int32(4)),
            instruction_bytes=self._instruction_bytes(program),
            narrow_memory_bytes_per_tile=_not_negative(program.int32(12)),
            estimated_cycles=_not_negative(program.int64(16) or program.int32(11)) or None,
            parameter_caching_token=program.uint64(14),
            dma_input_bytes=dma_input_bytes,
            dma_output_bytes=dma_output_bytes,
            inputs=self._layers(program, 8),
            outputs=self._layers(program, 9),
        )

    def _instruction_bytes(self, program: Table) -> int:
        self._count(program, 5)
        return sum(self._claimed(stream.bytes_view(0)) for stream in program.tables(5))

    def _transfers(self, hints: Table | None) -> tuple[int, int]:
        """Adds up the bytes of input and output that the hints plan."""
        size_bytes = {_INPUT: 0, _OUTPUT: 0}
        if hints is not None:
            self._count(hints, 0)
            for hint in hints.tables(0):
                transfer = hint.table(1) if hint.uint8(0) == _DESCRIPTOR else None
                target = transfer.table(0) if transfer else None
                carried = target.int16(0) if target else None
                if transfer and carried in size_bytes:
                    size_bytes[carried] += _not_negative(transfer.int32(2))
        return size_bytes[_INPUT], size_bytes[_OUTPUT]

    def _layers(self, program: Table, slot: int) -> tuple[PackageLayer, ...]:
        self._count(program, slot)
        return tuple(self._layer(layer) for layer in program.tables(slot))

    def _layer(self, layer: Table) -> PackageLayer:
        numerics, number = layer.table(5), layer.int16(6)
        return PackageLayer(
            name=self._name(layer, 0),
            size_bytes=_not_negative(layer.int32(1)),
            height=_not_negative(layer.int32(2)),
            width=_not_negative(layer.int32(3)),
            channels=_not_negative(layer.int32(4)),
            dtype=_DTYPES.get(number, f"type {number}"),
            zero_point=numerics.int32(0) if numerics else 0,
            scale=numerics.float32(1) if numerics else 0.0,
            executions=_not_negative(layer.int32(9, default=1)),
        )

    def _name(self, table: Table, slot: int) -> str:
        found = table.text(slot)
        self._text += len(found)
        if self._text > MOST_TEXT:
            raise ValueError(f"more than {MOST_TEXT} characters of names")
        return found

    def _claimed(self, found: memoryview) -> int:
        """Returns the length of parameters or instructions; no two programs have the same ones."""
        self._left_bytes -= len(found)
        if self._left_bytes < 0:
            raise ValueError("programs that hold more than there is")
        return len(found)

    def _count(self, table: Table, slot: int) -> int:
        found = table.count(slot)
        self._items += found
        if self._items > MOST_ITEMS:
            raise ValueError(f"more than {MOST_ITEMS} parts")
        return found


def _kind(number: int) -> str:
    if number not in _KINDS:
        raise ValueError(f"unknown kind {number}")
    return _KINDS[number]


def _not_negative(number: int) -> int:
    if number < 0:
        raise ValueError("a size below zero")
    return number
