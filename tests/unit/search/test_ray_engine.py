"""Connecting to Ray: each thing that is wrong with a cluster is one sentence."""

import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from edgescale.errors import SearchError
from edgescale.search import ray_cluster
from edgescale.search.engine import Engine
from edgescale.search.ray_engine import connect
from edgescale.search.training import versions


class RayError(Exception):
    """As Ray's."""


class GetTimeoutError(RayError):
    """As Ray's."""


class FakeRay(SimpleNamespace):
    """As much of Ray as connecting touches: one node that gives ``answer``."""

    def __init__(self, answer: Callable[[], Any], cpus: float = 2.0) -> None:
        exceptions = SimpleNamespace(RayError=RayError, GetTimeoutError=GetTimeoutError)
        super().__init__(exceptions=exceptions, answer=answer, left=0)
        self.found = [
            {"Alive": True, "Resources": {"CPU": cpus}, "NodeID": "abcdef0123",
             "NodeManagerAddress": "10.0.0.2"},
            {"Alive": False, "Resources": {"CPU": 8.0}, "NodeID": "dead",
             "NodeManagerAddress": "10.0.0.3"},
        ]  # fmt: skip

    def nodes(self) -> list[dict[str, Any]]:
        return self.found

    def remote(self, **options: Any) -> Callable[[Any], Any]:
        asked = SimpleNamespace(remote=lambda *arguments: "ref")
        return lambda function: SimpleNamespace(options=lambda **where: asked, **vars(asked))

    def get(self, ref: Any, timeout: float) -> Any:
        return self.answer()

    def shutdown(self) -> None:
        self.left += 1


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeRay], FakeRay]:
    def installed(ray: FakeRay) -> FakeRay:
        strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: node)
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setitem(sys.modules, "ray.exceptions", ray.exceptions)
        monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", strategies)
        monkeypatch.setattr(ray_cluster, "prepared_address", lambda address: address or "auto")
        monkeypatch.setattr(ray_cluster, "_answers", lambda address: True)
        monkeypatch.setattr(ray_cluster, "_init", lambda address: None)
        return ray

    return installed


def raises(problem: Exception) -> Callable[..., Any]:
    def raising(*arguments: Any) -> Any:
        raise problem

    return raising


@pytest.mark.parametrize(("jobs", "slots"), [(None, 2), (1, 1), (8, 2)])
def test_there_is_a_slot_for_every_cpu_that_lives_or_as_many_as_were_asked(
    install: Callable[[FakeRay], FakeRay], jobs: int | None, slots: int
) -> None:
    ray = install(FakeRay(versions))
    engine: Engine = connect("10.0.0.1:6379", jobs)
    assert (engine.name, engine.slots, ray.left) == ("ray", slots, 0)
    engine.close()
    engine.close()
    assert ray.left == 1


@pytest.mark.parametrize(
    ("ray", "said"),
    [
        (FakeRay(versions, cpus=0), r"no CPU for trials; add a node"),
        (FakeRay(raises(RayError())), r"10.0.0.2 \(abcdef01\) cannot run edgescale; install"),
        (FakeRay(raises(GetTimeoutError())), r"does not answer; restart or remove it"),
        (FakeRay(lambda: {**versions(), "keras": "0.1"}), r"has keras 0.1 and this machine \d"),
        (FakeRay(lambda: {"python": "3"}), r"has edgescale none and this machine \d"),
    ],
    ids=["no cpu", "no edgescale", "silent", "other keras", "no packages"],
)
def test_a_node_that_cannot_run_trials_is_said_and_the_cluster_left(
    install: Callable[[FakeRay], FakeRay], ray: FakeRay, said: str
) -> None:
    install(ray)
    with pytest.raises(SearchError, match=said):
        connect("10.0.0.1:6379")
    assert ray.left == 1


def test_another_python_on_a_node_is_left_to_ray(
    install: Callable[[FakeRay], FakeRay],
) -> None:
    install(FakeRay(lambda: {**versions(), "python": "3.0.0"}))
    assert connect("10.0.0.1:6379").slots == 2


@pytest.mark.parametrize(
    ("address", "said"),
    [(None, "no Ray cluster runs on this machine; start one with: ray start --head"),
     ("10.0.0.1:6379", "10.0.0.1:6379: no Ray cluster answers of which this machine is a node")],
)  # fmt: skip
def test_no_cluster_is_one_sentence(
    install: Callable[[FakeRay], FakeRay],
    monkeypatch: pytest.MonkeyPatch,
    address: str | None,
    said: str,
) -> None:
    install(FakeRay(versions))
    monkeypatch.setattr(ray_cluster, "_init", raises(ConnectionError("no")))
    with pytest.raises(SearchError, match=said):
        connect(address)
    monkeypatch.setattr(ray_cluster, "_answers", lambda address: False)
    with pytest.raises(SearchError, match=said):
        connect(address)


def test_what_ray_says_of_a_cluster_is_passed_on_in_one_line(
    install: Callable[[FakeRay], FakeRay], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(FakeRay(versions))
    problem = RuntimeError("Version mismatch: the cluster was started with:\n    Ray: 2.9")
    monkeypatch.setattr(ray_cluster, "_init", raises(problem))
    with pytest.raises(SearchError, match=r"cannot be used: .*mismatch: .* with: Ray: 2.9$"):
        connect("10.0.0.1:6379")


def test_a_ray_without_the_switches_that_are_set_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    private = SimpleNamespace(worker=SimpleNamespace(), ray_constants=SimpleNamespace())
    ray = SimpleNamespace(_private=private, __version__="9.9")
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(SearchError, match=r"Ray 9\.9 is not known .* no _worker_logs_enabled"):
        ray_cluster._init("127.0.0.1:1")


def test_a_cluster_that_keeps_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "prepared_address", lambda address: address)
    monkeypatch.setattr(ray_cluster, "_CONNECT_S", 0.2)
    hanging = [sys.executable, "-c", f"import time; time.sleep({time.monotonic()})"]
    monkeypatch.setattr(ray_cluster, "python_command", lambda module, settings: hanging)
    with pytest.raises(SearchError, match="no Ray cluster answers"):
        connect("10.0.0.1:6379")
