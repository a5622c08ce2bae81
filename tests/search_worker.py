"""A worker of the local engine that trains nothing; the trial's name says what it does."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from edgescale.builder.worker import end_with, event_pipe, tell


def main(settings: dict[str, Any]) -> None:
    """Behaves as the job's identity says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(settings["parent"])
    job = json.loads(Path(settings["job"]).read_text())
    what, folder = job["identity"], Path(job["folder"])
    begun = folder / "begun"
    begun.write_text(begun.read_text() + "x" if begun.exists() else "x")
    with event_pipe() as events:
        if what == "fails":
            tell(events, {"event": "error", "message": "the loss is nan"})
            sys.exit(1)
        for number in (1, 2, 3):
            epoch = {"number": number, "loss": 0.5, "accuracy": 0.25 * number}
            tell(events, {"event": "epoch", **epoch, "wall_s": 1.0, "cpu_s": 0.5})
            if what == "dies" or (what == "dies-once" and begun.read_text() == "x"):
                os.write(2, b"Killed by the kernel\n")
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "hangs":
                os.kill(os.getpid(), signal.SIGSTOP)
            if what == "sleeps":
                time.sleep(60)
                (folder / "slept").touch()
        tell(events, {"event": "done", "curve": [0.25, 0.5, 0.75], "losses": [0.5] * 3,
                      "wall_s": 3.0, "cpu_s": 1.5, "versions": {}, "host": "here"})  # fmt: skip
