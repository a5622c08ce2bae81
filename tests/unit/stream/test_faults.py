"""Real workers that abort, hang and are killed under the supervisor, with the Edge TPU's double."""

import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from edgescale.family.manifest import VariantRecord
from edgescale.inference.worker import Worker, WorkerSettings
from edgescale.stream.event import Event
from edgescale.stream.supervisor import Opener, Supervisor
from tests.edgetpu_double import behave, double, needs_compiler, own_locks
from tests.tiny_models import tiny_family, tiny_record

__all__ = ["double", "own_locks"]

COLOURS = np.eye(3, dtype=np.uint8) * 200


class Run:
    """A supervised run of a real worker; picture number n has colour n % 3."""

    def __init__(
        self,
        folder: Path,
        settings: WorkerSettings,
        elsewhere: Callable[[], Iterator[Opener]] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        record = tiny_record(folder, "tiny", twin=True)
        self.family = tiny_family(folder, record)
        self.settings = settings
        self.events: list[Event] = []
        self.supervisor = Supervisor(
            self.open(record),
            reopen=self.open,
            elsewhere=elsewhere,
            hang_limit_s=1.0,
            on_event=self.events.append,
            sleep=sleep,
        )
        self.sent = 0

    def open(self, variant: VariantRecord) -> Worker:
        return Worker(self.family, variant, settings=self.settings)

    @property
    def worker(self) -> Worker:
        worker = self.supervisor.worker
        assert isinstance(worker, Worker)
        return worker

    def submit(self) -> None:
        self.supervisor.submit(np.full((6, 6, 3), COLOURS[self.sent % 3], np.uint8), bgr=False)
        self.sent += 1

    def classify(self) -> float:
        """Sends one picture, checks its answer and returns the seconds that it took."""
        started_s = time.monotonic()
        number = self.sent
        self.submit()
        assert self.supervisor.result().class_ids[0] == number % 3
        return time.monotonic() - started_s

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def on_usb(library: str) -> WorkerSettings:
    return WorkerSettings(device="usb", edgetpu_library=library)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def shared_memory() -> set[str]:
    """Returns the mappings of pictures that this process holds."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.split()[0] for line in lines if "edgescale-pictures" in line}


@needs_compiler
def test_an_abort_in_invoke_costs_at_most_a_second_and_a_half(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    behave(monkeypatch, abort_at=3, once=token)
    token.touch()
    run = Run(tmp_path, on_usb(double))
    took_s = [run.classify() for _ in range(5)]
    run.supervisor.close()
    assert took_s[2] <= 1.5
    assert run.kinds() == ["worker-died", "restarted"]
    assert "SIGABRT" in run.events[0].text
    assert "transfer on tag 1 failed" in run.events[0].text


@needs_compiler
def test_a_hang_costs_at_most_a_second_beyond_its_limit(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    behave(monkeypatch, hang_at=3, once=token)
    token.touch()
    run = Run(tmp_path, on_usb(double))
    pid = run.worker.pid
    took_s = [run.classify() for _ in range(5)]
    assert not psutil.pid_exists(pid)
    run.supervisor.close()
    assert 1.0 <= took_s[2] <= 2.0
    assert "no answer" in run.events[0].text


def test_a_killed_worker_on_the_cpu_is_replaced(tmp_path: Path) -> None:
    run = Run(tmp_path, WorkerSettings())
    run.classify()
    os.kill(run.worker.pid, signal.SIGSTOP)  # or both results might be there before the end
    run.submit()
    run.submit()
    os.kill(run.worker.pid, signal.SIGKILL)
    assert [run.supervisor.result().class_ids[0] for _ in range(2)] == [1, 2]
    run.classify()
    run.supervisor.close()
    assert run.kinds() == ["worker-died", "restarted"]
    assert "SIGKILL" in run.events[0].text


@needs_compiler
def test_an_edge_tpu_that_stays_broken_is_left_for_the_cpu(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, abort_at=1)

    def elsewhere() -> Iterator[Opener]:
        yield lambda: run.open_on_cpu()

    class Auto(Run):
        def open_on_cpu(self) -> Worker:
            self.settings = replace(self.settings, device="cpu")
            return self.open(self.family.manifest.variants[0])

    waits: list[float] = []
    run = Auto(tmp_path, on_usb(double), elsewhere, waits.append)
    assert [run.classify() for _ in range(3)]
    assert run.supervisor.device == "cpu"
    assert run.kinds() == ["worker-died", "restarted"] * 2 + ["worker-died", "moved"]
    assert waits == [0.0, 0.25]
    run.supervisor.close()


@needs_compiler
def test_a_hundred_faults_in_a_row_leave_nothing_behind(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, abort_at=2)  # each process answers one picture and dies of the next
    run = Run(tmp_path, on_usb(double), sleep=lambda seconds: None)
    me = psutil.Process()
    rss_bytes = []
    before = (descriptors(), len(shared_memory()), len(me.children()))
    assert before[1:] == (1, 1)
    run.submit()
    for number in range(100):
        run.submit()  # two are under way at each fault
        assert run.supervisor.result().class_ids[0] == number % 3
        if number in (20, 99):
            gc.collect()
            rss_bytes.append(me.memory_info().rss)
    assert run.supervisor.result().class_ids[0] == 100 % 3
    assert run.kinds() == ["worker-died", "restarted"] * 100
    assert (descriptors(), len(shared_memory()), len(me.children())) == before
    assert rss_bytes[1] - rss_bytes[0] < 4 * 2**20
    run.supervisor.close()
    assert me.children() == []
