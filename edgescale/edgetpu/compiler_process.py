"""Runs a foreign program to its end or to the end of our patience, with all that it started.

What it prints goes to files, of which a bounded part is read: a pipe that nobody reads hangs, and a
program gone mad must fill neither memory nor disk.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgescale.errors import CompilerFailed

LARGEST_OUTPUT_BYTES = 4 * 2**20  # a report of 100,000 operators is smaller
_TERM_PATIENCE_S = 3.0  # docker hands the signal on to its container
_STEP_S = 0.01


@dataclass(frozen=True)
class Finished:
    """How a run ended.

    ``printed`` is stderr and then stdout: the errors of a search come before what it found.
    ``ended`` says why we ended it: "timeout" or "output"; None where it ended by itself.
    """

    returncode: int
    printed: str
    took_s: float
    ended: str | None = None


class Runner(Protocol):
    """Runs a command in a folder; the seam at which tests put another compiler."""

    def __call__(self, command: Sequence[str], folder: Path, timeout_s: float) -> Finished:
        """Runs it to its end, or ends it after this many seconds."""


@contextmanager
def workplace() -> Iterator[Path]:
    """Gives a fresh folder for the compiler, inside a private one that takes what it prints.

    Raises:
        CompilerFailed: the folder cannot be made or written.
    """
    try:
        with tempfile.TemporaryDirectory(
            prefix="edgescale-compile-", ignore_cleanup_errors=True
        ) as home:
            folder = Path(home) / "work"
            folder.mkdir()
            yield folder
    except OSError as problem:
        raise CompilerFailed(
            f"the temporary folder to compile in cannot be used ({problem.strerror or problem});"
            " set TMPDIR to a folder you may write to, with space left"
        ) from problem


def run_process(command: Sequence[str], folder: Path, timeout_s: float) -> Finished:
    """Runs a command in a folder, in a process group of its own that is ended with this call.

    Only a SIGKILL of this process leaves the group behind, and what left the group by itself.

    Args:
        command: program and arguments; no shell sees them.
        folder: where it runs; what it prints goes beside the folder, which it has for itself.
        timeout_s: after so many seconds it is ended.

    Raises:
        CompilerFailed: it cannot be started, or not be ended.
    """
    start = time.monotonic()
    stdout, stderr = folder.parent / "stdout.txt", folder.parent / "stderr.txt"
    with stdout.open("wb") as out, stderr.open("wb") as err:
        try:
            process = subprocess.Popen(
                list(command), cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
        except OSError as problem:
            raise CompilerFailed(
                f"{command[0]}: cannot be started ({problem.strerror}); check that it is a program"
                " for this machine"
            ) from problem
        try:
            ended = _wait(process, (stdout, stderr), start + timeout_s)
        finally:
            _end_group(process)
    printed = f"{_text(stderr)}\n{_text(stdout)}".strip("\n")
    return Finished(process.returncode, printed, time.monotonic() - start, ended)


def _wait(
    process: "subprocess.Popen[bytes]", outputs: Sequence[Path], deadline_s: float
) -> str | None:
    while process.poll() is None:
        if time.monotonic() > deadline_s:
            return "timeout"
        if sum(path.stat().st_size for path in outputs) > LARGEST_OUTPUT_BYTES:
            return "output"
        time.sleep(_STEP_S)
    return None


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Ends whatever of the group is left: politely, then not. A group may outlive its leader."""
    end = time.monotonic() + _TERM_PATIENCE_S
    try:
        _signalled(process.pid, signal.SIGTERM)
        while time.monotonic() < end and _signalled(process.pid, 0):
            process.poll()  # a leader that is not reaped still counts as there
            time.sleep(_STEP_S)
    finally:  # for a second Ctrl-C too
        _signalled(process.pid, signal.SIGKILL)
        _reap(process)


def _reap(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_TERM_PATIENCE_S)
    except subprocess.TimeoutExpired as problem:
        raise CompilerFailed(
            f"process {process.pid} cannot be ended: it runs as another user; end it yourself, and"
            " give a command without sudo"
        ) from problem


def _signalled(group: int, number: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


def _text(path: Path) -> str:
    """Returns what was printed, at most ``LARGEST_OUTPUT_BYTES`` of it; other characters shown."""
    with path.open("rb") as file:
        return file.read(LARGEST_OUTPUT_BYTES).decode("utf-8", "replace")
