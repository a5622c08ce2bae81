from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import ManifestError, SourceLost, SourceNotFound, WorkerDied
from edgescale.selection.budget import Budget
from edgescale.stream.frame import Frame
from edgescale.stream.pipeline import FrameResult, classify, run
from edgescale.stream.refinement import Refinement
from tests.fakes import Clock, FakeWorker, collect, fake_family, picture


class FakeSource:
    """Gives so many frames and then ends, or raises."""

    name = "fake"
    fps: float | None = 25.0

    def __init__(
        self,
        frames: int,
        *,
        live: bool = False,
        error: Exception | None = None,
        captured_s: float = 0.0,
    ) -> None:
        self.frames, self.live, self.error = frames, live, error
        self.captured_s = captured_s
        self.given = 0
        self.closed = False

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.frames):
            self.given += 1
            yield Frame(
                index, picture(index), self.captured_s, position_s=index / 25,
                source="fake", decode_ms=1.5, dropped=4, source_fps=25.0,
            )  # fmt: skip
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def worker(tmp_path: Path) -> Any:
    (variant,) = fake_family(tmp_path, {"phi0": 1}).manifest.variants
    return FakeWorker(variant)


def test_every_frame_of_a_file_is_classified_in_order_with_two_under_way(worker: Any) -> None:
    results = list(run(FakeSource(7), worker))
    assert [result.index for result in results] == list(range(7))
    assert [int(result.image.mean()) for result in results] == list(range(7))
    assert worker.most_under_way == 2
    first = results[0]
    assert (first.variant, first.position_s, first.dropped, first.source_fps) == (
        "phi0", 0.0, 4, 25.0,
    )  # fmt: skip
    assert [one.label for one in first.predictions] == ["cat", "bird"]
    assert (first.device, first.runtime) == ("cpu", "ai_edge_litert")
    assert first.time.endswith("Z")
    assert (first.source, first.decode_ms) == ("fake", 1.5)


def test_a_camera_has_one_frame_under_way(worker: Any) -> None:
    assert len(list(run(FakeSource(5, live=True), worker))) == 5
    assert worker.most_under_way == 1


@pytest.mark.parametrize(("wanted", "got"), [(1, 1), (3, 3), (5, 5), (9, 5)])
def test_max_frames_reads_no_frame_more(worker: Any, wanted: int, got: int) -> None:
    source = FakeSource(5)
    assert len(list(run(source, worker, max_frames=wanted))) == got
    assert source.given == got


def test_below_the_threshold_the_answer_is_not_sure(worker: Any) -> None:
    (one,) = run(FakeSource(1), worker, refine=Refinement(threshold=0.5))
    assert [prediction.label for prediction in one.predictions] == ["cat"]
    (one,) = run(FakeSource(1), worker, refine=Refinement(threshold=0.9))
    assert one.predictions == ()


def test_a_source_that_breaks_off_gives_all_its_frames_first(worker: Any) -> None:
    seen: list[FrameResult] = []
    with pytest.raises(SourceLost, match="cut"):
        collect(run(FakeSource(4, error=SourceLost("cut")), worker), seen)
    assert [result.index for result in seen] == [0, 1, 2, 3]


def test_a_failing_worker_ends_the_run(worker: Any) -> None:
    worker.fail_at, worker.error = 3, WorkerDied("SIGKILL")
    seen: list[FrameResult] = []
    with pytest.raises(WorkerDied, match="SIGKILL"):
        collect(run(FakeSource(100), worker), seen)
    assert [result.index for result in seen] == [0, 1]


def test_an_empty_source_gives_nothing(worker: Any) -> None:
    assert list(run(FakeSource(0), worker)) == []


def test_the_source_is_looked_for_before_anything_is_measured(tmp_path: Path) -> None:
    family = fake_family(tmp_path, {"phi0": 1})
    with pytest.raises(SourceNotFound):
        next(classify(family, tmp_path / "nowhere.mp4", profiles=tmp_path / "profiles"))
    assert not (tmp_path / "profiles").exists()


def test_an_unknown_variant_names_the_nearest(tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), picture())
    family = fake_family(tmp_path / "family", {"phi0": 1})
    with pytest.raises(ManifestError, match="did you mean 'phi0'"):
        next(classify(family, tmp_path / "a.png", variant="phi00"))


