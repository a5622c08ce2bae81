"""The whole ``Pipeline`` on fakes: how runs begin and end."""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import ReaderLeft
from edgescale.stream import assembly
from edgescale.stream.event import Event
from edgescale.stream.pipeline import Pipeline, classify
from edgescale.stream.presence import PresenceLimits
from tests.live_fakes import LONG_S, NotingSink, PlayedSource
from tests.live_scene import Scene, scene

__all__ = ["scene"]


def test_results_go_to_the_caller_to_every_output_and_into_the_figures(scene: Scene) -> None:
    sinks = NotingSink("a"), NotingSink("b")
    with scene.pipeline(PlayedSource(9), *sinks) as pipeline:
        assert [result.index for result in pipeline] == list(range(9))
        assert [sink.closed for sink in sinks] == [1, 1]  # finished with the last result
        now = pipeline.monitor.snapshot()
    assert [sink.indices for sink in sinks] == [list(range(9))] * 2
    assert (now.family, now.why, now.variant) == ("fakes", "'phi0' was asked for", "phi0")
    assert [(one.name, one.frames) for one in now.sources] == [("cam", 9)]
    assert [stage.count for stage in now.stages] == [9] * 5
    stats = pipeline.stats
    assert (stats.frames, stats.outages, stats.outage_s) == (9, 1, 2.5)
    assert (stats.sources["cam"].frames, stats.most_frequent) == (9, ("cat", 9))
    assert [(one.name, one.written) for one in stats.sinks] == [("a", 9), ("b", 9)]
    assert scene.source.closed.is_set()
    assert [worker.closed for worker in scene.workers] == [True]


def test_run_serves_the_outputs_alone(scene: Scene) -> None:
    sink = NotingSink()
    with scene.pipeline(PlayedSource(5), sink) as pipeline:
        assert pipeline.run().frames == 5
    assert sink.indices == list(range(5))


def test_classify_is_the_same_in_a_loop(scene: Scene) -> None:
    scene.source, sink = PlayedSource(3), NotingSink()
    results = classify(scene.family, "0", variant="phi0", device="cpu", sinks=[sink])
    assert [result.source for result in results] == ["cam"] * 3
    assert (sink.closed, scene.source.closed.is_set()) == (1, True)


@pytest.mark.parametrize("live", [False, True])
def test_max_frames_ends_it(scene: Scene, live: bool) -> None:
    with scene.pipeline(PlayedSource(50, live=live, hangs=True), max_frames=7) as pipeline:
        assert pipeline.run().frames == 7


def test_duration_ends_a_source_that_gives_nothing_any_more(scene: Scene) -> None:
    sink = NotingSink(queue_size=99)
    source = PlayedSource(4, live=True, hangs=True)
    with scene.pipeline(source, sink, duration_s=0.1) as pipeline:
        assert pipeline.run().frames == 4
    assert sink.indices == [0, 1, 2, 3]


def test_duration_ends_an_endless_file(scene: Scene) -> None:
    scene.invoke_s = 0.001
    with scene.pipeline(PlayedSource(10**9), duration_s=0.05) as pipeline:
        assert 0 < pipeline.run().frames < 10**6


def test_stop_from_another_thread_ends_a_source_that_hangs(scene: Scene) -> None:
    source = PlayedSource(2, live=True, hangs=True)
    with scene.pipeline(source, NotingSink()) as pipeline:
        stopper = threading.Timer(0.05, pipeline.stop)
        stopper.start()
        assert pipeline.run().frames == 2
        pipeline.stop()  # again is no error
        stopper.join()


def test_stop_before_the_run_gives_nothing(scene: Scene) -> None:
    pipeline = scene.pipeline(PlayedSource(5))
    pipeline.stop()
    with pipeline:
        assert list(pipeline) == []


@pytest.mark.parametrize("how", ["stop", "duration", "output"])
def test_a_run_that_ends_while_it_opens_its_sources_loads_no_model(scene: Scene, how: str) -> None:
    """Whoever ends it: the opening hears of it, and the outputs are finished."""
    heard, sink = threading.Event(), NotingSink(failing="event" if how == "output" else "")
    source = PlayedSource(5, live=True)

    def opening(stopped: Callable[[], bool]) -> None:
        if how == "stop":
            pipeline.stop()
        elif how == "output":
            assert scene.on_source_event is not None
            scene.on_source_event(Event("source-lost", "no route", {"source": "cam"}))
        ends_s = time.monotonic() + LONG_S
        while not stopped() and time.monotonic() < ends_s:
            time.sleep(0.01)
        heard.set()

    scene.opening = opening
    sink.raises = ReaderLeft("the reader left")
    duration_s = 0.05 if how == "duration" else None
    pipeline = scene.pipeline(source, sink, duration_s=duration_s)
    began_s = time.monotonic()
    with pipeline:
        assert list(pipeline) == []
    assert time.monotonic() - began_s < LONG_S / 2
    assert heard.is_set()
    assert scene.workers == []
    assert source.closed.is_set()
    assert sink.closed == 1
    assert (pipeline.stats.frames, list(pipeline.stats.sources)) == (0, ["cam"])


def test_an_opening_that_was_in_time_takes_nothing_from_the_duration(scene: Scene) -> None:
    scene.opening = lambda stopped: time.sleep(0.3)
    scene.invoke_s = 0.01
    with scene.pipeline(PlayedSource(10**9), duration_s=0.5) as pipeline:
        began_s = time.monotonic()
        assert pipeline.run().frames > 0
        assert time.monotonic() - began_s > 0.45


