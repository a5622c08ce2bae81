"""A live run that changes its variant on an Edge TPU's double: one process holds both models."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgescale.inference.worker import Worker, WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.stream.event import Event
from edgescale.stream.frame import Frame
from edgescale.stream.live_run import LiveRun
from edgescale.stream.pipeline import run
from edgescale.stream.place import Place, Wish
from tests.edgetpu_double import behave_live, double, needs_compiler, own_locks
from tests.fakes import measured
from tests.tiny_models import tiny_family, tiny_record

__all__ = ["double", "own_locks"]

LIMIT_MS = 60.0


class Endless:
    """A live source that ends when told to, or before the test takes too long."""

    name, live, dropped = "endless", True, 0
    fps: float | None = None

    def __init__(self) -> None:
        self.ended = False

    def __iter__(self) -> Iterator[Frame]:
        end_s = time.monotonic() + 20
        index = 0
        while not self.ended and time.monotonic() < end_s:
            yield Frame(index, np.zeros((6, 6, 3), np.uint8), time.monotonic())
            index += 1

    def close(self) -> None:
        pass


@needs_compiler
def test_a_slow_chip_gets_the_smaller_model_from_the_same_process_and_survives_its_death(
    double: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behaviour = tmp_path / "behaviour"
    behave_live(monkeypatch, behaviour, latency_ms=1)
    large = tiny_record(tmp_path, "large", twin=True)
    small = replace(tiny_record(tmp_path, "small", twin=True), macs=1)
    family = tiny_family(tmp_path, small, large)
    settings = WorkerSettings(device="usb", edgetpu_library=double)
    ladder = ((small, measured(small, p95_ms=10.0)), (large, measured(large, p95_ms=40.0)))
    wish = Wish(family, settings, None, Budget(latency_ms=LIMIT_MS), adapt=True)
    events: list[Event] = []
    source = Endless()
    place = Place(settings, large, ladder)
    with LiveRun(wish, place, on_event=events.append) as live:
        first = live.supervisor.worker
        assert isinstance(first, Worker)
        pid: int | None = first.pid
        indices = []
        for result in run(source, live.supervisor, watch=live):
            indices.append(result.index)
            if result.index == 3:
                behave_live(monkeypatch, behaviour, latency_ms=80)
            serving = live.supervisor.worker
            if result.variant == "small" and pid is not None:
                assert isinstance(serving, Worker)
                assert serving.pid == pid
                behave_live(monkeypatch, behaviour, latency_ms=1)
                os.kill(pid, signal.SIGABRT)
                pid = None
            source.ended = any(event.kind == "restarted" for event in events)
        assert live.supervisor.variant.name == "small"
    assert indices == list(range(len(indices)))
    assert [event.kind for event in events if event.kind != "doubted"] == [
        "switched", "worker-died", "restarted",
    ]  # fmt: skip
