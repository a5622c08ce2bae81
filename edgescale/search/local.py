"""Trains trials in processes of this machine, one for each: the engine without a cluster.

However the search ends, its trials end with it: they are terminated on every way out, die with this
process where it is killed, and inherit the study's lock, so that no other search starts beside one.
One that hangs is ended and has failed.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from edgescale.family.store import write_bytes
from edgescale.inference.child import ended_by, last_words, python_command
from edgescale.search.engine import EngineClosed, TrialFailed, TrialStopped
from edgescale.search.patience import Patience, Silence
from edgescale.search.training import Epoch, OnEpoch, TrialJob, TrialOutcome, outcome_from_dict

LOG_FILE = "worker.log"
_WORKER = "edgescale.search.worker"
_JOB_FILE = "job.json"
_RETRIES = 1  # of a worker that died without a word, in this run of the search


class LocalEngine:
    """Runs each trial in a child process.

    Args:
        slots: trials that may run at a time.
        lock: descriptor of the study's lock, which the children inherit.
        patience: how long a trial may keep silent.
    """

    name = "local"

    def __init__(
        self, slots: int, lock: int | None = None, patience: Patience | None = None
    ) -> None:
        self.slots = slots
        self._patience = patience or Patience()
        self._inherited = () if lock is None else (lock,)
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def run(self, job: TrialJob, on_epoch: OnEpoch) -> TrialOutcome:
        """Trains one trial; see ``Engine.run``."""
        how = ""
        for attempt in range(_RETRIES + 1):
            try:
                return replace(outcome_from_dict(self._trained(job, on_epoch)), retries=attempt)
            except _Died as problem:
                how = str(problem)
        raise TrialFailed(f"its process died {_RETRIES + 1} times, the last time with {how}")

    def measure(self, job: TrialJob) -> tuple[float, float]:
        """Returns the seconds of a trial's start and of one epoch, from a few steps.

        Raises:
            TrialFailed: the training failed.
        """
        try:
            done = self._trained(job, lambda epoch: True, measure=True)
        except _Died as problem:
            raise TrialFailed(f"the process that measured ended with {problem}") from problem
        return done["start_s"], done["epoch_s"]

    def close(self) -> None:
        """Ends all trials; their ``run`` raises ``EngineClosed``."""
        with self._guard:
            self._closed = True
            for process in self._running:
                process.kill()  # a trial goes on from its checkpoint, so there is nothing to save

    def _trained(
        self, job: TrialJob, on_epoch: OnEpoch, *, measure: bool = False
    ) -> dict[str, Any]:
        """Runs one process and returns its last event."""
        with (
            self._process(job, measure) as process,
            Silence(self._patience, process.kill) as silence,
        ):
            for line in process.stdout or ():
                event = _event(line)
                kind = event.pop("event", None)
                if kind == "done":
                    return event
                if kind == "error":
                    raise TrialFailed(event["message"])
                if kind == "epoch":
                    epoch = Epoch(**event)
                    silence.heard(epoch)
                    if not on_epoch(epoch):
                        raise TrialStopped(f"trial {job.identity}: stopped")
            process.wait()
        if self._closed:
            raise EngineClosed(f"trial {job.identity}: the search was ended")
        log = Path(job.folder) / LOG_FILE
        if silence.said:
            raise TrialFailed(f"{silence.said}; see {log}")
        with log.open("rb") as file:
            raise _Died(f"{ended_by(process.returncode)}{last_words(file)}; see {log}")

    @contextmanager
    def _process(self, job: TrialJob, measure: bool) -> Iterator["subprocess.Popen[bytes]"]:
        folder = Path(job.folder).absolute()
        write_bytes(folder / _JOB_FILE, json.dumps(job.to_dict()).encode())
        settings = {"job": str(folder / _JOB_FILE), "measure": measure, "parent": os.getpid()}
        with (folder / LOG_FILE).open("ab") as log:
            process = self._started(python_command(_WORKER, settings), log)
        with process:
            try:
                yield process
            finally:
                process.kill()  # after its last event there is nothing left to save
                with self._guard:
                    self._running.discard(process)

    def _started(self, command: list[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
        with self._guard:
            if self._closed:
                raise EngineClosed("the search was ended")
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=self._inherited,
            )
            self._running.add(process)
        return process


class _Died(Exception):
    """A worker ended without its last event; says how."""


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}  # a foreign print, before the worker keeps its pipe for events
    return event if isinstance(event, dict) else {}
