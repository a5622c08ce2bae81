"""Compiles one model for the Edge TPU: looks before, tries a bounded number of times, checks after.

The compiler is closed and fails on some files only sometimes (edgetpu#211), so what may be its mood
is tried again and what is the model's fault is not. Each attempt is logged.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgescale.edgetpu.compiler_check import Output
from edgescale.edgetpu.compiler_command import CompilerCommand, CompilerOptions, searches
from edgescale.edgetpu.compiler_log import joined
from edgescale.edgetpu.compiler_process import Runner, run_process, workplace
from edgescale.edgetpu.compiler_report import VERSION, ModelReport
from edgescale.edgetpu.compiler_run import Attempt, Compiler, attempt
from edgescale.edgetpu.compiler_verdict import Mapping, unmapped
from edgescale.edgetpu.lint import LintReport, lint_file
from edgescale.edgetpu.model_file import read_model_file
from edgescale.errors import CompilerFailed, CompilerUnusable, ModelFileError, PartlyMapped
from edgescale.family.compilation import Compilation

log = logging.getLogger(__name__)
_VERSION_TIMEOUT_S = 60.0  # a container has to start
# At most five attempts: three alike, and two that look for a smaller part.
_MOST_ALIKE = 3  # edgetpu#211 saw two failures and then success
_SEARCH_STEPS = (30, 10)  # as used by ultralytics and in edgetpu#671
_MOST_NAMED = 5
_MOST_TOLD, _LONGEST_TOLD = 20, 500  # lines that need a reader; the log keeps all of them whole


@dataclass(frozen=True)
class Compiled:
    """A compiled model and how it came to be.

    Attributes:
        content: the compiled file.
        printed: all that the compiler said in all attempts, with its ``.log``.
        options: what it was told, without files, folders and its timer.
        output: report, verdict and package, which agree.
        attempts: every run, the last one being that of ``output``.
        notes: what a user should know although it is no failure.
    """

    content: bytes
    printed: str
    options: tuple[str, ...]
    compiler_version: str
    output: Output
    attempts: tuple[Attempt, ...]
    notes: tuple[str, ...]

    def record(self, key: str) -> Compilation:
        """Returns what a manifest keeps.

        Bytes and the runtime are read from the compiled file; the operators are counted by the
        report, with which the file agrees.
        """
        compiled, verdict = self.output.compiled, self.output.verdict
        return Compilation(
            key=key,
            compiler_version=self.compiler_version,
            options=self.options,
            on_chip_memory_used_bytes=compiled.on_chip_bytes,
            off_chip_streaming_bytes=compiled.streamed_bytes,
            ops_on_edgetpu=verdict.ops_on_edgetpu or 0,
            ops_on_cpu=verdict.ops_on_cpu or 0,
            min_runtime_version=compiled.min_runtime_version,
        )


def open_compiler(command: CompilerCommand, run: Runner = run_process) -> Compiler:
    """Asks a compiler for its version.

    Raises:
        CompilerUnusable: it does not start, or not answer like edgetpu_compiler.
    """
    with workplace() as folder:
        try:
            finished = run([*command.in_folder(folder), "--version"], folder, _VERSION_TIMEOUT_S)
        except CompilerFailed as problem:
            raise CompilerUnusable(f"{command.source}: {problem}") from problem
    match = VERSION.search(finished.printed)
    if match is None:
        lines = [line for line in finished.printed.splitlines() if line.strip()] or ["nothing"]
        how = "was ended" if finished.ended else f"exit status {finished.returncode}"
        raise CompilerUnusable(
            f"{command.source}: '{command.words[0]}' does not answer '--version' like"
            f" edgetpu_compiler ({how}, it said: {lines[0].strip()[:200]})"
        )
    return Compiler(command, match[1], run)


def compile_model(
    compiler: Compiler, model: Path, options: CompilerOptions, *, allow_partial: bool = False
) -> Compiled:
    """Compiles a model.

    Args:
        compiler: see ``open_compiler``.
        model: a ``.tflite`` file that is not compiled yet.
        options: what the compiler is told.
        allow_partial: take a model of which a part stays on the CPU.

    Raises:
        ModelFileError: no model, or a compiled one.
        PartlyMapped: a part of it stays on the CPU, or would.
        CompilerFailed: no attempt gave a file that can be trusted; it keeps what was printed.
    """
    check_model(model)
    lint = lint_file(model)
    if lint.errors and not allow_partial:
        raise PartlyMapped(_lint_refusal(lint))
    attempts: list[Attempt] = []
    try:
        for planned in _plans(options, compiler.version, attempts):
            attempts.append(_logged(compiler, model, planned, len(attempts) + 1))
        output = attempts[-1].output
        if output is None:
            raise CompilerFailed(_gave_up(attempts))
        return _accepted(compiler, output, attempts, lint, allow_partial, options)
    except CompilerFailed as problem:
        problem.printed, problem.attempts = joined(attempts), len(attempts)
        problem.took_s = sum(one.took_s for one in attempts)
        raise


def check_model(model: Path) -> None:
    """Refuses a file that no compiler need be asked about.

    Raises:
        ModelFileError: no model, or a compiled one.
    """
    if read_model_file(model).compiled:
        raise ModelFileError(f"{model}: is compiled already; give the model it was compiled from")


def _plans(
    options: CompilerOptions, version: str, attempts: list[Attempt]
) -> Iterator[CompilerOptions]:
    """Yields the options of the next attempt as long as the last one says that it may help."""
    yield options
    while len(attempts) < _MOST_ALIKE and _last_trouble(attempts, "retry"):
        yield options
    if not searches(version):
        return
    step = options.delegate_search_step
    smaller = (max(1, step // 3),) if step is not None else _SEARCH_STEPS
    for step in () if smaller == (options.delegate_search_step,) else smaller:
        if not _last_trouble(attempts, "search"):
            return
        yield replace(options, search_delegate=True, delegate_search_step=step)


def _last_trouble(attempts: list[Attempt], what: str) -> bool:
    trouble = attempts[-1].trouble
    return trouble is not None and bool(getattr(trouble, what))


def _logged(compiler: Compiler, model: Path, options: CompilerOptions, number: int) -> Attempt:
    made = attempt(compiler, model, options)
    told = f" with {' '.join(made.words)}" if made.words else ""
    said = "done" if made.trouble is None else made.trouble.text
    log.info("compile: attempt %d%s: %s, %.1f s", number, told, said, made.took_s)
    return made


def _accepted(
    compiler: Compiler,
    output: Output,
    attempts: Sequence[Attempt],
    lint: LintReport,
    allow_partial: bool,
    options: CompilerOptions,
) -> Compiled:
    last = attempts[-1]
    if output.verdict.mapping is not Mapping.FULL and not allow_partial:
        raise PartlyMapped(_partly(output, attempts))
    asked = options.min_runtime_version
    if asked is not None and output.compiled.min_runtime_version > asked:
        raise CompilerFailed(
            f"runtime {asked} was asked for, and the compiled file needs"
            f" {output.compiled.min_runtime_version}"
        )
    notes = tuple(_notes(compiler, output, last, lint, options))
    return Compiled(output.content, joined(attempts), last.words, compiler.version, output,
                    tuple(attempts), notes)  # fmt: skip


def _notes(
    compiler: Compiler, output: Output, last: Attempt, lint: LintReport, options: CompilerOptions
) -> Iterator[str]:
    for option in options.not_known_to(compiler.version):
        yield f"compiler {compiler.version} has no {option}, which came with 16: not passed on"
    verdict = output.verdict
    if lint.ops_on_edgetpu != verdict.ops_on_edgetpu or lint.ops_on_cpu != verdict.ops_on_cpu:
        yield (
            f"lint foretold {lint.ops_on_edgetpu} operators on the Edge TPU and {lint.ops_on_cpu}"
            f" on the CPU; the compiler made it {verdict.ops_on_edgetpu} and {verdict.ops_on_cpu},"
            " and its word counts"
        )
    told = [f"the compiler said: {line}" for line in dict.fromkeys(last.report.errors)]
    told += [
        f"the compiler said something edgescale does not know: {line}"
        for line in last.report.unknown
    ]
    for note in told[:_MOST_TOLD]:
        yield note[:_LONGEST_TOLD]
    if len(told) > _MOST_TOLD:
        yield f"and {len(told) - _MOST_TOLD} more such lines, which the log holds"


def _lint_refusal(lint: LintReport) -> str:
    named = [f"{one.where}: {one.what}; {one.mend}" for one in lint.errors[:_MOST_NAMED]]
    more = len(lint.errors) - len(named)
    rest = f"; and {more} more, see 'edgescale lint'" if more else ""
    return (
        f"not compiled, because it would not be mapped wholly ({'; '.join(named)}{rest}); mend it,"
        " or take what maps with --allow-partial"
    )


def _partly(output: Output, attempts: Sequence[Attempt]) -> str:
    verdict = output.verdict
    total = (verdict.ops_on_edgetpu or 0) + (verdict.ops_on_cpu or 0)
    first = attempts[0].trouble
    whole = "" if first is None else f"the whole does not compile ({first.text}); of a part "
    return (
        f"{whole}{verdict.ops_on_cpu} of {total} operators stay on the CPU:"
        f" {'; '.join(cpu_lines(output.model))}; mend them, or take it with --allow-partial"
    )


def cpu_lines(model: ModelReport) -> list[str]:
    """Says which operators stay on the CPU, and why, as far as anybody knows."""
    return [
        f"{row.count} {row.name}: {row.status}"
        + (f" ({row.known.meaning}; {row.known.mend})" if row.known else " (unknown status)")
        for row in unmapped(model)
    ]


def _gave_up(attempts: Sequence[Attempt]) -> str:
    """Tells the first trouble, which is the whole model's, and later ones that differ."""
    texts = dict.fromkeys(made.trouble.text for made in attempts if made.trouble is not None)
    times = f" in {len(attempts)} attempts" if len(attempts) > 1 else ""
    return f"the compiler failed{times}: {'; then: '.join(texts)}"
