"""A snapshot of a live run as Prometheus text, with the names of Frigate where they match.

Whoever watches Frigate with Prometheus finds the same six ends of names here: ``_camera_fps``,
``_process_fps``, ``_skipped_fps``, ``_detector_inference_speed_seconds``, ``_device_temperature``
and ``_service_uptime_seconds``. The registry is built from the snapshot and is thrown away, so that
two runs in one process never mix.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgescale.stream.extras import needing
from edgescale.stream.snapshot import Snapshot, SourceStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PLAYING = "playing"

Measure = Callable[[SourceStatus], float | None]

_SOURCE_GAUGES: tuple[tuple[str, str, Measure], ...] = (
    ("camera_fps", "Frames per second that the source gives.", lambda one: one.capture_fps),
    ("process_fps", "Frames per second that are classified.", lambda one: one.fps),
    (
        "skipped_fps",
        "Frames per second that are not classified, because a newer one was there.",
        lambda one: (
            None
            if one.fps is None or one.capture_fps is None
            else max(0.0, one.capture_fps - one.fps)
        ),
    ),
    ("source_up", "1 while the source gives frames.", lambda one: float(one.state == _PLAYING)),
    (
        "source_result_age_seconds",
        "From capture to the last result.",
        lambda one: None if one.age_ms is None else one.age_ms / 1000,
    ),
)
_SOURCE_COUNTERS: tuple[tuple[str, str, Measure], ...] = (
    ("source_frames", "Frames that were classified.", lambda one: one.frames),
    ("source_dropped_frames", "Frames that nobody saw.", lambda one: one.dropped),
    ("source_outages", "How often the source was lost.", lambda one: one.outages),
    ("source_outage_seconds", "For how long in all.", lambda one: one.outage_s),
)


def metrics_text(snapshot: Snapshot) -> bytes:
    """Returns the metrics in Prometheus' text format; seconds, bytes and counts throughout.

    Raises:
        SinkFailed: prometheus-client is not installed or does not work.
    """
    with needing("/metrics", "prometheus-client", "web"):
        from prometheus_client import CollectorRegistry, generate_latest
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot))
    return generate_latest(registry)


class _Collector:
    """Gives the families of one snapshot, as a registry asks for them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Any]:
        """Yields each metric with its samples."""
        snapshot = self._snapshot
        yield from _of_run(snapshot)
        names = _distinct([source.name for source in snapshot.sources])
        sources = list(zip(names, snapshot.sources, strict=True))
        for name, text, measure in _SOURCE_GAUGES:
            yield _family("gauge", name, text, ("camera_name",), _measured(sources, measure))
        for name, text, measure in _SOURCE_COUNTERS:
            yield _family("counter", name, text, ("camera_name",), _measured(sources, measure))
        yield from _of_sinks(snapshot)
        yield _histogram(snapshot)


Samples = list[tuple[tuple[str, ...], float]]


def _of_run(snapshot: Snapshot) -> Iterator[Any]:
    uptime: Samples = [((), snapshot.uptime_s)]
    yield _family("gauge", "service_uptime_seconds", "Since the run began.", (), uptime)
    device = _text(snapshot.device)
    speed: Samples = []
    if snapshot.latency_ms is not None:
        speed.append(((device,), snapshot.latency_ms[0] / 1000))
    text = "Median time from a frame handed over to its result, over the last results."
    yield _family("gauge", "detector_inference_speed_seconds", text, ("name",), speed)
    heat: Samples = []
    if snapshot.temperature_c is not None:
        heat.append(((device,), snapshot.temperature_c))
    text = "Degrees Celsius of the Edge TPU, else of the hottest zone."
    yield _family("gauge", "device_temperature", text, ("device",), heat)
    limit: Samples = []
    if snapshot.limit_ms is not None:
        limit.append(((), snapshot.limit_ms / 1000))
    yield _family("gauge", "latency_budget_seconds", "The latency that was budgeted.", (), limit)
    runs = (_text(snapshot.family), _text(snapshot.variant), device, _text(snapshot.runtime))
    text = "1 for the variant that serves."
    labels = ("family", "variant", "device", "runtime")
    yield _family("gauge", "variant_running", text, labels, [(runs, 1.0)] if runs[1] else [])


def _of_sinks(snapshot: Snapshot) -> Iterator[Any]:
    names = _distinct([sink.name for sink in snapshot.sinks])
    sinks = list(zip(names, snapshot.sinks, strict=True))
    written: Samples = [((name,), sink.written) for name, sink in sinks]
    dropped: Samples = [((name,), sink.dropped) for name, sink in sinks]
    failed: Samples = [((name,), float(bool(sink.error))) for name, sink in sinks]
    yield _family("counter", "sink_written", "What the output took.", ("sink",), written)
    yield _family("counter", "sink_dropped", "What was dropped for it.", ("sink",), dropped)
    yield _family("gauge", "sink_failed", "1 while something is wrong with it.", ("sink",), failed)


def _histogram(snapshot: Snapshot) -> Any:
    from prometheus_client.core import HistogramMetricFamily

    text = "How long each stage of a frame's way took."
    family = HistogramMetricFamily("edgescale_stage_latency_seconds", text, labels=["stage"])
    for stage in snapshot.stages:
        buckets = [(f"{bound_ms / 1000:g}", count) for bound_ms, count in stage.buckets]
        if buckets and buckets[-1][0] == "inf":
            buckets.pop()
        buckets.append(("+Inf", stage.count))
        family.add_metric([_text(stage.stage)], buckets=buckets, sum_value=stage.sum_ms / 1000)
    return family


def _family(kind: str, name: str, text: str, labels: Sequence[str], samples: Samples) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    make = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    family = make(f"edgescale_{name}", text, labels=list(labels))
    for values, value in samples:
        family.add_metric(list(values), value)
    return family


def _measured(sources: Sequence[tuple[str, SourceStatus]], measure: Measure) -> Samples:
    found = [(name, measure(source)) for name, source in sources]
    return [((name,), value) for name, value in found if value is not None]


def _text(text: str) -> str:
    """Returns text that is UTF-8: half a character of a file name would end the whole answer."""
    return text.encode("utf-8", "replace").decode()


def _distinct(names: Sequence[str]) -> list[str]:
    """Returns the names with a number behind each repeated one: a series may not come twice."""
    found: list[str] = []
    for name in map(_text, names):
        number, fresh = 2, name
        while fresh in found:
            number, fresh = number + 1, f"{name} ({number})"
        found.append(fresh)
    return found