def test_stop_by_who_is_told_of_a_lost_source_does_not_wait_for_itself(scene: Scene) -> None:
    class Losing(PlayedSource):
        def close(self) -> None:
            if self.thread is not None:
                self.thread.join(LONG_S)
            super().close()

        def lose(self) -> None:
            assert scene.on_source_event is not None
            scene.on_source_event(Event("source-lost", "no frame", {"source": "cam"}))

        thread: threading.Thread | None = None

    source = Losing(1, live=True, hangs=True)
    sink = NotingSink(queue_size=9)
    told: list[str] = []

    def stop(event: Event) -> None:
        told.append(event.kind)
        pipeline.stop()

    with scene.pipeline(source, sink, on_event=stop) as pipeline:
        results = iter(pipeline)
        next(results)
        source.thread = threading.Thread(target=source.lose)
        source.thread.start()
        assert list(results) == []
    assert told == ["source-lost"]
    assert sink.events == [("source-lost", 0)]  # with the last picture of that source
    assert pipeline.monitor.snapshot().events[0].source == "cam"


def test_leaving_in_the_middle_closes_and_finishes_all(scene: Scene) -> None:
    sink = NotingSink(queue_size=99)
    with scene.pipeline(PlayedSource(100, live=True, hangs=True), sink) as pipeline:
        for result in pipeline:
            if result.index == 3:
                break
    assert sink.indices == [0, 1, 2, 3]
    assert sink.closed == 1


def test_ctrl_c_in_a_wait_for_frames_finishes_all(scene: Scene) -> None:
    sink = NotingSink(queue_size=99)

    class Interrupted(PlayedSource):
        def __iter__(self) -> Any:
            yield from super().__iter__()
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("not interrupted")

    with (
        pytest.raises(KeyboardInterrupt),
        scene.pipeline(Interrupted(5, live=True), sink) as pipeline,
    ):
        pipeline.run()
    assert sink.indices == [0, 1, 2, 3, 4]
    assert sink.closed == 1
    assert pipeline.stats.frames == 5
    assert pipeline.stats.sinks[0].written == 5
    assert scene.workers[0].closed


def test_a_pipeline_runs_once_and_only_when_entered(scene: Scene) -> None:
    pipeline = scene.pipeline(PlayedSource(1))
    with pytest.raises(ValueError, match="enter the pipeline first"):
        iter(pipeline)
    pipeline.add_sink(sink := NotingSink())
    with pipeline:
        pipeline.run()
        with pytest.raises(ValueError, match="before the pipeline is entered"):
            pipeline.add_sink(NotingSink("late"))
    assert sink.indices == [0]
    with pytest.raises(ValueError, match="runs once"):
        pipeline.__enter__()


@pytest.mark.parametrize("max_frames", [None, 2])
def test_a_pipeline_is_iterated_once(scene: Scene, max_frames: int | None) -> None:
    with scene.pipeline(PlayedSource(9), max_frames=max_frames) as pipeline:
        first = iter(pipeline)
        next(first)
        with pytest.raises(ValueError, match="is iterated once"):
            iter(pipeline)
        list(first)
        with pytest.raises(ValueError, match="is iterated once"):
            pipeline.run()


@pytest.mark.parametrize("mistake", [KeyError("door"), SystemExit(3)])
def test_what_on_event_raises_in_another_thread_ends_the_run_and_is_raised(
    scene: Scene, mistake: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken(event: Event) -> None:
        raise mistake

    survived = threading.Event()

    def captured() -> None:
        assert scene.on_source_event is not None
        scene.on_source_event(Event("source-lost", "no frame", {"source": "cam"}))
        survived.set()

    sink = NotingSink(queue_size=9)
    with scene.pipeline(PlayedSource(3, live=True, hangs=True), sink, on_event=mistaken) as run:
        capture = threading.Thread(target=captured)
        capture.start()
        with pytest.raises(type(mistake)) as raised:
            run.run()
        capture.join()
    assert raised.value is mistake
    assert (survived.is_set(), sink.closed) == (True, 1)
    assert "on_event" in caplog.text


def test_what_on_event_raises_at_the_very_end_is_raised_after_all_is_finished(
    scene: Scene,
) -> None:
    def mistaken(event: Event) -> None:
        assert event.kind != "left"

    sink, limits = NotingSink(queue_size=99), PresenceLimits(0.5, 0.5, 1.0)
    with (
        pytest.raises(AssertionError),
        scene.pipeline(PlayedSource(6), sink, presence=limits, on_event=mistaken) as pipeline,
    ):
        pipeline.run()
    assert (sink.order[-1], sink.closed) == ("left", 1)


def test_sources_are_named_as_on_the_command_line(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def opened(specs: Any, **_: Any) -> Any:
        asked.extend((one.name, one.address) for one in specs)
        return PlayedSource(1)

    monkeypatch.setattr(assembly, "open_sources", opened)
    with Pipeline(
        scene.family, ["door=rtsp://host/1", Path("a.mp4")], variant="phi0", device="cpu"
    ) as pipeline:
        pipeline.run()
    assert asked == [("door", "rtsp://host/1"), ("a.mp4", "a.mp4")]
