"""One run of edgetpu_compiler on one model, and whether everything it left behind agrees.

Success is not what it says: exit status, output file, report, operator table and the compiled file
itself must tell the same. The first thing that does not is named.
"""

import os
import stat
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from edgescale.edgetpu.compiler_check import (
    LARGEST_COMPILED_BYTES,
    MODEL,
    OUTPUT,
    Disagreement,
    Output,
    check_output,
)
from edgescale.edgetpu.compiler_command import WORKDIR, CompilerCommand, CompilerOptions
from edgescale.edgetpu.compiler_process import (
    LARGEST_OUTPUT_BYTES,
    Finished,
    Runner,
    run_process,
    workplace,
)
from edgescale.edgetpu.compiler_report import CompilerReport, OperatorRow, parse_report
from edgescale.edgetpu.compiler_verdict import Mapping, Verdict, judge
from edgescale.errors import ModelFileError

_LOG = "model_edgetpu.log"
_MOST_REASONS = 5
_GRACE_S = 10.0  # for a compiler with a timer of its own to tell that it ran out


@dataclass(frozen=True)
class Trouble:
    """Why a run gave nothing, whether the same may work next time, and whether -d may help."""

    text: str
    retry: bool = False
    search: bool = False


@dataclass(frozen=True)
class Attempt:
    """One run: its options, what it printed and wrote, and either an output or a trouble."""

    words: tuple[str, ...]
    took_s: float
    printed: str
    report: CompilerReport
    output: Output | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Compiler:
    """A compiler that has told its version."""

    command: CompilerCommand
    version: str
    run: Runner = run_process


def attempt(compiler: Compiler, source: Path, options: CompilerOptions) -> Attempt:
    """Compiles a model once, in a fresh folder that holds it under a plain name.

    The names are given without a folder, so that a container may mount the folder anywhere.

    Raises:
        CompilerFailed: the command cannot be started, or the folder not be written.
    """
    words, timer = options.words(compiler.version), options.timer(compiler.version)
    timeout_s = options.timeout_s + (_GRACE_S if timer else 0.0)
    with workplace() as folder:
        (folder / MODEL).write_bytes(source.read_bytes())
        arguments = [*compiler.command.in_folder(folder), "-s", *timer, *words, MODEL]
        finished = compiler.run(arguments, folder, timeout_s)
        # The folder has another name each time, and no reason may depend on that.
        printed = finished.printed.replace(str(folder), WORKDIR)
        made = Attempt(words, finished.took_s, printed, parse_report(printed))
        try:
            made = _with_log(made, _written(folder / _LOG, LARGEST_OUTPUT_BYTES) or b"")
            trouble = _trouble(finished, made.report, judge(made.report), timeout_s)
            if trouble is not None:
                return replace(made, trouble=trouble)
            content = _written(folder / OUTPUT, LARGEST_COMPILED_BYTES + 1)
            if content is None:
                return replace(made, trouble=Trouble(f"it says success, but wrote no {OUTPUT}",
                                                     retry=True))  # fmt: skip
            return replace(made, output=check_output(content, source, made.report))
        except (ModelFileError, Disagreement) as problem:
            return replace(made, trouble=Trouble(str(problem)))


def _with_log(made: Attempt, content: bytes) -> Attempt:
    log = content.decode("utf-8", "replace").strip("\n")
    if not log:
        return made
    printed = f"{made.printed}\n\n--- {_LOG}\n{log}"
    return replace(made, printed=printed, report=_with_table(made.report, parse_report(log)))


def _trouble(
    finished: Finished, report: CompilerReport, verdict: Verdict, timeout_s: float
) -> Trouble | None:
    """Says what is wrong with how a run ended, before its file is looked at."""
    if finished.ended == "timeout":  # the same work would take the same time
        return Trouble(f"it was ended after {timeout_s:.0f} s; give it more with --timeout")
    if finished.ended == "output":
        return Trouble(f"it was ended because it printed more than {LARGEST_OUTPUT_BYTES} bytes")
    cause = verdict.cause
    if cause is not None:
        mend = "" if not cause.mend else f"; {cause.mend}"
        return Trouble(f"{verdict.reasons[0]}{mend}", cause.retry, cause.search)
    if finished.returncode != 0:  # unexplained, so it may be the compiler's mood (edgetpu#211)
        why = verdict.reasons[0] if verdict.reasons else "its report tells of a success"
        return Trouble(f"{_ended_by(finished.returncode)}: {why}", retry=True, search=True)
    if verdict.mapping in (Mapping.FAILED, Mapping.UNCLEAR):
        how = "its report is unclear: " if verdict.mapping is Mapping.UNCLEAR else ""
        return Trouble(how + "; ".join(verdict.reasons[:_MOST_REASONS]), retry=True)
    if verdict.mapping is Mapping.NOTHING:
        return Trouble(
            f"nothing was mapped: 0 of {verdict.ops_on_cpu} operators run on the Edge TPU, whatever"
            " its success message says (edgetpu#358); run 'edgescale lint' on the model"
        )
    return None


def _ended_by(returncode: int) -> str:
    return f"exit status {returncode}" if returncode >= 0 else f"killed by signal {-returncode}"


def _written(path: Path, most_bytes: int) -> bytes | None:
    """Reads what the compiler wrote, at most so many bytes; None where it wrote nothing.

    A link may lead to any file, and a pipe has no end: neither is what a compiler writes.

    Raises:
        Disagreement: it is no plain file, or cannot be read.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise Disagreement(f"{path.name} is no plain file")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(most_bytes)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise Disagreement(f"{path.name} cannot be read ({problem.strerror})") from problem


def _with_table(report: CompilerReport, log: CompilerReport) -> CompilerReport:
    """Puts the ``.log``'s table where stdout has none; two that differ are a fault."""
    rows = [row for model in log.models for row in model.operators]
    faults = [*log.faults, *(fault for model in log.models for fault in model.faults)]
    report = replace(report, faults=(*report.faults, *(f"{_LOG}: {fault}" for fault in faults)))
    if len(report.models) != 1 or not rows:
        return report
    model = report.models[0]
    if not model.operators:
        model = replace(model, operators=tuple(rows))
    elif _counted(rows) != _counted(model.operators):
        said = "stdout and the .log hold different operator tables"
        model = replace(model, faults=(*model.faults, said))
    return replace(report, models=(model,))


def _counted(rows: "list[OperatorRow] | tuple[OperatorRow, ...]") -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counts[row.name, row.status] += row.count
    return counts
