"""Trains trials on a Ray cluster: the engine for more than one machine.

A trial is one actor on one CPU, in a process of its own as with the local engine, so that equal
versions give equal scores. It yields an event for every epoch and at last the weights. Ray could
begin a lost trial again by itself but would not tell; so that is done and counted here.

An actor and not a task: cancelling tasks that yield ends the searching process at times (a failed
check in Ray 2.60), killing actors does not.

Every node needs the same edgescale and TensorFlow, and the recipe's images at the same path: a
trial compares the digests of its network and of the images with those of the study before it
trains. A Ray cluster runs the code of anyone who reaches it: keep it in a network of your own.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgescale.family.store import write_bytes
from edgescale.search.engine import EngineClosed, TrialFailed, TrialStopped
from edgescale.search.events import trial_events
from edgescale.search.patience import Patience, Silence
from edgescale.search.ray_cluster import join_cluster, on_node, one_line
from edgescale.search.ray_trainer import Events, Trainer, remove_folder
from edgescale.search.training import (
    WEIGHTS_FILE,
    Epoch,
    OnEpoch,
    TrialJob,
    TrialOutcome,
    outcome_from_dict,
)

log = logging.getLogger(__name__)
_RETRIES = 3  # of a trial whose worker or node died, in this run of the search
_END_S = 3.0
_CPU_S = 300.0  # without a free CPU, after which that is said


class RayEngine:
    """Runs each trial as an actor of the cluster that this process is connected to.

    Args:
        slots: trials that may run at a time.
        events: trains a job in a folder of a worker and yields its events.
        patience: how long a trial may keep silent; then its worker counts as dead.
    """

    name = "ray"

    def __init__(
        self, slots: int, events: Events = trial_events, patience: Patience | None = None
    ) -> None:
        import ray

        self.slots = slots
        self._patience = patience or Patience()
        self._events = events
        # Two calls at a time, so that ``end`` is heard during ``train``.
        self._trainer = ray.remote(num_cpus=1, max_restarts=0, max_concurrency=2)(Trainer)
        self._changed = threading.Condition()
        self._running: list[Any] = []
        self._closed = False

    def run(self, job: TrialJob, on_epoch: OnEpoch) -> TrialOutcome:
        """Trains one trial; see ``Engine.run``."""
        how = ""
        for attempt in range(_RETRIES + 1):
            try:
                return replace(self._trained(job, on_epoch), retries=attempt)
            except _Died as problem:
                how = str(problem)
        raise TrialFailed(f"its worker died {_RETRIES + 1} times, the last time with: {how}")

    def close(self) -> None:
        """Ends all trials and leaves the cluster; their ``run`` raises ``EngineClosed``."""
        import ray

        with self._changed:
            if self._closed:
                return
            self._closed = True
            for trainer in self._running:
                trainer.end.remote()
            self._changed.wait_for(lambda: not self._running, _END_S)
            for trainer in self._running:  # which has not begun, or does not hear
                ray.kill(trainer)
            self._changed.wait_for(lambda: not self._running, _END_S)
        ray.shutdown()

    def _trained(self, job: TrialJob, on_epoch: OnEpoch) -> TrialOutcome:
        """Trains once, to the last event."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        with self._started(job) as trainer:
            refs = trainer.train.options(num_returns="streaming").remote(job.to_dict())
            place: Mapping[str, Any] | None = None
            silence = Silence(self._patience, lambda: ray.kill(trainer))
            try:
                place = _first(refs, job)
                with silence:
                    return self._outcome(refs, job, _Heard(job, on_epoch, silence))
            except RayTaskError as problem:
                raise TrialFailed(one_line(problem.cause)) from problem
            except RayError as problem:
                self._check_open(job)
                if place:
                    _remove(place)
                raise _Died(silence.said or str(problem).partition("\n")[0]) from problem

    def _outcome(self, refs: Iterator[Any], job: TrialJob, heard: "_Heard") -> TrialOutcome:
        import ray

        for ref in refs:
            event = ray.get(ref)
            if event["event"] == "done":
                write_bytes(Path(job.folder) / WEIGHTS_FILE, event["weights"])
                return outcome_from_dict(event["outcome"])
            heard.take(event)
        self._check_open(job)
        raise _Died("no outcome")

    @contextmanager
    def _started(self, job: TrialJob) -> Iterator[Any]:
        """Starts a process for the block; it ends with it."""
        with self._changed:
            self._check_open(job)
            trainer = self._trainer.remote(self._events)
            self._running.append(trainer)
        try:
            yield trainer
        finally:
            trainer.end.remote()
            with self._changed:
                self._running.remove(trainer)
                self._changed.notify_all()

    def _check_open(self, job: TrialJob) -> None:
        if self._closed:
            raise EngineClosed(f"trial {job.identity}: the search was ended")


class _Died(Exception):
    """The process or the node of a trial is gone; says how."""


def connect(address: str | None, jobs: int | None = None) -> RayEngine:
    """Connects to a running Ray cluster; never starts one.

    Args:
        address: ``host:port`` as ``ray start --head`` prints it; None for ``RAY_ADDRESS`` or else
            the cluster on this machine.
        jobs: trials at a time; None for one on each CPU of the cluster.

    Raises:
        SearchError: Ray or a cluster is missing, or its nodes cannot run the trials.
    """
    slots = join_cluster(address)
    return RayEngine(min(slots, jobs or slots))


def _first(refs: Any, job: TrialJob) -> Mapping[str, Any]:
    """Waits for a trial's process, which begins once a CPU is free; returns where it is."""
    import ray

    while not ray.wait([refs], timeout=_CPU_S, fetch_local=False)[0]:
        log.warning(
            "trial %s waits for a free CPU of the Ray cluster; another program may use them all",
            job.identity,
        )
    for ref in refs:
        place: Mapping[str, Any] = ray.get(ref)
        return place
    raise _Died("it never began")


def _remove(place: Mapping[str, Any]) -> None:
    """Asks the node of a trial that died to remove its folder; nobody waits for that."""
    import ray

    remover = ray.remote(num_cpus=0, max_retries=0)(remove_folder)
    remover.options(scheduling_strategy=on_node(place["node"])).remote(place["folder"])


@dataclass(frozen=True)
class _Heard:
    """Passes a trial's events on."""

    job: TrialJob
    on_epoch: OnEpoch
    silence: Silence

    def take(self, event: dict[str, Any]) -> None:
        """Passes an epoch on.

        Raises:
            TrialFailed: it is an error.
            TrialStopped: no further epoch is wanted.
        """
        if event.pop("event") == "error":
            raise TrialFailed(event["message"])
        epoch = Epoch(**event)
        self.silence.heard(epoch)
        if not self.on_epoch(epoch):
            raise TrialStopped(f"trial {self.job.identity}: stopped")
