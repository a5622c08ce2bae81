import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.outputs import Outputs, Sink
from edgescale.stream.sinks.recording import RecordingSink
from tests.fakes import picture
from tests.results import entered, frame_result, left, played, shown_at_s

START_S = 1_767_225_600.0


class Clock:
    now_s = START_S

    def __call__(self) -> float:
        return self.now_s


def feed(sink: Sink, clock: Clock, indices: range, source: str = "front") -> None:
    """Gives ten frames a second, each at its time."""
    for index in indices:
        clock.now_s = START_S + index / 10
        sink.result(frame_result(index, source=source))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_segments_follow_each_other_without_a_gap_and_play(tmp_path: Path) -> None:
    clock = Clock()
    sink: Sink = RecordingSink(tmp_path / "new", segment_s=2, clock=clock)
    feed(sink, clock, range(50))
    sink.close()
    assert names(tmp_path / "new") == [
        "edgescale_20260101T000000.000Z_front.mp4",
        "edgescale_20260101T000002.000Z_front.mp4",
        "edgescale_20260101T000004.000Z_front.mp4",
    ]
    counts = [len(played(path)) for path in sorted((tmp_path / "new").iterdir())]
    assert counts == [20, 20, 10]
    last = sorted((tmp_path / "new").iterdir())[-1]
    assert shown_at_s(last) == pytest.approx([index / 10 for index in range(10)], abs=1e-3)


def test_without_pyav_segments_are_mkv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    clock = Clock()
    sink = RecordingSink(tmp_path, clock=clock)
    feed(sink, clock, range(3))
    sink.close()
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".mkv"
    assert len(played(path)) >= 3


def test_sources_and_sizes_have_segments_of_their_own(tmp_path: Path) -> None:
    clock = Clock()
    sink = RecordingSink(tmp_path, clock=clock)
    for index, source in enumerate(("a/b", "back", "a/b")):
        sink.result(frame_result(index, source=source))
    clock.now_s += 1
    sink.result(frame_result(4, source="back", image=picture(9, height=100, width=200)))
    sink.close()
    shapes = {path.name: [frame.shape for frame in played(path)] for path in tmp_path.iterdir()}
    assert shapes == {
        "edgescale_20260101T000000.000Z_a_b.mp4": [(48, 64, 3)] * 2,
        "edgescale_20260101T000000.000Z_back.mp4": [(48, 64, 3)],
        "edgescale_20260101T000001.000Z_back.mp4": [(100, 200, 3)],
    }


def test_on_events_it_records_from_the_first_arrival_until_after_the_last_departure(
    tmp_path: Path,
) -> None:
    clock = Clock()
    sink = RecordingSink(tmp_path, on_events=True, clock=clock)
    feed(sink, clock, range(20))
    assert names(tmp_path) == []
    sink.event(entered("cat"), None)
    sink.event(entered("dog"), None)
    feed(sink, clock, range(20, 30))
    sink.event(left("cat"), None)
    feed(sink, clock, range(30, 100))  # the dog is there still
    sink.event(left("dog"), None)
    feed(sink, clock, range(100, 300))
    (path,) = tmp_path.iterdir()
    assert len(played(path)) == sink.written == 80 + 50
    sink.event(entered("cat"), None)
    feed(sink, clock, range(300, 310))
    sink.close()
    assert len(names(tmp_path)) == 2


def test_another_sources_event_records_nothing_here(tmp_path: Path) -> None:
    clock = Clock()
    sink = RecordingSink(tmp_path, on_events=True, clock=clock)
    sink.event(entered(source="back"), None)
    feed(sink, clock, range(5), source="front")
    sink.close()
    assert names(tmp_path) == []


def test_all_segments_together_stay_within_their_bytes(tmp_path: Path) -> None:
    clock, noise = Clock(), np.random.default_rng(0)
    (tmp_path / "mine.mp4").write_bytes(bytes(1000))
    sink = RecordingSink(tmp_path, max_bytes=2_000_000, clock=clock)
    largest = 0
    for index in range(250):
        clock.now_s = START_S + index / 10
        image = noise.integers(0, 255, (120, 160, 3), np.uint8)
        sink.result(frame_result(index, image=image))
        total = sum(path.stat().st_size for path in tmp_path.glob("edgescale_*"))
        largest = max(largest, total)
    sink.close()
    assert 1_000_000 < largest <= 2_000_000
    kept = names(tmp_path)
    assert "mine.mp4" in kept
    assert "edgescale_20260101T000000.000Z_front.mp4" not in kept
    assert len(kept) > 4


