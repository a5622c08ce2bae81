"""The whole ``Pipeline`` on fakes: what becomes of its outputs, and what they are given."""

import math
import threading
from typing import Any

import pytest

from edgescale.errors import ReaderLeft, SinkFailed, SourceLost, SourceNotFound
from edgescale.inference.classifier import Prediction
from edgescale.stream import live_run
from edgescale.stream.event import Event
from edgescale.stream.flight import FrameResult
from edgescale.stream.frame import Frame
from edgescale.stream.pipeline import Pipeline
from edgescale.stream.presence import PresenceLimits
from edgescale.stream.refinement import Refinement
from edgescale.stream.sinks import channel
from tests.fakes import picture
from tests.live_fakes import LONG_S, NotingSink, PlayedSource
from tests.live_scene import Scene, scene

__all__ = ["scene"]


def test_a_slow_output_of_a_camera_slows_nobody(scene: Scene) -> None:
    slow, quick = NotingSink("slow", queue_size=2), NotingSink("quick", queue_size=999)
    slow.free.clear()
    with scene.pipeline(PlayedSource(200, live=True), slow, quick) as pipeline:
        seen = 0
        for result in pipeline:
            seen += 1
            if result.index == 199:
                slow.free.set()
    assert seen == 200
    assert len(quick.indices) == 200
    status = pipeline.stats.sinks[0]
    assert status.written + status.dropped == 200
    assert status.dropped >= 196


def test_a_failed_output_of_a_camera_is_told_and_raised_at_the_end(scene: Scene) -> None:
    bad, good = NotingSink("bad", failing="result"), NotingSink("good", queue_size=99)
    told, seen = threading.Event(), []

    def tell(event: Event) -> None:
        scene.events.append(event)
        told.set()

    def see(pipeline: Pipeline) -> None:
        for result in pipeline:
            seen.append(result.index)
            assert told.wait(LONG_S)

    with (
        pytest.raises(SinkFailed, match="bad: broken"),
        scene.pipeline(PlayedSource(30, live=True), bad, good, on_event=tell) as pipeline,
    ):
        see(pipeline)
    assert seen == list(range(30))
    assert good.indices == list(range(30))
    assert [event.kind for event in scene.events] == ["sink-failed"]
    assert [kind for kind, _ in good.events] == ["sink-failed"]
    assert pipeline.stats.sinks[0].error == "bad: broken"


def test_a_failed_output_of_a_file_ends_the_run(scene: Scene) -> None:
    scene.invoke_s = 0.001
    bad = NotingSink("bad", queue_size=1, failing="result")
    with (
        pytest.raises(SinkFailed, match="bad: broken"),
        scene.pipeline(PlayedSource(10**9), bad) as pipeline,
    ):
        pipeline.run()
    assert bad.closed == 1


def test_stop_ends_a_run_that_a_dead_output_holds_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "PATIENCE_S", 0.1)
    dead = NotingSink("dead", queue_size=1)
    dead.free.clear()
    pipeline = scene.pipeline(PlayedSource(10**9), dead)

    def stop() -> None:
        assert dead.entered.wait(LONG_S)
        pipeline.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(SinkFailed, match="dead: did not finish"), pipeline:
        pipeline.run()
    stopper.join()
    dead.free.set()
    for thread in threading.enumerate():
        if thread.name == "output dead":
            thread.join(LONG_S)


def test_a_disk_that_is_full_at_the_very_end_is_an_error(scene: Scene) -> None:
    with (
        pytest.raises(SinkFailed),
        scene.pipeline(PlayedSource(3), NotingSink("file", failing="close")) as pipeline,
    ):
        pipeline.run()


def test_a_reader_that_left_ends_the_run_quietly(scene: Scene) -> None:
    scene.invoke_s = 0.001
    lines = NotingSink("lines", failing="result", error=ReaderLeft("gone"))
    with scene.pipeline(PlayedSource(10**9, live=True, hangs=True), lines) as pipeline:
        pipeline.run()
    assert pipeline.stats.frames > 0
    assert scene.events == []


def test_what_ended_the_run_counts_before_a_failed_output(scene: Scene) -> None:
    class Cut(PlayedSource):
        def __iter__(self) -> Any:
            yield from super().__iter__()
            raise SourceLost("cut")

    sink = NotingSink("file", failing="close")
    with pytest.raises(SourceLost, match="cut"), scene.pipeline(Cut(3), sink) as pipeline:
        pipeline.run()
    assert sink.indices == [0, 1, 2]


def test_outputs_are_closed_when_the_source_cannot_be_opened(scene: Scene) -> None:
    sink = NotingSink()
    with pytest.raises(SourceNotFound), scene.pipeline(SourceNotFound("none"), sink):
        pass
    assert sink.closed == 1
    assert scene.workers == []


def test_outputs_and_source_are_closed_when_the_model_cannot_be_opened(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(live_run, "Worker", broken)
    sink, source = NotingSink(), PlayedSource(3)
    with pytest.raises(KeyboardInterrupt), scene.pipeline(source, sink):
        pass
    assert (sink.closed, source.closed.is_set()) == (1, True)


def test_who_enters_is_told_with_the_picture_and_leaves_at_the_end(scene: Scene) -> None:
    sink = NotingSink(queue_size=99)
    limits = PresenceLimits(enter=0.7, leave=0.5, duration_s=2.0)
    with scene.pipeline(PlayedSource(6), sink, presence=limits, threshold=0.9) as pipeline:
        results = list(pipeline)
        assert pipeline.monitor.snapshot().sources[0].present == ()
    assert all(result.predictions == () for result in results)  # the threshold hides no visit
    assert sink.order == ["0", "1", "2", "entered", "3", "4", "5", "left"]
    assert sink.events == [("entered", 2), ("left", 5)]
    assert [event.details["label"] for event in scene.events] == ["cat", "cat"]


def test_smoothing_is_applied_to_what_every_output_gets(scene: Scene) -> None:
    class Noting(NotingSink):
        def result(self, result: FrameResult) -> None:
            scores.append(result.predictions[0].score)

    scores: list[float] = []
    source = PlayedSource(2, live=True)
    with scene.pipeline(source, Noting(), smooth_s=1e6) as pipeline:
        results = iter(pipeline)
        next(results)
        second = (Prediction(0, "cat", 0.25),)
        scene.workers[0].predictions = lambda inference: second  # type: ignore[method-assign]
        next(results)
    assert scores == pytest.approx([0.75, 0.5])


def test_a_video_is_smoothed_in_its_own_time() -> None:
    refine = Refinement(smooth_s=1.0)
    for index in range(40):  # 20 s of video, served within one second
        frame = Frame(index, picture(), index / 40, position_s=index / 2)
        shown = refine(frame, (Prediction(0, "cat", 0.0 if index < 39 else 1.0),))
    assert shown[0].score == pytest.approx(1 - math.exp(-0.5), abs=1e-3)


def test_an_output_that_failed_is_raised_when_a_loop_was_left(scene: Scene) -> None:
    bad = NotingSink("bad", failing="close")
    with (
        pytest.raises(SinkFailed, match="bad: broken"),
        scene.pipeline(PlayedSource(9), bad) as pipeline,
    ):
        next(iter(pipeline))


def test_a_frame_keeps_its_image_for_the_outputs(scene: Scene) -> None:
    class Blank(PlayedSource):
        def __iter__(self) -> Any:
            for frame in super().__iter__():
                yield Frame(frame.index, frame.image + frame.index, frame.captured_s, source="cam")

    with scene.pipeline(Blank(3)) as pipeline:
        assert [int(result.image.mean()) for result in pipeline] == [0, 1, 2]