def test_a_variant_and_a_budget_exclude_each_other(tmp_path: Path) -> None:
    family = fake_family(tmp_path, {"phi0": 1})
    with pytest.raises(ValueError, match="exclude each other"):
        next(classify(family, "0", variant="phi0", budget=Budget(latency_ms=5)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_frames": 0}, "max_frames must be at least 1, got 0"),
        ({"max_frames": -1}, "max_frames"),
        ({"threshold": 2.0}, "threshold must be from 0 to 1"),
        ({"threshold": float("nan")}, "threshold"),
        ({"smooth_s": 0.0}, "smoothing needs a time above 0 s"),
        ({"duration_s": -1.0}, "duration_s must be above 0 s"),
        ({"duration_s": float("nan")}, "duration_s"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_opened(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        next(classify(tmp_path / "no family", "no source", **wrong))


class FakeWatch:
    """Wants a swap after so many results, and notes what was under way then."""

    def __init__(self, worker: Any, after: int) -> None:
        self.worker, self.after = worker, after
        self.latencies_ms: list[float] = []
        self.under_way_at_swap: list[int] = []

    @property
    def swap_due(self) -> bool:
        return len(self.latencies_ms) >= self.after and not self.under_way_at_swap

    def swap(self) -> None:
        self.under_way_at_swap.append(self.worker.under_way)

    def observe(self, latency_ms: float) -> None:
        self.latencies_ms.append(latency_ms)


@pytest.mark.parametrize("live", [False, True])
def test_a_swap_waits_until_nothing_is_under_way_and_keeps_the_order(
    worker: Any, live: bool
) -> None:
    watch = FakeWatch(worker, after=3)
    results = list(run(FakeSource(8, live=live), worker, watch=watch))
    assert [result.index for result in results] == list(range(8))
    assert watch.under_way_at_swap == [0]
    assert watch.latencies_ms == [result.latency_ms for result in results]


def test_a_frame_that_waited_for_the_one_before_is_not_late_for_that(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgescale.stream.flight.time.monotonic", clock := Clock())
    worker.clock = clock  # a result takes 5 ms, submission nothing
    results = list(run(FakeSource(4), worker))
    assert [result.latency_ms for result in results] == pytest.approx([5.0] * 4)


def test_the_stages_of_a_frame_add_up_to_its_age(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgescale.stream.flight.time.monotonic", clock := Clock())
    worker.clock = clock  # a result takes 5 ms
    submit = worker.submit

    def prepared(frame: Any, *, bgr: bool) -> None:
        clock.now_s += 0.002
        submit(frame, bgr=bgr)

    monkeypatch.setattr(worker, "submit", prepared)
    (one,) = run(FakeSource(1, captured_s=-0.010), worker)
    assert one.wait_ms == pytest.approx(10.0)
    assert one.prepare_ms == pytest.approx(2.0)
    assert one.infer_ms == pytest.approx(5.0)
    assert one.age_ms == pytest.approx(17.0)


def test_a_run_that_is_stopped_gives_what_is_under_way(worker: Any) -> None:
    seen: list[FrameResult] = []
    source = FakeSource(100, error=SourceLost("closed by the stop"))
    collect(run(source, worker, stopped=lambda: len(seen) >= 3), seen)
    assert [result.index for result in seen] == list(range(len(seen)))
    assert len(seen) == source.given < 10


def test_a_source_that_breaks_off_because_it_was_closed_is_no_error(worker: Any) -> None:
    class Closed(FakeSource):
        def __iter__(self) -> Iterator[Frame]:
            yield from super().__iter__()
            self.closed = True
            raise SourceLost("closed by the stop")

    source = Closed(4)
    assert len(list(run(source, worker, stopped=lambda: source.closed))) == 4


def test_a_slow_source_does_not_make_its_answers_late(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgescale.stream.flight.time.monotonic", clock := Clock())

    class Slow(FakeSource):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                clock.now_s += 0.5  # decoding; the answer of the frame before lies ready
                yield frame

    results = list(run(Slow(4), worker))
    # The last two answers are fetched at one instant of this clock.
    assert [result.latency_ms for result in results[:3]] == [worker.invoke_ms] * 3


def test_adapt_with_a_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="adapt and a variant exclude each other"):
        next(classify(tmp_path, "0", adapt=True, variant="a"))


def test_adapt_without_a_latency_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a latency budget"):
        next(classify(tmp_path, "0", adapt=True, budget=Budget(min_fps=3)))
