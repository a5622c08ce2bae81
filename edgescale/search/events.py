"""The training of one trial as an iterator of its events.

Training calls back after every epoch; a worker of a cluster has to yield. So the training runs in a
thread beside the one that yields.
"""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgescale.errors import EdgescaleError
from edgescale.search.training import WEIGHTS_FILE, Epoch, TrialJob, train_trial

_STEP_S = 0.1

_Events = queue.SimpleQueue[dict[str, Any]]


def trial_events(job: TrialJob, folder: Path) -> Iterator[dict[str, Any]]:
    """Trains a trial in a folder; closing the iterator ends the training with its epoch.

    Yields:
        For every epoch ``{"event": "epoch", ...}`` with the fields of ``Epoch``; at last
        ``{"event": "error", "message": ...}``, or ``{"event": "done", ...}`` with the ``outcome``
        as JSON and the bytes of the ``weights`` file.
    """
    events: _Events = queue.SimpleQueue()
    closed = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(_train, job, folder, events, closed)
        try:
            yield from _told(events, training)
        finally:
            closed.set()


def _train(job: TrialJob, folder: Path, events: _Events, closed: threading.Event) -> None:
    def on_epoch(epoch: Epoch) -> bool:
        events.put({"event": "epoch", **asdict(epoch)})
        return not closed.is_set()

    try:
        outcome = train_trial(job, folder, on_epoch)
    except EdgescaleError as problem:
        events.put({"event": "error", "message": str(problem)})
        return
    if outcome is not None:
        weights = (folder / WEIGHTS_FILE).read_bytes()
        events.put({"event": "done", "outcome": outcome.to_dict(), "weights": weights})


def _told(events: _Events, training: "Future[None]") -> Iterator[dict[str, Any]]:
    """Yields what a training tells until it ends; raises what it raised."""
    while not (training.done() and events.empty()):
        with suppress(queue.Empty):  # the training may end without a word
            yield events.get(timeout=_STEP_S)
    training.result()
