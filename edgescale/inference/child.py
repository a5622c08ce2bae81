"""Child processes of this package: how they are started, measured and ended, and shared memory.

The child has the same interpreter and search path.

Not ``multiprocessing``: its spawn re-imports the user's script, which then needs a ``__main__``
guard. Not ``python -m``: that puts the working folder first on the search path, where any file
named like a module would be taken for it.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

_TAIL_BYTES = 2_000
_BOOT = (
    "import sys; sys.path[:] = sys.argv[1].split('\\n'); import json;"
    " from importlib import import_module;"
    " import_module(sys.argv[2]).main(json.loads(sys.argv[3]))"
)


def python_command(module: str, settings: dict[str, Any]) -> list[str]:
    """Returns the command line that runs ``main(settings)`` of a module in a new interpreter."""
    return [sys.executable, "-c", _BOOT, "\n".join(sys.path), module, json.dumps(settings)]


def worker_environment() -> dict[str, str]:
    """Returns the environment of a process that runs models.

    numpy's OpenBLAS would start a thread for each core, which costs 60 ms of CPU on two cores; a
    worker multiplies no matrix with it.
    """
    return os.environ | {"OPENBLAS_NUM_THREADS": "1"}


def ended_by(returncode: int) -> str:
    """Says how a process ended: ``SIGSEGV (Segmentation fault)``, or ``exit status 1``."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        number = signal.Signals(-returncode)
    except ValueError:
        return f"signal {-returncode}"
    return f"{number.name} ({signal.strsignal(number)})"


def end_process(child: "subprocess.Popen[bytes]", patience_s: float) -> None:
    """Waits for a child that was told to leave, then terminates it, then kills it.

    One that was stopped is woken, so that it can.
    """
    import subprocess  # this file is read by children too, where each millisecond delays a start

    child.send_signal(signal.SIGCONT)
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            child.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience_s)
            return
    child.wait()  # killed: it only has to be reaped


def last_words(log: IO[bytes]) -> str:
    """Returns the last line a child wrote, in brackets for a message; greetings are none."""
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _TAIL_BYTES))
    text = log.read().decode("utf-8", "replace").strip()
    lines = [line for line in text.splitlines() if line and not line.startswith("INFO:")]
    return f" ({lines[-1].strip()[:300]})" if lines else ""


def peak_rss_bytes(pid: int) -> int:
    """Returns the largest resident memory of a process so far.

    Not ``ru_maxrss``: that of a child starts at what its parent had before exec. Where the system
    keeps no peak of the program itself (not Linux), the present size is what there is.

    Raises:
        ProcessLookupError: the process has ended.
    """
    return _told_bytes(Path(f"/proc/{pid}/status"), "VmHWM:") or _rss_bytes(pid)


def pss_bytes(pid: int) -> int:
    """Returns the present memory of a process, pages that others share counted in part (PSS).

    Where the system does not tell (Linux before 4.14, or not Linux): the resident memory, which
    counts shared pages in full.

    Raises:
        ProcessLookupError: the process has ended.
    """
    return _told_bytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") or _rss_bytes(pid)


def anonymous_file(size_bytes: int) -> int:
    """Returns a descriptor of memory without a name: memfd, or an unlinked temporary file."""
    if hasattr(os, "memfd_create"):
        memory = os.memfd_create("edgescale-pictures")
    else:
        import tempfile

        memory, name = tempfile.mkstemp(prefix="edgescale-")
        Path(name).unlink()
    os.ftruncate(memory, size_bytes)
    return memory


def _told_bytes(file: Path, name: str) -> int | None:
    """Returns a size that the kernel tells in KiB."""
    with suppress(OSError):
        for line in file.read_text("ascii").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None


def _rss_bytes(pid: int) -> int:
    import psutil

    with suppress(psutil.Error):
        if rss := int(psutil.Process(pid).memory_info().rss):
            return rss
    raise ProcessLookupError(pid)
