"""What a live run looks like at one moment: plain records that the page, metrics and MQTT read.

One writer (``monitor.Monitor``) and many readers: whoever shows a run never touches what serves it.
"""

from dataclasses import dataclass

from edgescale.inference.classifier import Prediction

STAGES = ("decode", "wait", "prepare", "infer", "output")


@dataclass(frozen=True)
class StageLatency:
    """How long one stage of a frame's way took, over the whole run.

    Attributes:
        stage: ``decode`` (getting it from the source), ``wait`` (until it was handed over),
            ``prepare`` (crop, resize, colour), ``infer`` (until the result was there) or ``output``
            (until all outputs had taken it).
        count: frames counted.
        sum_ms: of all of them.
        p50_ms: median, to the width of a bucket; None without a frame. So the others.
        buckets: upper bound in ms and how many frames took at most as long, rising.
    """

    stage: str
    count: int
    sum_ms: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    buckets: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class SourceStatus:
    """One source.

    Attributes:
        name: as the user gave it, or its address without credentials.
        live: whether it gives the newest frame (a camera) or every frame (a file).
        state: ``opening``, ``playing``, ``lost`` (and being reopened) or ``ended``.
        reason: why it is lost; empty otherwise.
        frames: results so far.
        dropped: frames that nobody saw.
        fps: results per second, over the last seconds; None before two.
        capture_fps: frames that the source gave per second; None before two.
        outages: how often it was lost.
        outage_s: for how long in all, the present outage included.
        size_px: (width, height) of its last frame.
        age_ms: from capture to the last result.
        predictions: what was shown last, best first.
        present: labels that have entered and not left.
    """

    name: str
    live: bool
    state: str
    reason: str
    frames: int
    dropped: int
    fps: float | None
    capture_fps: float | None
    outages: int
    outage_s: float
    size_px: tuple[int, int] | None
    age_ms: float | None
    predictions: tuple[Prediction, ...]
    present: tuple[str, ...]


@dataclass(frozen=True)
class SinkStatus:
    """One output.

    Attributes:
        name: unique within a run.
        written: results that it took; of snapshots the pictures, of a webhook the events.
        dropped: what was lost of these.
        error: what is wrong with it; empty where nothing is.
    """

    name: str
    written: int
    dropped: int
    error: str


@dataclass(frozen=True)
class EventRecord:
    """Something that happened beside the results; ``source`` is empty where it concerns all."""

    time: str  # RFC 3339, UTC
    kind: str
    text: str
    source: str


@dataclass(frozen=True)
class Snapshot:
    """A live run at one moment.

    Attributes:
        time: now, RFC 3339 UTC.
        uptime_s: since the run began.
        family: its name.
        variant: what serves now; empty before the first result.
        device: where.
        runtime: with what, name and version.
        why: why this variant, in a sentence.
        budget: the limits in words; empty without any.
        limit_ms: the latency budget.
        variants: what the run may change between, smallest first.
        latency_ms: (p50, p95, p99) of the last results; None before the first.
        fps: results per second of all sources, over the last seconds.
        stages: in the order of ``STAGES``.
        sources: in the order given.
        sinks: in the order given.
        events: the newest last, at most 50 ``entered`` and ``left``, and 50 others.
        temperature_c: of the Edge TPU, else the hottest zone; None where nothing tells.
    """

    time: str
    uptime_s: float
    family: str
    variant: str
    device: str
    runtime: str
    why: str
    budget: str
    limit_ms: float | None
    variants: tuple[str, ...]
    latency_ms: tuple[float, float, float] | None
    fps: float | None
    stages: tuple[StageLatency, ...]
    sources: tuple[SourceStatus, ...]
    sinks: tuple[SinkStatus, ...]
    events: tuple[EventRecord, ...]
    temperature_c: float | None
