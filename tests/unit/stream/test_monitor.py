import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgescale.stream.event import Event
from edgescale.stream.flight import FrameResult
from edgescale.stream.heat import Heat
from edgescale.stream.monitor import Monitor
from edgescale.stream.run_facts import RunFacts
from edgescale.stream.snapshot import STAGES, SinkStatus
from edgescale.stream.sources.source_spec import SourceState
from tests.fakes import Clock
from tests.live_fakes import LONG_S
from tests.results import CAT, frame_result

FACTS = RunFacts(
    family="pets",
    why="the largest variant that fits (p95 latency <= 20.0 ms)",
    budget="p95 latency <= 20.0 ms",
    limit_ms=20.0,
    variants=lambda: ("phi0", "phi1"),
    sources=lambda: (
        SourceState("cam", True, "lost", "no frame for 5 s", 2, 7.5, 100, 3),
        SourceState("file", False, "opening"),
    ),
    sinks=lambda: (SinkStatus("json", 9, 1, ""),),
    temperature_c=lambda: 61.5,
)


def result(index: int, **changes: Any) -> FrameResult:
    stages = {"age_ms": 20.0, "decode_ms": 1.0, "wait_ms": 5.0, "prepare_ms": 3.0}
    return replace(frame_result(index, source="cam"), **(stages | changes))


def test_before_the_first_result_a_snapshot_says_what_is_known() -> None:
    monitor = Monitor(clock=(clock := Clock()))
    monitor.follow(FACTS)
    clock.now_s = 3.0
    now = monitor.snapshot()
    assert (now.uptime_s, now.family, now.variant, now.fps, now.latency_ms) == (
        3.0, "pets", "", None, None,
    )  # fmt: skip
    assert (now.why, now.budget, now.limit_ms) == (FACTS.why, FACTS.budget, 20.0)
    assert now.variants == ("phi0", "phi1")
    assert [stage.stage for stage in now.stages] == list(STAGES)
    assert [(one.name, one.state, one.frames) for one in now.sources] == [
        ("cam", "lost", 0), ("file", "opening", 0),
    ]  # fmt: skip
    assert now.sinks == (SinkStatus("json", 9, 1, ""),)
    assert now.temperature_c == 61.5
    assert now.time.endswith("Z")


def test_results_show_as_rates_latencies_and_stages() -> None:
    monitor = Monitor(clock=(clock := Clock()))
    monitor.follow(FACTS)
    for index in range(200):
        clock.now_s = index / 20
        latency_ms = 50.0 if index % 10 == 9 else 12.0
        monitor.observe(result(index, latency_ms=latency_ms, dropped=index), 0.02)
    now = monitor.snapshot()
    assert now.fps == pytest.approx(20.0)
    assert now.latency_ms == (12.0, 50.0, 50.0)
    assert (now.variant, now.device) == ("phi0", "cpu")
    assert now.runtime.startswith("ai_edge_litert ")
    sums_ms = {stage.stage: stage.sum_ms / stage.count for stage in now.stages}
    assert sums_ms == pytest.approx(
        {"decode": 1.0, "wait": 5.0, "prepare": 3.0, "infer": 12.0, "output": 0.02}
    )
    cam = now.sources[0]
    assert (cam.frames, cam.dropped, cam.size_px, cam.age_ms) == (200, 3, (64, 48), 20.0)
    assert cam.fps == pytest.approx(20.0)
    assert cam.capture_fps == pytest.approx(40.0)  # as many again were dropped
    assert (cam.outages, cam.outage_s, cam.reason) == (2, 7.5, "no frame for 5 s")
    assert cam.predictions == (CAT,)


def test_fifty_visits_and_fifty_other_events_are_kept_with_their_source() -> None:
    monitor = Monitor()
    for number in range(80):
        monitor.event(Event("source-lost", f"lost {number}", {"source": "cam"}))
    for number in range(150):
        monitor.event(Event("entered", f"cat {number}", {"source": "cam", "label": "cat"}))
    monitor.event(Event("restarted", "again"))
    events = monitor.snapshot().events
    assert [one.kind for one in events] == [*["source-lost"] * 49, *["entered"] * 50, "restarted"]
    assert (events[0].text, events[0].source) == ("lost 31", "cam")
    assert (events[-2].text, events[-1].source) == ("cat 149", "")


