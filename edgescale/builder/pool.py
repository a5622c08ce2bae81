"""Runs one worker process per variant, so many at a time, and listens to all of them.

A worker that fails takes only its own variant with it; Ctrl-C and every other way out end all of
them before this returns.
"""

import json
import os
import selectors
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgescale.builder.plan import PlannedVariant
from edgescale.builder.results import BUILD_FOLDER
from edgescale.family.store import write_bytes
from edgescale.inference.child import end_process, ended_by, python_command

_WORKER = "edgescale.builder.worker"
_PATIENCE_S = 5.0
_LARGEST_LOG_TAIL_BYTES = 4096

Tell = Callable[[str, dict[str, Any]], None]  # variant, event of its worker


@dataclass
class _Running:
    planned: PlannedVariant
    process: "subprocess.Popen[bytes]"
    log: Path
    unread: bytes = b""
    fault: str | None = None
    done: bool = False


@dataclass
class Pool:
    """Builds variants in worker processes.

    Attributes:
        family: the family's folder.
        job: what every worker gets beside its variant's name.
        lock: descriptor that workers inherit, so that the lock lasts as long as they do.
        tell: called for each event of a worker.
    """

    family: Path
    job: dict[str, Any]
    lock: int
    tell: Tell
    failures: dict[str, str] = field(default_factory=dict)

    def run(self, waiting: Sequence[PlannedVariant], jobs: int) -> dict[str, str]:
        """Builds the variants in this order, ``jobs`` at a time; returns why any failed.

        A variant that grows from another one waits for it.
        """
        queue = list(waiting)
        running: dict[str, _Running] = {}
        with selectors.DefaultSelector() as selector:
            try:
                while queue or running:
                    self._start_ready(queue, running, jobs, selector)
                    for key, _ in selector.select():
                        self._hear(key.data, running, selector)
            finally:
                for worker in running.values():
                    worker.process.terminate()
                for worker in running.values():
                    end_process(worker.process, _PATIENCE_S)
        return self.failures

    def _start_ready(
        self,
        queue: list[PlannedVariant],
        running: dict[str, _Running],
        jobs: int,
        selector: selectors.BaseSelector,
    ) -> None:
        for planned in list(queue):
            if planned.previous in self.failures:
                queue.remove(planned)
                self._fail(planned.name, f"it grows from {planned.previous}, which failed")
        blocked = {planned.name for planned in queue} | set(running)
        for planned in [planned for planned in queue if planned.previous not in blocked]:
            if len(running) >= jobs:
                return
            queue.remove(planned)
            worker = self._started(planned)
            running[planned.name] = worker
            if worker.process.stdout is not None:
                selector.register(worker.process.stdout, selectors.EVENT_READ, worker)

    def _started(self, planned: PlannedVariant) -> _Running:
        folder = self.family / BUILD_FOLDER / planned.name
        job, log = folder / "job.json", folder / "worker.log"
        record = {**self.job, "variant": planned.name, "keys": dict(planned.keys)}
        write_bytes(job, json.dumps(record).encode())  # ASCII: a path need not be UTF-8
        settings = {"job": str(job.resolve()), "parent": os.getpid()}
        with log.open("wb") as file:
            process = subprocess.Popen(
                python_command(_WORKER, settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                pass_fds=(self.lock,),
            )
        return _Running(planned, process, log)

    def _hear(
        self, worker: _Running, running: dict[str, _Running], selector: selectors.BaseSelector
    ) -> None:
        pipe = worker.process.stdout
        if pipe is None:
            return
        content = os.read(pipe.fileno(), 65536)
        *lines, worker.unread = (worker.unread + content).split(b"\n")
        for line in lines:
            self._take(worker, line)
        if not content:  # it has ended
            selector.unregister(pipe)
            pipe.close()
            end_process(worker.process, _PATIENCE_S)
            del running[worker.planned.name]
            self._judge(worker)

    def _take(self, worker: _Running, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return  # a foreign print, before the worker keeps its pipe for events
        kind = event.get("event") if isinstance(event, dict) else None
        if kind == "error":
            worker.fault = event["message"]
        elif kind == "done":
            worker.done = True
        elif kind is not None:
            self.tell(worker.planned.name, event)

    def _judge(self, worker: _Running) -> None:
        with suppress(OSError):
            (worker.log.parent / "job.json").unlink()
        status = worker.process.returncode
        if worker.fault is not None:
            self._fail(worker.planned.name, worker.fault)
        elif not worker.done:  # the status of a slow exit says nothing about the work
            self._fail(
                worker.planned.name,
                f"its worker ended with {ended_by(status)}"
                f" ({_last_line(worker.log)}); see {worker.log}",
            )

    def _fail(self, variant: str, why: str) -> None:
        self.failures[variant] = why
        self.tell(variant, {"event": "failed", "stage": "build", "said": why})


def _last_line(log: Path) -> str:
    try:
        lines = log.read_bytes()[-_LARGEST_LOG_TAIL_BYTES:].decode("utf-8", "replace").split("\n")
    except OSError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
