"""The process that trains one trial: ``main`` is called in a new interpreter of its own.

One single-threaded process per trial and core: it repeats to the bit, and an error or a full memory
takes one trial with it. Events go to the parent as JSON lines; TensorFlow prints into the log.
"""

import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from edgescale.builder.worker import end_with, event_pipe, tell
from edgescale.errors import EdgescaleError
from edgescale.search.training import Epoch, TrialJob, measured_seconds, train_trial


def main(settings: dict[str, Any]) -> None:
    """Trains one trial, or goes on where an earlier worker stopped.

    Args:
        settings: ``job`` names a JSON file with a ``TrialJob``; ``measure`` says to train only a
            few steps of it; ``parent`` is the parent's process id.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    end_with(settings["parent"])
    with event_pipe() as events:
        try:
            job = TrialJob(**json.loads(Path(settings["job"]).read_text("utf-8")))
            (_measure if settings["measure"] else _train)(job, events)
        except EdgescaleError as problem:
            tell(events, {"event": "error", "message": str(problem)})
            sys.exit(1)
        except MemoryError:
            tell(events, {"event": "error", "message": "out of memory; search with --jobs 1"})
            sys.exit(1)


def _train(job: TrialJob, events: TextIO) -> None:
    def on_epoch(epoch: Epoch) -> bool:
        tell(events, {"event": "epoch", **asdict(epoch)})
        return True  # the parent ends a trial by ending this process

    outcome = train_trial(job, Path(job.folder), on_epoch)
    if outcome is not None:
        tell(events, {"event": "done", **outcome.to_dict()})


def _measure(job: TrialJob, events: TextIO) -> None:
    start_s, epoch_s = measured_seconds(job, Path(job.folder))
    tell(events, {"event": "done", "start_s": start_s, "epoch_s": epoch_s})
