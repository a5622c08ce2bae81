"""The process that builds one variant: ``main`` is called in a new interpreter of its own.

One single-threaded process per variant and core is twice as fast as threads, repeats to the bit,
and keeps TensorFlow out of the parent. It tells the parent what happens in JSON lines on stdout;
whatever TensorFlow prints goes to the worker's log.
"""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from edgescale.builder.plan import Digests, make_plan
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.builder.results import finishing, is_finished
from edgescale.builder.stages import STAGES, Work
from edgescale.errors import BuildError, EdgescaleError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(settings: dict[str, Any]) -> None:
    """Builds one variant, or goes on where an earlier worker stopped.

    Args:
        settings: ``job`` names a JSON file with ``recipe`` (its TOML table), ``recipe_path``,
            ``data_folder``, ``digests``, ``labels``, ``family``, ``variant`` and its ``keys``;
            ``parent`` is the parent's process id.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    end_with(settings["parent"])
    with event_pipe() as events:
        try:
            _build(json.loads(Path(settings["job"]).read_text("utf-8")), events)
            tell(events, {"event": "done"})
        except EdgescaleError as problem:
            tell(events, {"event": "error", "message": str(problem)})
            sys.exit(1)
        except MemoryError:
            tell(events, {"event": "error", "message": "out of memory; build with --jobs 1"})
            sys.exit(1)


def end_with(parent: int) -> None:
    """Makes Linux end this process with its parent, even inside C code that holds the GIL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it ended before the line above


def event_pipe() -> TextIO:
    """Keeps the parent's pipe for events and lets stdout be the log from here on."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return pipe


def tell(events: TextIO, record: Mapping[str, Any]) -> None:
    """Sends one event to the parent."""
    events.write(json.dumps(record) + "\n")


def _build(job: dict[str, Any], events: TextIO) -> None:
    folder = job["data_folder"]
    recipe = recipe_from_table(job["recipe"], Path(job["recipe_path"]),
                               None if folder is None else Path(folder))  # fmt: skip
    plan = make_plan(recipe, Digests(**job["digests"]))
    planned = plan.variant(job["variant"])
    if planned.keys != job["keys"] or list(plan.labels) != job["labels"]:
        raise BuildError("the data changed while it was built; build again")

    def on_epoch(done: int, loss: float) -> None:
        tell(events, {"event": "epoch", "done": done, "loss": loss})

    work = Work(Path(job["family"]), plan, planned, on_epoch)
    for stage, key in planned.keys.items():
        folder = work.result(stage)
        if is_finished(folder, key):
            tell(events, {"event": "skipped", "stage": stage})
            continue
        tell(events, {"event": "started", "stage": stage})
        start = time.monotonic()
        with finishing(folder, key) as unfinished:
            said = STAGES[stage](work, unfinished)
        took_s = time.monotonic() - start
        tell(events, {"event": "finished", "stage": stage, "said": said, "took_s": took_s})
        if stage == "train":
            work.remove_checkpoints()
