"""Compiles one file to one file: ``X.tflite`` to ``X_edgetpu.tflite`` and ``X_edgetpu.log``.

What stands at these places is replaced only where it is what a compiler writes. A failure has a log
of its own, ``X_edgetpu.failed.log``, so that a model compiled before keeps the log it came with.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from edgescale.edgetpu.compiler import Compiled, compile_model
from edgescale.edgetpu.compiler_command import CompilerOptions
from edgescale.edgetpu.compiler_log import is_log, write_log
from edgescale.edgetpu.compiler_run import Compiler
from edgescale.edgetpu.model_file import read_model_file
from edgescale.errors import ArtifactError, CompilerFailed, ModelFileError
from edgescale.family.places import is_file
from edgescale.family.store import write_bytes


def default_target(source: Path) -> Path:
    """Returns where the compiler itself would put what it makes of a model."""
    return source.with_name(f"{source.stem}_edgetpu.tflite")


def compile_file(
    compiler: Compiler,
    source: Path,
    target: Path,
    *,
    options: CompilerOptions,
    allow_partial: bool = False,
) -> Compiled:
    """Compiles a file; the log is written beside the target, that of a failure too.

    Raises:
        ModelFileError: the source is no model that can be compiled.
        ArtifactError: the target is there and is something else, or cannot be written.
        CompilerFailed: see ``compile_model``.
    """
    log, failed = target.with_suffix(".log"), target.with_suffix(".failed.log")
    check_target(source, target, (log, failed))
    try:
        made = compile_model(compiler, source, options, allow_partial=allow_partial)
    except CompilerFailed as problem:
        if problem.printed:
            with suppress(ArtifactError):  # the failure itself is what must be told
                write_log(failed, problem.printed)
                problem.args = (f"{problem}; all it said is in {failed}",)
        raise
    write_log(log, made.printed)
    write_bytes(target, made.content)  # with it, the work is done
    with suppress(OSError):  # what failed before is past; a file left over says when it was
        failed.unlink(missing_ok=True)
    return made


def check_target(source: Path, target: Path, logs: Iterable[Path]) -> None:
    """Refuses to write over anything but what an earlier compile wrote.

    Raises:
        ArtifactError: something else is there.
    """
    if not target.parent.is_dir():
        raise ArtifactError(f"{target}: there is no folder {target.parent}; make it first")
    if not os.access(target.parent, os.W_OK):  # the compiler may take minutes
        raise ArtifactError(f"{target}: {target.parent} cannot be written; name a place with --out")
    if target.suffix != ".tflite":
        raise ArtifactError(f"{target}: a compiled model is a .tflite file; name it so")
    if is_file(target, ArtifactError):
        if is_file(source, ModelFileError) and target.samefile(source):
            raise ArtifactError(f"{target}: is the model itself; name another file with --out")
        if not _is_compiled(target):
            raise ArtifactError(
                f"{target}: is there and is no compiled model, so it is not replaced; name another"
                " file with --out"
            )
    for log in logs:
        if is_file(log, ArtifactError) and not is_log(log):
            raise ArtifactError(
                f"{log}: is there and is no log of the compiler, so it is not replaced; name"
                " another file with --out"
            )


def _is_compiled(path: Path) -> bool:
    try:
        return read_model_file(path).compiled
    except ModelFileError:
        return False
