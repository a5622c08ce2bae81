"""Which TFLite runtimes work here, found out in a child process.

Trying a runtime imports it, which would cost the main process its memory for as long as it serves;
and a broken one may crash the process that tries it, or write on its stderr.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from edgescale.errors import RuntimeMissing
from edgescale.inference.child import ended_by, python_command
from edgescale.inference.delegate import pycoral_report
from edgescale.inference.runtime import RuntimeStatus, choose_runtime, runtime_report
from edgescale.inference.worker import WorkerSettings

_TIMEOUT_S = 120.0  # TensorFlow on a small board


def runtime_here(settings: WorkerSettings) -> tuple[str, str]:
    """Returns name and version of the runtime that a worker with these settings would take.

    Raises:
        RuntimeMissing: none works.
    """
    if settings.device != "cpu" and not settings.runtime and not settings.edgetpu_library:
        pycoral = pycoral_report()
        if pycoral.google:  # a worker prefers it on the Edge TPU
            return "pycoral", pycoral.version or "?"
    answer = _asked({"ask": "choose", "runtime": settings.runtime})
    return str(answer["name"]), str(answer["version"])


def runtimes_here() -> tuple[RuntimeStatus, ...]:
    """Returns the state of every runtime.

    Raises:
        RuntimeMissing: the process that tried them crashed.
    """
    return tuple(RuntimeStatus(**one) for one in _asked({"ask": "report"})["runtimes"])


def main(settings: dict[str, Any]) -> None:
    """Runs in the child process: prints the answer as one JSON line."""
    try:
        answer = _answer(settings)
    except RuntimeMissing as problem:
        answer = {"error": str(problem)}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def _answer(settings: dict[str, Any]) -> dict[str, Any]:
    if settings["ask"] == "report":
        return {"runtimes": [asdict(status) for status in runtime_report()]}
    runtime = choose_runtime(settings["runtime"])
    return {"name": runtime.name, "version": runtime.version}


def _asked(settings: dict[str, Any]) -> dict[str, Any]:
    try:
        child = subprocess.run(
            python_command(__name__, settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise RuntimeMissing(
            f"trying the TFLite runtimes took more than {_TIMEOUT_S:.0f} s; name one with --runtime"
        ) from problem
    last_line = child.stdout.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
    try:
        answer: dict[str, Any] = json.loads(last_line)
    except ValueError as problem:
        raise RuntimeMissing(
            f"the process that tried the TFLite runtimes ended with {ended_by(child.returncode)};"
            " name another one with --runtime, or install ai-edge-litert again"
        ) from problem
    if "error" in answer:
        raise RuntimeMissing(answer["error"])
    return answer
