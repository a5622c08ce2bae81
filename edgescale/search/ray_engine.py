"""Trains trials on a Ray cluster: the engine for more than one machine, and the only user of Ray.

A trial is one actor on one CPU, in a process of its own as with the local engine, so that equal
versions give equal scores. It yields an event for every epoch and at last the weights. Ray could
begin a lost trial again by itself but would not tell; so that is done and counted here.

An actor and not a task: cancelling tasks that yield ends the searching process at times (a failed
check in Ray 2.60), killing actors does not.

Every node needs the same edgescale and TensorFlow, and the recipe's images at the same path: a
trial compares the digests of its network and of the images with those of the study before it
trains. A Ray cluster runs the code of anyone who reaches it: keep it in a network of your own.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgescale.errors import SearchError
from edgescale.family.store import write_bytes
from edgescale.inference.child import python_command
from edgescale.search.engine import EngineClosed, TrialFailed, TrialStopped
from edgescale.search.events import trial_events
from edgescale.search.ray_address import INSTALL_RAY, no_cluster, prepared_address
from edgescale.search.training import (
    WEIGHTS_FILE,
    Epoch,
    OnEpoch,
    TrialJob,
    TrialOutcome,
    outcome_from_dict,
    versions,
)

_RETRIES = 3  # of a trial whose worker or node died, in this run of the search
_CONNECT_S = 30.0  # where something else listens, Ray would wait for minutes
_NODE_S = 60.0
_END_S = 3.0
_NOBODY = 3  # exit code: there is no cluster

Events = Callable[[TrialJob, Path], Iterator[dict[str, Any]]]


class Trainer:
    """The process of one trial on a worker.

    Args:
        events: trains a job in a folder and yields its events.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._folder = Path(tempfile.mkdtemp(prefix="edgescale-"))

    def train(self, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Trains; yields the events, the last one with the node's name."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        for event in self._events(TrialJob(**job), self._folder):
            if event["event"] == "done":
                outcome = event["outcome"]
                outcome["host"] = f"{outcome['host']} (Ray node {node[:8]})"
                outcome["versions"]["ray"] = ray.__version__
            yield event

    def end(self) -> None:
        """Removes the trial's files and ends the process, in the middle of an epoch if need be."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(0)


class RayEngine:
    """Runs each trial as an actor of the cluster that this process is connected to.

    Args:
        slots: trials that may run at a time.
        events: trains a job in a folder of a worker and yields its events.
    """

    name = "ray"

    def __init__(self, slots: int, events: Events = trial_events) -> None:
        import ray

        self.slots = slots
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
            try:
                for ref in trainer.train.options(num_returns="streaming").remote(job.to_dict()):
                    event = ray.get(ref)
                    if event["event"] == "done":
                        write_bytes(Path(job.folder) / WEIGHTS_FILE, event["weights"])
                        return outcome_from_dict(event["outcome"])
                    _heard(event, job, on_epoch)
            except RayTaskError as problem:
                raise TrialFailed(_one_line(problem.cause)) from problem
            except RayError as problem:
                self._check_open(job)
                raise _Died(str(problem).partition("\n")[0]) from problem
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
    wanted = prepared_address(address)
    if not _answers(wanted):
        raise no_cluster(wanted)
    import ray

    try:
        _init(wanted)
        slots = _usable_cpus()
    except ConnectionError as problem:
        raise no_cluster(wanted) from problem
    except (RuntimeError, ValueError, ray.exceptions.RayError) as problem:
        raise SearchError(f"the Ray cluster cannot be used: {_one_line(problem)}") from problem
    except SearchError:
        ray.shutdown()
        raise
    return RayEngine(min(slots, jobs or slots))


def main(settings: dict[str, Any]) -> None:
    """Connects to the cluster at ``address`` and ends, in a process that may hang or abort."""
    with suppress(RuntimeError, ValueError):  # told where it is tried again
        try:
            _init(settings["address"])
        except ConnectionError:
            sys.exit(_NOBODY)


def _heard(event: dict[str, Any], job: TrialJob, on_epoch: OnEpoch) -> None:
    """Passes an epoch on.

    Raises:
        TrialFailed: it is an error.
        TrialStopped: no further epoch is wanted.
    """
    if event.pop("event") == "error":
        raise TrialFailed(event["message"])
    if not on_epoch(Epoch(**event)):
        raise TrialStopped(f"trial {job.identity}: stopped")


def _answers(address: str) -> bool:
    """Says whether Ray finds a cluster, whatever it then says of it."""
    command = python_command(__name__, {"address": address})
    try:
        done = subprocess.run(
            command, timeout=_CONNECT_S, stdin=subprocess.DEVNULL, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode >= 0 and done.returncode != _NOBODY


def _init(address: str) -> None:
    """Connects this process, and keeps Ray from printing and from taking over SIGTERM."""
    import ray

    # Neither has a public switch. The death of a worker would be printed to stdout, where our
    # results go; and a loopback address would be taken for the machine's outward one, where a
    # cluster that was started for this machine alone does not listen.
    ray._private.worker._worker_logs_enabled = False
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = False
    at_sigterm = signal.getsignal(signal.SIGTERM)
    ray.init(address, log_to_driver=False, logging_level="error")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, at_sigterm)


def _usable_cpus() -> int:
    """Returns on how many CPUs trials can run, after a question to every node that has one.

    Raises:
        SearchError: there is none, or a node has not the same packages as this machine.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(versions)
    cpus, answers = 0, {}
    for node in ray.nodes():
        own = int(node["Resources"].get("CPU", 0)) if node["Alive"] else 0
        if own:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            name = f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"
            answers[name] = ask.options(scheduling_strategy=there).remote()
            cpus += own
    for name, answer in answers.items():
        _check_node(name, answer)
    if not cpus:
        raise SearchError("the Ray cluster has no CPU for trials; add a node to it")
    return cpus


def _check_node(name: str, answer: Any) -> None:
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    try:
        there = ray.get(answer, timeout=_NODE_S)
    except GetTimeoutError as problem:
        raise SearchError(f"Ray node {name} does not answer; restart or remove it") from problem
    except RayError as problem:
        raise SearchError(
            f"Ray node {name} cannot run edgescale; install the same version of it there, with:"
            f" {INSTALL_RAY}"
        ) from problem
    for package, wanted in versions().items():
        found = there.get(package, "none")
        if package != "python" and found != wanted:  # Ray itself compares Python's
            raise SearchError(
                f"Ray node {name} has {package} {found} and this machine {wanted}; scores compare"
                " only between equal versions, so install the same"
            )


def _one_line(problem: BaseException) -> str:
    return " ".join(f"{type(problem).__name__}: {problem}".split())[:300]
