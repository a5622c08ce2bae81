"""``edgescale compile``: a model or a family for the Edge TPU, with the real compiler."""

import logging
import sys
from pathlib import Path
from typing import Any

import click

from edgescale.builder.compile_family import Outcome, compile_family
from edgescale.cli import show
from edgescale.cli.compiler_flags import CompilerFlags, compiler_flags
from edgescale.cli.options import AS_JSON, terminable
from edgescale.edgetpu.compile_file import compile_file, default_target
from edgescale.edgetpu.compiler import Compiled, check_model, cpu_lines
from edgescale.edgetpu.compiler_command import HOW_TO_GET_IT
from edgescale.edgetpu.compiler_report import OperatorRow
from edgescale.errors import CompilerNotFound, CompilerUnusable, ModelFileError
from edgescale.family.store import MANIFEST_FILE, load_family
from edgescale.units import count, mib

log = logging.getLogger(__name__)
SCHEMA_VERSION = 1


@click.command("compile")
@click.argument("target", metavar="FILE|FAMILY", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE",
              help="Where the compiled FILE goes.  [default: <stem>_edgetpu.tflite beside it]"
              )  # fmt: skip
@compiler_flags
@AS_JSON
def command(target: Path, out: Path | None, compiler_flags: CompilerFlags, as_json: bool) -> None:
    """Compile a .tflite file or every variant of a family for the Edge TPU.

    Needs Google's edgetpu_compiler (x86-64 Linux). Its word is not taken for it: report, operator
    table and compiled file must agree. Exit status 1: something was not compiled; what was stays.
    """
    is_family = target.is_dir() or target.name == MANIFEST_FILE
    if is_family and out is not None:
        raise click.UsageError("--out is for a FILE; a family keeps its compiled models itself")
    _check_there(target, is_family)
    with terminable():
        try:
            if is_family:
                _compile_family(target, compiler_flags, as_json)
            else:
                _compile_file(target, out or default_target(target), compiler_flags, as_json)
        except CompilerUnusable:
            raise
        except CompilerNotFound:
            click.echo(HOW_TO_GET_IT, err=True)
            raise


def _check_there(target: Path, is_family: bool) -> None:
    """Refuses what cannot be compiled first: whoever mistyped it needs no advice on compilers."""
    if is_family:
        load_family(target, verify=False)
    elif not target.exists():
        raise ModelFileError(f"{target}: is not there; give a .tflite file or a family's folder")
    else:
        check_model(target)


def _compile_file(source: Path, target: Path, flags: CompilerFlags, as_json: bool) -> None:
    made = compile_file(
        flags.opened(), source, target, options=flags.options, allow_partial=flags.allow_partial
    )
    if as_json:
        show.json_object(_file_record(made, target))
    else:
        click.echo(_file_text(made, target))


def _file_text(made: Compiled, target: Path) -> str:
    facts, verdict = made.record(""), made.output.verdict
    report = made.output.model
    printed = [] if report.on_chip_remaining is None else [
        ("on-chip memory left", f"{report.on_chip_remaining.text} (as the compiler prints it)")
    ]  # fmt: skip
    lines = [
        ("compiled model", show.printable(f"{target} ({mib(len(made.content))})")),
        ("mapping", f"{verdict.mapping.value}: {facts.ops_on_edgetpu} operators on the Edge TPU,"
                    f" {facts.ops_on_cpu} on the CPU"),
        ("on-chip parameters", _size(facts.on_chip_memory_used_bytes)),
        *printed,
        ("streamed parameters", _streamed(facts.off_chip_streaming_bytes)),
        ("Edge TPU subgraphs", str(report.subgraphs)),
        ("compiler", made.compiler_version),
        ("options", show.printable(" ".join(made.options)) or "none"),
        ("needs runtime", f"{facts.min_runtime_version} or newer"),
        ("attempts", str(len(made.attempts))),
    ]  # fmt: skip
    width = max(len(name) for name, _ in lines)
    text = [f"{name:<{width}}  {value}" for name, value in lines]
    text += [f"on the CPU: {show.printable(line)}" for line in cpu_lines(report)]
    text += [f"note: {show.printable(note)}" for note in made.notes]
    return "\n".join(text)


