"""A run for the page to watch: snapshots and pictures as a test sets them, changed at will."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np

from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image
from edgescale.stream.flight import FrameResult
from edgescale.stream.snapshot import (
    STAGES,
    EventRecord,
    SinkStatus,
    Snapshot,
    SourceStatus,
    StageLatency,
)

ANSWER = (Prediction(0, "cat", 0.82), Prediction(1, "dog", 0.11), Prediction(2, "bird", 0.04))


def now(offset_s: float = 0.0) -> str:
    """Returns a moment as RFC 3339, UTC."""
    moment = datetime.fromtimestamp(time.time() + offset_s, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def source_status(name: str, **changes: Any) -> SourceStatus:
    """Returns a camera that plays."""
    facts: dict[str, Any] = {
        "name": name,
        "live": True,
        "state": "playing",
        "reason": "",
        "frames": 100,
        "dropped": 7,
        "fps": 24.8,
        "capture_fps": 29.9,
        "outages": 0,
        "outage_s": 0.0,
        "size_px": (1280, 720),
        "age_ms": 41.2,
        "predictions": ANSWER,
        "present": ("cat",),
    }
    return SourceStatus(**{**facts, **changes})


def snapshot(*sources: SourceStatus, **changes: Any) -> Snapshot:
    """Returns a run of two variants, the larger of which serves."""
    stages = tuple(
        StageLatency(stage, 100, 250.0, 2.0 + place, 3.0 + place, 5.0 + place, ((10.0, 100),))
        for place, stage in enumerate(STAGES)
    )
    facts: dict[str, Any] = {
        "time": now(),
        "uptime_s": 320.0,
        "family": "pets",
        "variant": "pets-m",
        "device": "cpu",
        "runtime": "ai-edge-litert 2.3.0",
        "why": "the largest of 2 that fits 25 ms at p95",
        "budget": "p95 of at most 25 ms",
        "limit_ms": 25.0,
        "variants": ("pets-s", "pets-m"),
        "latency_ms": (14.1, 18.9, 23.0),
        "fps": 24.8,
        "stages": stages,
        "sources": sources or (source_status("door"),),
        "sinks": (SinkStatus("page", 100, 0, ""), SinkStatus("saved video", 98, 2, "")),
        "events": (),
        "temperature_c": None,
    }
    return Snapshot(**{**facts, **changes})


def result(index: int, source: str, image: Image, answer: Sequence[Prediction]) -> FrameResult:
    """Returns a classified frame."""
    return FrameResult(
        index=index,
        image=image,
        captured_s=float(index),
        age_ms=40.0,
        latency_ms=14.0,
        invoke_ms=12.0,
        position_s=None,
        name=None,
        time=now(),
        predictions=tuple(answer),
        variant="pets-m",
        device="cpu",
        runtime="ai-edge-litert",
        dropped=0,
        source_fps=None,
        source=source,
    )


class WatchedRun:
    """What ``Monitor`` is to the page; a test says what happens."""

    def __init__(self, state: Snapshot | None = None) -> None:
        self.state = state or snapshot()
        self.answer: Sequence[Prediction] = ANSWER
        self._newest: dict[str, FrameResult] = {}
        self._changed = threading.Condition()

    def snapshot(self) -> Snapshot:
        return self.state

    def latest(self, source: str) -> FrameResult | None:
        return self._newest.get(source)

    def wait_newer(self, source: str, index: int, timeout_s: float) -> FrameResult | None:
        def newer() -> FrameResult | None:
            found = self._newest.get(source)
            return found if found is not None and found.index > index else None

        with self._changed:
            self._changed.wait_for(newer, timeout_s)
            return newer()

    def show(self, source: str, image: Image | None = None) -> FrameResult:
        """Lets a frame be classified."""
        picture = np.zeros((36, 64, 3), np.uint8) if image is None else image
        with self._changed:
            before = self._newest.get(source)
            shown = result(before.index + 1 if before else 0, source, picture, self.answer)
            self._newest[source] = shown
            self._changed.notify_all()
            return shown

    def change(self, **changes: Any) -> None:
        """Changes the snapshot."""
        self.state = replace(self.state, **{"time": now(), **changes})

    def happened(self, kind: str, text: str, source: str = "", ago_s: float = 0.0) -> None:
        """Adds an event to the snapshot."""
        record = EventRecord(now(-ago_s), kind, text, source)
        self.change(events=(*self.state.events, record))
