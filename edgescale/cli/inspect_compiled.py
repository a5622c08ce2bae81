"""What ``edgescale inspect`` shows of a compiled model: totals, programs, layers."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from edgescale.cli.show import printable, table
from edgescale.edgetpu.darwinn import Executable, Package, PackageLayer
from edgescale.edgetpu.package import (
    GROUPER_RUNTIME_VERSION,
    NARROW_MEMORY_BYTES_PER_TILE,
    CompiledModel,
)
from edgescale.units import MIB, count, mib, share

_LONGEST_NAME = 40
_MOST_ROWS = 100


def totals_record(compiled: CompiledModel) -> dict[str, Any]:
    """Returns the totals of a compiled model as plain values."""
    return {
        "min_runtime_version": compiled.min_runtime_version,
        "compiler_versions": list(compiled.compiler_versions),
        "on_chip_bytes": compiled.on_chip_bytes,
        "streamed_bytes": compiled.streamed_bytes,
        "scratch_bytes": compiled.scratch_bytes,
        "instruction_bytes": compiled.instruction_bytes,
        "narrow_memory_bytes_per_tile": compiled.narrow_memory_bytes_per_tile,
        "estimated_cycles": compiled.estimated_cycles,
        "input_bytes": compiled.input_bytes,
        "output_bytes": compiled.output_bytes,
        "dma_input_bytes": compiled.dma_input_bytes,
        "dma_output_bytes": compiled.dma_output_bytes,
        "parameter_caching_tokens": [_token(x) for x in compiled.parameter_caching_tokens],
        "operators_on_cpu": [asdict(operator) for operator in compiled.operators_on_cpu],
    }


def compiled_record(compiled: CompiledModel) -> dict[str, Any]:
    """Returns everything known of a compiled model as plain values."""
    return {
        **totals_record(compiled),
        "packages": [_package_record(package) for package in compiled.packages],
        "alternatives": [_package_record(package) for package in compiled.alternatives],
    }


def _package_record(package: Package) -> dict[str, Any]:
    programs = [
        {**asdict(program), "parameter_caching_token": _token(program.parameter_caching_token)}
        for program in package.executables
    ]
    return {**asdict(package), "executables": programs}


def _token(token: int) -> str:
    """As text, since 64 bits are more than JSON's numbers keep."""
    return f"0x{token:016x}"


def compiled_facts(compiled: CompiledModel) -> Iterator[tuple[str, str]]:
    """Yields name and text of each total."""
    on_cpu = sum(operator.count for operator in compiled.operators_on_cpu)
    operators = "1 operator" if on_cpu == 1 else f"{count(on_cpu)} operators"
    beside = f"{operators} on the CPU beside it" if on_cpu else "wholly"
    yield (
        "compiled for the Edge TPU",
        (f"yes, {beside} (its weights and MACs are inside the Edge TPU's operator)"),
    )
    yield "compiler version", ", ".join(_short(x) or "-" for x in compiled.compiler_versions)
    yield "minimum runtime version", _runtime_text(compiled.min_runtime_version)
    yield "parameters on chip", _bytes(compiled.on_chip_bytes)
    sent = ", sent with every inference" if compiled.streamed_bytes else ""
    yield "parameters streamed", _bytes(compiled.streamed_bytes) + sent
    yield "scratch memory", _bytes(compiled.scratch_bytes)
    yield "instructions", _bytes(compiled.instruction_bytes)
    yield "narrow memory per tile", _narrow_text(compiled.narrow_memory_bytes_per_tile)
    cycles = compiled.estimated_cycles
    yield (
        "estimated cycles",
        "not in the file (compilers since 2021 leave them out)"
        if cycles is None
        else count(cycles),
    )
    yield "input layers", _bytes(compiled.input_bytes)
    yield "output layers", _bytes(compiled.output_bytes)
    tokens = ", ".join(map(_token, compiled.parameter_caching_tokens[:4]))
    yield "caching token", f"{tokens} (models compiled together have the same)"
    if compiled.alternatives:
        yield "for other chips", f"{len(compiled.alternatives)} packages, in no total"


def _runtime_text(version: int) -> str:
    """Says which libedgetpu runs it: runtime 14 is the Grouper release (July 2021)."""
    if version > GROUPER_RUNTIME_VERSION:
        return f"{version} (newer than any libedgetpu up to Grouper, which has 14)"
    if version == GROUPER_RUNTIME_VERSION:
        return (
            f"{version} (needs libedgetpu Grouper, July 2021, or newer; '-m 13' compiles for older)"
        )
    return f"{version} (libedgetpu since Grouper, July 2021, has 14)"


def _narrow_text(used_bytes: int) -> str:
    whole = NARROW_MEMORY_BYTES_PER_TILE
    return f"{count(used_bytes)} of {count(whole)} bytes ({share(used_bytes, whole)})"


def _bytes(size_bytes: int) -> str:
    in_mib = f" ({mib(size_bytes)})" if size_bytes >= MIB // 100 else ""
    return f"{count(size_bytes)} bytes{in_mib}"


def compiled_tables(compiled: CompiledModel) -> list[str]:
    """Returns the programs as one table, and their inputs and outputs as another."""
    programs = compiled.executables
    headings = ("executable", "parameters", "instructions", "scratch", "narrow memory", "cycles",
                "chip", "caching token")  # fmt: skip
    lines = [table(headings, [_program_row(program) for program in programs[:_MOST_ROWS]])]
    layers = [
        (f"{role} {_short(layer.name)}", *_layer_cells(layer))
        for program in programs
        for role, found in (("input", program.inputs), ("output", program.outputs))
        for layer in found
    ]
    if layers:
        columns = (
            "layer",
            "height x width x channels",
            "dtype",
            "scale",
            "stored zero point",
            "bytes",
        )
        lines += ["", table(columns, layers[:_MOST_ROWS])]
    hidden = max(0, len(programs) - _MOST_ROWS) + max(0, len(layers) - _MOST_ROWS)
    return lines + ([f"and {count(hidden)} more; --json has all"] if hidden else [])


def _program_row(program: Executable) -> tuple[str, ...]:
    cycles = program.estimated_cycles
    return (
        program.kind,
        count(program.parameter_bytes),
        count(program.instruction_bytes),
        count(program.scratch_bytes),
        count(program.narrow_memory_bytes_per_tile),
        "-" if cycles is None else count(cycles),
        _short(program.chip) or "-",
        _token(program.parameter_caching_token),
    )


def _layer_cells(layer: PackageLayer) -> tuple[str, ...]:
    times = f" x {layer.executions}" if layer.executions != 1 else ""
    return (
        f"{layer.height}x{layer.width}x{layer.channels}",
        layer.dtype,
        f"{layer.scale:.6g}",
        str(layer.zero_point),
        count(layer.size_bytes) + times,
    )


def _short(text: str) -> str:
    safe = printable(text)
    return safe if len(safe) <= _LONGEST_NAME else f"{safe[: _LONGEST_NAME - 1]}\u2026"
