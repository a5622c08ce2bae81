"""Foreign code tried in a child process, which tells what it finds step by step.

libedgetpu may crash or hang the process that loads it. What the child wrote before that stays
known, so that the answer names the step that failed and not only that something did.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from edgescale.inference.child import ended_by, python_command

_MOST_SAID = 4_000  # characters of stderr; libedgetpu's last lines are the ones that tell


@dataclass(frozen=True)
class Told:
    """What a child process told.

    Attributes:
        facts: what it found; of a fact told twice, the later.
        failure: how it ended, ``SIGSEGV (Segmentation fault)`` or ``no answer within 20 s``; None
            for one that came to its end.
        stderr: the last of what it and the foreign code wrote there.
    """

    facts: dict[str, Any]
    failure: str | None
    stderr: str


def tell(**facts: Any) -> None:
    """In the child: hands facts to the parent at once, before the next step can crash."""
    sys.stdout.write(f"\n{json.dumps(facts)}\n")
    sys.stdout.flush()


def ask_child(module: str, settings: dict[str, Any], *, timeout_s: float) -> Told:
    """Runs ``main(settings)`` of a module in a child process and returns what it told."""
    try:
        child = subprocess.run(
            python_command(module, settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        facts, stderr = _facts(problem.stdout or b""), problem.stderr or b""
        return Told(facts, f"no answer within {timeout_s:g} s", _tail(stderr))
    facts, stderr = _facts(child.stdout), child.stderr
    done = child.returncode == 0 and facts.pop("done", False)
    return Told(facts, None if done else ended_by(child.returncode), _tail(stderr))


def _facts(stdout: bytes) -> dict[str, Any]:
    """Joins the lines that are ours; foreign code may print between them."""
    facts: dict[str, Any] = {}
    for line in stdout.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            facts |= told
    return facts


def _tail(stderr: bytes) -> str:
    return stderr.decode("utf-8", "replace").strip()[-_MOST_SAID:]
