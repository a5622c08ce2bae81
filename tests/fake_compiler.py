"""Stands in for edgetpu_compiler in tests: prints a rebuilt log and writes a prepared file.

``fake_compiler.py SCENARIO ARGUMENTS...``; the scenario is a JSON file with ``version`` and a list
of ``runs``, of which each call takes the next and the last one for ever. A run may hold ``stdout``,
``stderr``, ``write`` (a file to copy), ``log`` (text), ``status``, ``signal``, ``hang`` (with a
child that hangs too and hears no SIGTERM), ``stubborn`` (nor does it itself), ``flood`` (bytes to
print first), ``say_folder`` (prints where it runs), ``links`` (what is written as a link to a file)
and ``pipes`` (as a named pipe).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def main(scenario: str, arguments: list[str]) -> int:
    """Answers one call."""
    told = json.loads(Path(scenario).read_text())
    calls = Path(f"{scenario}.calls")
    if "--version" in arguments:
        sys.stdout.write(told.get("hello", f"Edge TPU Compiler version {told['version']}") + "\n")
        return int(told.get("version_status", 0))
    done = len(calls.read_text().splitlines()) if calls.exists() else 0
    files = sorted(path.name for path in Path().iterdir())
    call = {"arguments": arguments, "files": files, "pid": os.getpid(), "folder": str(Path.cwd()),
            "stdin": sys.stdin.read()}  # fmt: skip
    with calls.open("a") as file:
        file.write(json.dumps(call) + "\n")
    run = told["runs"][min(done, len(told["runs"]) - 1)]
    return play(run, scenario)


def play(run: dict[str, Any], scenario: str) -> int:
    """Does what one run shall do."""
    if run.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if run.get("hang"):
        again = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-S", "-c", again])
        Path(f"{scenario}.child").write_text(str(child.pid))
        time.sleep(600)
    for _ in range(run.get("flood", 0) // 2**16):
        sys.stdout.write("x" * 2**16)
    if run.get("say_folder"):
        sys.stdout.write(f"in {Path.cwd()}\n")
    sys.stderr.write(run.get("stderr", ""))
    sys.stdout.write(run.get("stdout", ""))
    sys.stdout.flush()
    if run.get("write"):
        shutil.copyfile(run["write"], "model_edgetpu.tflite")
    if run.get("log"):
        Path("model_edgetpu.log").write_text(run["log"])
    for name, to in run.get("links", {}).items():
        Path(name).symlink_to(to)
    for name in run.get("pipes", ()):
        os.mkfifo(name)
    if run.get("signal"):
        os.kill(os.getpid(), run["signal"])
    return int(run.get("status", 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