def test_a_switch_is_the_new_reason_for_the_variant() -> None:
    monitor = Monitor()
    monitor.follow(FACTS)
    monitor.event(Event("confirmed", "the profile holds"))
    assert monitor.snapshot().why == FACTS.why
    monitor.event(Event("switched", "'phi1' -> 'phi0': too slow"))
    assert monitor.snapshot().why == "'phi1' -> 'phi0': too slow"


def test_who_is_there_is_who_entered_and_did_not_leave() -> None:
    monitor = Monitor()
    monitor.follow(FACTS)
    for kind, label in (("entered", "cat"), ("entered", "dog"), ("left", "cat"), ("left", "cow")):
        monitor.event(Event(kind, "", {"source": "cam", "label": label}))
    cam, other = monitor.snapshot().sources
    assert (cam.present, other.present) == (("dog",), ())


def test_the_latest_result_of_each_source_can_be_had() -> None:
    monitor = Monitor()
    monitor.observe(result(1), 0.0)
    monitor.observe(result(7, source="file"), 0.0)
    assert monitor.latest("cam").index == 1  # type: ignore[union-attr]
    assert monitor.latest("nobody") is None


def test_a_newer_result_wakes_who_waits_and_an_old_one_does_not() -> None:
    monitor = Monitor()
    monitor.observe(result(1), 0.0)
    assert monitor.wait_newer("cam", None, 0.0).index == 1  # type: ignore[union-attr]
    assert monitor.wait_newer("cam", 1, 0.01) is None
    got: list[int | None] = []

    def watch() -> None:
        found = monitor.wait_newer("cam", 1, 3 * LONG_S)
        got.append(None if found is None else found.index)

    watchers = [threading.Thread(target=watch, daemon=True) for _ in range(3)]
    for one in watchers:
        one.start()
    until_s = time.monotonic() + LONG_S
    while monitor._watchers < 3 and time.monotonic() < until_s:
        time.sleep(0.001)
    monitor.observe(result(5, source="file"), 0.0)
    monitor.observe(result(2), 0.0)
    for one in watchers:
        one.join(LONG_S)
    assert got == [2, 2, 2]
    assert monitor._watchers == 0


def test_many_threads_may_read_while_results_come() -> None:
    monitor, problems, done = Monitor(), [], threading.Event()
    monitor.follow(FACTS)

    def read() -> None:
        while not done.is_set():
            now = monitor.snapshot()
            if {stage.count for stage in now.stages} != {now.sources[0].frames}:
                problems.append(now)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for one in readers:
        one.start()
    for index in range(3000):
        monitor.observe(result(index), 0.1)
        if index % 10 == 0:
            monitor.event(Event("entered", "", {"source": "cam", "label": str(index)}))
    done.set()
    for one in readers:
        one.join(LONG_S)
    assert problems == []


def test_memory_does_not_grow_with_the_run() -> None:
    def kept(results: int) -> int:
        monitor = Monitor(clock=(clock := Clock()))
        for index in range(results):
            clock.now_s = index / 30
            monitor.observe(result(index), 0.1)
        record = monitor._sources["cam"]
        monitor.snapshot()
        return (
            len(monitor._noted)
            + len(monitor._latencies_ms)
            + len(monitor._rate._marks)
            + len(record._rate._marks)
        )

    assert kept(3000) == kept(6000)


def test_the_edge_tpu_counts_before_the_hottest_zone_and_is_read_once_a_second(
    tmp_path: Path,
) -> None:
    for number, text in enumerate(("41000", "55500")):
        zone = tmp_path / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(text)
        (zone / "type").write_text(f"zone-{number}")
    readings: list[float | None] = [70.0, None]
    read: Callable[[], float | None] = lambda: readings.pop(0)  # noqa: E731
    heat = Heat(read, root=tmp_path, clock=(clock := Clock()))
    assert (heat(), heat()) == (70.0, 70.0)
    clock.now_s = 1.0
    assert heat() == 55.5
    assert Heat(lambda: None, root=tmp_path / "nowhere")() is None


def test_facts_may_be_told_anew() -> None:
    monitor = Monitor()
    monitor.follow(FACTS)
    monitor.follow(replace(FACTS, family="birds", why="asked for"))
    assert (monitor.snapshot().family, monitor.snapshot().why) == ("birds", "asked for")
