"""Two variants in one child: the way to have a second one ready on an Edge TPU."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from edgescale.errors import (
    EdgeTpuRuntimeMissing,
    ModelFileError,
    NotForThisDevice,
    WorkerDied,
)
from edgescale.inference.serving_process import ServingProcess
from edgescale.inference.worker import Worker, WorkerSettings
from tests.edgetpu_double import behave, behave_live, double, needs_compiler, own_locks
from tests.tiny_models import BLUE, GREEN, RED, Tiny, tiny_family, tiny_record

__all__ = ["double", "own_locks"]
pytestmark = needs_compiler


def two(folder: Path, library: str, device: str = "usb") -> tuple[Worker, Worker]:
    small = tiny_record(folder, "small", twin=True)
    large = tiny_record(folder, "large", Tiny(side=8, background=True), twin=True)
    family = tiny_family(folder, small, large)
    first = Worker(family, small, settings=WorkerSettings(device=device, edgetpu_library=library))
    return first, first.load_beside(large)


@pytest.mark.parametrize("device", ["usb", "auto"])
def test_both_serve_from_one_process_and_each_is_closed_by_itself(
    tmp_path: Path, double: str, device: str
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    first, second = two(tmp_path, double, device)
    child = psutil.Process(first.pid)
    assert first.pid == second.pid
    assert second.device in ("usb", ":0")
    for worker in (first, second):
        worker.submit(RED, bgr=False)
        worker.submit(GREEN, bgr=False)
    assert [second.result().class_ids[0], first.result().class_ids[0]] == [0, 0]
    assert [second.result().class_ids[0], first.result().class_ids[0]] == [1, 1]
    descriptors = child.num_fds()
    first.close()
    assert second.classify(BLUE, bgr=False).class_ids[0] == 2
    third = second.load_beside(first.variant)
    assert third.classify(BLUE, bgr=False).class_ids[0] == 2
    assert child.num_fds() == descriptors
    assert child.num_threads() <= 4
    second.close()
    third.close()
    assert not child.is_running()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_first_serves_while_a_thread_loads_the_second(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, latency_ms=1)
    small = tiny_record(tmp_path, "small", twin=True)
    family = tiny_family(tmp_path, small)
    with Worker(family, small, settings=WorkerSettings("usb", edgetpu_library=double)) as first:
        first.classify(RED, bgr=False)
        found: list[Worker] = []
        loader = threading.Thread(target=lambda: found.append(first.load_beside(small)))
        loader.start()
        served = 0
        while loader.is_alive():
            assert first.classify(GREEN, bgr=False).class_ids[0] == 1
            served += 1
        loader.join()
        assert served > 0
        assert found[0].classify(BLUE, bgr=False).class_ids[0] == 2
        found[0].close()


def test_a_crash_of_the_one_is_met_by_both_and_frees_the_edge_tpu(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, abort_at=1)
    first, second = two(tmp_path, double)
    with pytest.raises(WorkerDied, match="SIGABRT"):
        first.classify(RED, bgr=False)
    # The lock is free although the second worker has not been closed yet.
    behave(monkeypatch)
    with Worker(first.family, first.variant, settings=first.settings) as again:
        assert again.classify(RED, bgr=False).class_ids[0] == 0
    with pytest.raises(WorkerDied, match="SIGABRT"):
        second.classify(RED, bgr=False)
    with pytest.raises(WorkerDied, match="closed"):
        second.load_beside(first.variant)


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_death_as_the_second_is_loaded_is_told_and_leaves_nothing(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    small = tiny_record(tmp_path, "small", twin=True)
    family = tiny_family(tmp_path, small)
    settings = WorkerSettings("usb", edgetpu_library=double)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    first = Worker(family, small, settings=settings)
    child = psutil.Process(first.pid)

    def end() -> None:
        child.kill()
        while child.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)

    def load(process: ServingProcess, *told: Any) -> None:
        end()
        send(process, *told)

    send = ServingProcess.load
    if when == "before":
        end()
    else:
        monkeypatch.setattr(ServingProcess, "load", load)
    with pytest.raises(WorkerDied, match="worker of variant 'small' ended with SIGKILL"):
        first.load_beside(small)
    with Worker(family, small, settings=settings) as again:  # the Edge TPU is free
        assert again.classify(GREEN, bgr=False).class_ids[0] == 1
    first.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_crash_while_the_second_is_loaded_names_what_crashed(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave_live(monkeypatch, tmp_path / "double.txt")
    small = tiny_record(tmp_path, "small", twin=True)
    family = tiny_family(tmp_path, small)
    settings = WorkerSettings("usb", edgetpu_library=double)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    first = Worker(family, small, settings=settings)
    behave_live(monkeypatch, tmp_path / "double.txt", load="abort")
    with pytest.raises(EdgeTpuRuntimeMissing, match="SIGABRT"):
        first.load_beside(small)
    first.close()
    behave_live(monkeypatch, tmp_path / "double.txt")
    Worker(family, small, settings=settings).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_variant_that_cannot_be_loaded_leaves_the_first_alone(
    tmp_path: Path, double: str
) -> None:
    small = tiny_record(tmp_path, "small", twin=True)
    plain = tiny_record(tmp_path, "plain")
    family = tiny_family(tmp_path, small, plain)
    with Worker(family, small, settings=WorkerSettings("auto", edgetpu_library=double)) as first:
        first.classify(RED, bgr=False)
        descriptors = psutil.Process(first.pid).num_fds()
        with pytest.raises(NotForThisDevice, match="no compiled model"):
            first.load_beside(plain)
        with pytest.raises(ModelFileError, match="gives 3 scores"):
            first.load_beside(replace(small, outputs=7))
        assert first.classify(RED, bgr=False).class_ids[0] == 0
        deadline = time.monotonic() + 5
        while psutil.Process(first.pid).num_fds() != descriptors:
            assert time.monotonic() < deadline
            time.sleep(0.01)