def test_a_segment_of_a_silent_source_is_finished_and_old_ones_go(tmp_path: Path) -> None:
    clock = Clock()
    sink = RecordingSink(tmp_path, max_age_s=60, clock=clock)
    feed(sink, clock, range(5))
    (path,) = tmp_path.iterdir()
    assert played(path) == []  # less than a fragment
    clock.now_s += 11
    sink.tick()
    assert len(played(path)) == 5
    clock.now_s += 60
    sink.tick()
    assert names(tmp_path) == []
    feed(sink, clock, range(800, 803))
    sink.close()
    assert names(tmp_path) == ["edgescale_20260101T000120.000Z_front.mp4"]


def test_a_clock_that_is_set_back_never_writes_over_a_segment(tmp_path: Path) -> None:
    clock = Clock()
    sink = RecordingSink(tmp_path, segment_s=1, clock=clock)
    for index in range(30):
        sink.result(frame_result(index))
    sink.close()
    assert [len(played(path)) for path in tmp_path.iterdir()] == [10, 10, 10]


@pytest.mark.parametrize("segment_s", [0, -1, float("nan")])
def test_a_segment_has_a_length(tmp_path: Path, segment_s: float) -> None:
    with pytest.raises(ValueError, match="longer than zero"):
        RecordingSink(tmp_path, segment_s=segment_s)


def test_a_place_that_is_no_folder_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkFailed, match="no folder can be made there"):
        RecordingSink(tmp_path / "file")


def test_a_segment_that_somebody_deleted_ends_no_recording_and_is_told_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    sink = RecordingSink(tmp_path, segment_s=1, clock=clock)
    for source in ("a", "b"):
        feed(sink, clock, range(3), source=source)
    next(tmp_path.glob("*_a.mp4")).unlink()
    feed(sink, clock, range(10, 13), source="a")
    assert "nothing could be written" in caplog.text
    with pytest.raises(SinkFailed, match="nothing could be written"):
        sink.close()
    assert [len(played(path)) for path in tmp_path.iterdir()] == [3, 3]


def test_a_disk_that_is_full_for_a_moment_costs_a_live_run_that_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SimpleNamespace(free=2**40)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    clock = Clock()
    sink = RecordingSink(tmp_path, clock=clock)
    feed(sink, clock, range(10))
    assert sink.error == ""
    free.free = 0
    feed(sink, clock, range(10, 50))
    assert (sink.written, sink.lost) == (10, 40)
    assert "the disk is full" in sink.error
    free.free = 2**40
    feed(sink, clock, range(50, 100))
    assert sink.written >= 10 + 50 - 20  # a pause of two seconds at most
    assert sink.written + sink.lost == 100
    assert "the disk is full" in sink.error
    with pytest.raises(SinkFailed, match=f"{sink.lost} frames could not be written .*is full"):
        sink.close()
    first, second = sorted(tmp_path.iterdir())
    assert len(played(first)) >= 10
    assert len(played(second)) == sink.written - 10


def test_where_nothing_may_be_lost_a_full_disk_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    outputs = Outputs([sink := RecordingSink(tmp_path, clock=clock)], wait=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    outputs.give(frame_result(0))
    outputs.close()
    (failure,) = outputs.failures
    assert "the disk is full after 0 frames" in str(failure)
    assert sink.lost == 0


def test_old_ones_that_cannot_be_deleted_end_no_live_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: bool) -> None:
        raise PermissionError(1, "Operation not permitted")

    clock = Clock()
    sink = RecordingSink(tmp_path, segment_s=1, max_age_s=5, clock=clock)
    feed(sink, clock, range(15))
    monkeypatch.setattr(Path, "unlink", refuse)
    clock.now_s += 20
    sink.tick()
    assert "cannot be deleted" in sink.error
    sink.lossless = True
    clock.now_s += 20
    with pytest.raises(SinkFailed, match="cannot be deleted"):
        sink.tick()
