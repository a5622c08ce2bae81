"""A Ray cluster that is there: found, joined, and asked what its nodes can run.

Ray waits, prints and aborts where it does not like what it finds; so it first tries in a process of
its own, and what it says becomes one sentence.
"""

import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from edgescale.errors import SearchError
from edgescale.inference.child import python_command
from edgescale.search.ray_address import INSTALL_RAY, no_cluster, prepared_address
from edgescale.search.training import versions

_CONNECT_S = 30.0  # where something else listens, Ray would wait for minutes
_NODE_S = 60.0
_KNOWN_RAY = "2.60"  # that the tests ran with
_NOBODY = 3  # exit code: there is no cluster


def join_cluster(address: str | None) -> int:
    """Connects this process to a running cluster; returns on how many CPUs trials can run.

    Args:
        address: ``host:port`` as ``ray start --head`` prints it; None for ``RAY_ADDRESS`` or else
            the cluster on this machine.

    Raises:
        SearchError: Ray or a cluster is missing, or its nodes cannot run the trials.
    """
    wanted = prepared_address(address)
    if not _answers(wanted):
        raise no_cluster(wanted)
    import ray

    try:
        _init(wanted)
        return _usable_cpus()
    except ConnectionError as problem:
        raise no_cluster(wanted) from problem
    except (RuntimeError, ValueError, ray.exceptions.RayError) as problem:
        raise SearchError(f"the Ray cluster cannot be used: {one_line(problem)}") from problem
    except SearchError:
        ray.shutdown()
        raise


def main(settings: dict[str, Any]) -> None:
    """Connects to the cluster at ``address`` and ends, in a process that may hang or abort."""
    with suppress(RuntimeError, ValueError, SearchError):  # told where it is tried again
        try:
            _init(settings["address"])
        except ConnectionError:
            sys.exit(_NOBODY)


def one_line(problem: BaseException) -> str:
    """Returns what a foreign error says, for a message."""
    return " ".join(f"{type(problem).__name__}: {problem}".split())[:300]


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
    for module, switch in (
        (ray._private.worker, "_worker_logs_enabled"),
        (ray._private.ray_constants, "ENABLE_RAY_CLUSTER"),
    ):
        if not hasattr(module, switch):
            raise SearchError(
                f"Ray {ray.__version__} is not known to this edgescale: it has no {switch}; install"
                f" an earlier Ray, e.g. {_KNOWN_RAY}"
            )
        setattr(module, switch, False)
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

    ask = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(versions)
    cpus, answers = 0, {}
    for node in ray.nodes():
        own = int(node["Resources"].get("CPU", 0)) if node["Alive"] else 0
        if own:
            name = f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"
            answers[name] = ask.options(scheduling_strategy=on_node(node["NodeID"])).remote()
            cpus += own
    for name, answer in answers.items():
        _check_node(name, answer)
    if not cpus:
        raise SearchError("the Ray cluster has no CPU for trials; add a node to it")
    return cpus


def on_node(node: str) -> Any:
    """Returns what makes Ray run a task on this node and on no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


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
