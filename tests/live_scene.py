"""Whole pipelines on fakes: a family that only a fake worker can run, and one source."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgescale.stream import assembly, live_run
from edgescale.stream.event import Event
from edgescale.stream.pipeline import Pipeline
from edgescale.stream.sinks.outputs import Sink
from tests.fakes import FakeWorker, fake_family


class Scene:
    """Makes pipelines of a fake family on a fake worker from one source."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.family = fake_family(folder, {"phi0": 1})
        self.workers: list[FakeWorker] = []
        self.top_k: list[int] = []  # that each worker was asked for
        self.source: Any = None
        self.on_source_event: Callable[[Event], None] | None = None
        self.events: list[Event] = []
        self.opening: Callable[[Callable[[], bool]], None] | None = None  # takes ``stopped``
        self.invoke_s = 0.0
        monkeypatch.setattr(live_run, "Worker", self._worker)
        monkeypatch.setattr(assembly, "open_sources", self._open)

    def pipeline(self, source: Any, *sinks: Sink, **options: Any) -> Pipeline:
        self.source = source
        options.setdefault("on_event", self.events.append)
        return Pipeline(self.family, "0", variant="phi0", device="cpu", sinks=sinks, **options)

    def _worker(self, family: Any, variant: Any, settings: Any) -> FakeWorker:
        def wait(_: str) -> None:
            time.sleep(self.invoke_s)

        self.top_k.append(settings.top_k)
        self.workers.append(FakeWorker(variant, family=family, on_classify=wait))
        return self.workers[-1]

    def _open(
        self, specs: Any, *, on_event: Callable[[Event], None], stopped: Callable[[], bool]
    ) -> Any:
        self.on_source_event = on_event
        if self.opening is not None:
            self.opening(stopped)
        if isinstance(self.source, Exception):
            raise self.source
        return self.source


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Yields a scene, and checks that its runs left no thread behind."""
    before = set(threading.enumerate())
    yield Scene(tmp_path, monkeypatch)
    left = [one.name for one in threading.enumerate() if one not in before]
    assert left == [], "threads were left behind"
