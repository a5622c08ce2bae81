"""A snapshot of a live run with something in every field, for what shows one."""

from dataclasses import replace
from typing import Any

from edgescale.inference.classifier import Prediction
from edgescale.stream.snapshot import (
    EventRecord,
    SinkStatus,
    Snapshot,
    SourceStatus,
    StageLatency,
)

SOURCE = SourceStatus(
    name="door", live=True, state="playing", reason="", frames=90, dropped=10, fps=15.0,
    capture_fps=20.0, outages=2, outage_s=3.5, size_px=(640, 480), age_ms=40.0,
    predictions=(Prediction(0, "cat", 0.9),), present=("cat",),
)  # fmt: skip
STAGES = (
    StageLatency("decode", 90, 180.0, 2.0, 4.0, 4.0, ((2.0, 60), (4.0, 90))),
    StageLatency("infer", 90, 900.0, 10.0, 16.0, 16.0, ((8.0, 0), (16.0, 89))),
)
SNAPSHOT = Snapshot(
    time="2026-11-22T10:00:00.000Z", uptime_s=6.0, family="birds", variant="large", device="usb:0",
    runtime="tflite_runtime 2.14.0", why="the largest that fits", budget="p95 latency <= 20 ms",
    limit_ms=20.0, variants=("small", "large"), latency_ms=(10.0, 16.0, 18.0), fps=15.0,
    stages=STAGES, sources=(SOURCE,), sinks=(SinkStatus("mqtt", 5, 1, ""),),
    events=(EventRecord("2026-11-22T10:00:00.000Z", "entered", "cat entered", "door"),),
    temperature_c=61.5,
)  # fmt: skip


def snapshot(**changes: Any) -> Snapshot:
    """Returns the snapshot with other values."""
    return replace(SNAPSHOT, **changes)


def source(**changes: Any) -> SourceStatus:
    """Returns the source with other values."""
    return replace(SOURCE, **changes)