def _size(size_bytes: int) -> str:
    return f"{mib(size_bytes)} ({count(size_bytes)} bytes)"


def _streamed(size_bytes: int) -> str:
    if size_bytes == 0:
        return "none: every parameter stays on the chip"
    return f"{_size(size_bytes)} travel for every picture"


def _file_record(made: Compiled, target: Path) -> dict[str, Any]:
    facts = made.record("")
    return {
        "schema_version": SCHEMA_VERSION,
        "compiled": str(target),
        "size_bytes": len(made.content),
        "mapping": made.output.verdict.mapping.value,
        **{key: value for key, value in vars(facts).items() if key != "key"},
        "subgraphs": made.output.model.subgraphs,
        "compiler_said": _said(made),
        "operators_on_cpu": [_row_record(row) for row in made.output.model.operators
                             if not row.on_edgetpu],
        "attempts": [
            {"options": list(one.words), "took_s": round(one.took_s, 3),
             "trouble": None if one.trouble is None else one.trouble.text}
            for one in made.attempts
        ],
        "notes": list(made.notes),
    }  # fmt: skip


def _said(made: Compiled) -> dict[str, Any]:
    """Returns what only the compiler knows, as it printed it; null where it did not."""
    sizes = {name: getattr(made.output.model, name) for name in _SIZES}
    return {
        "compile_ms": made.attempts[-1].report.compile_ms[-1],
        **{name: None if size is None else size.text for name, size in sizes.items()},
    }


_SIZES = ("input_size", "output_size", "on_chip_available", "on_chip_used", "on_chip_remaining",
          "off_chip")  # fmt: skip


def _row_record(row: OperatorRow) -> dict[str, Any]:
    """Returns a row of the operator table with what its status means, null where unknown."""
    meaning = None if row.known is None else row.known.meaning
    return {"name": row.name, "count": row.count, "status": row.status, "meaning": meaning}


def _compile_family(folder: Path, flags: CompilerFlags, as_json: bool) -> None:
    folder = folder.parent if folder.name == MANIFEST_FILE else folder
    outcomes = compile_family(folder, flags.compiling(), _log_line)
    if as_json:
        show.json_object({"schema_version": SCHEMA_VERSION, "folder": str(folder),
                          "variants": [_record(outcome) for outcome in outcomes]})  # fmt: skip
    else:
        click.echo(show.table(_HEADINGS, [_row(outcome) for outcome in outcomes]))
        for outcome in outcomes:
            for line in (*outcome.on_cpu, *outcome.notes, outcome.why or ""):
                if line:
                    click.echo(f"{outcome.record.name}: {show.printable(line)}")
    if any(outcome.state == "failed" for outcome in outcomes):
        sys.exit(1)


def _log_line(outcome: Outcome) -> None:
    log.info("compile %s: %s", outcome.record.name, outcome.state)


_HEADINGS = ("variant", "state", "compiled", "on chip", "streamed", "TPU ops", "CPU ops",
             "runtime", "attempts")  # fmt: skip


def _row(outcome: Outcome) -> tuple[str, ...]:
    record, found = outcome.record, outcome.record.compilation
    size = "no" if record.compiled is None else mib(record.compiled.size_bytes)
    facts = ("-",) * 5 if found is None else (
        mib(found.on_chip_memory_used_bytes),
        mib(found.off_chip_streaming_bytes),
        str(found.ops_on_edgetpu),
        str(found.ops_on_cpu),
        str(found.min_runtime_version),
    )  # fmt: skip
    return (record.name, outcome.state, size, *facts, str(outcome.attempts or "-"))


def _record(outcome: Outcome) -> dict[str, Any]:
    found = outcome.record.compilation
    compiled = outcome.record.compiled
    return {
        "name": outcome.record.name,
        "state": outcome.state,
        "reason": outcome.reason,
        "compiled": None if compiled is None else vars(compiled),
        "compilation": None if found is None else vars(found),
        "attempts": outcome.attempts,
        "took_s": round(outcome.took_s, 3),
        "log": None if outcome.log is None else str(outcome.log),
        "on_cpu": list(outcome.on_cpu),
        "notes": list(outcome.notes),
    }
