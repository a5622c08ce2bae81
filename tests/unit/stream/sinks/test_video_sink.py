from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.frame_times import FrameTimes
from edgescale.stream.sinks.outputs import Sink
from edgescale.stream.sinks.video_sink import VideoSink
from tests.fakes import picture
from tests.results import entered, frame_result, played, shown_at_s


def test_a_camera_keeps_its_real_time_and_the_predictions_are_drawn(tmp_path: Path) -> None:
    sink: Sink = VideoSink(tmp_path / "a.mp4")
    times = [50.0, 50.1, 50.15, 53.0]
    for index, captured_s in enumerate(times):
        image = picture(255, height=240, width=320)
        sink.result(frame_result(index, image=image, captured_s=captured_s))
        sink.event(entered(), None)
        sink.tick()
    sink.close()
    found = shown_at_s(tmp_path / "a.mp4")
    assert found == pytest.approx([0.0, 0.1, 0.15, 3.0], abs=1e-4)
    assert played(tmp_path / "a.mp4")[0][:30, :60].min() < 60


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_file_keeps_its_rate_however_fast_it_was_classified(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    sink = VideoSink(path)
    for index in range(8):
        sink.result(frame_result(index, captured_s=5 + index / 1000, fps=12.5))
    sink.close()
    assert shown_at_s(path) == pytest.approx([index / 12.5 for index in range(8)], abs=1e-3)


def test_times_rise_for_images_a_file_that_begins_again_and_a_clock_that_stands() -> None:
    def times(*results: object) -> list[float]:
        source = FrameTimes()
        return [source.at_s(one) for one in results]  # type: ignore[arg-type]

    image = replace(frame_result(), name="a.jpg")
    assert times(image, image, image) == pytest.approx([0, 1 / 30, 2 / 30])
    file = [frame_result(index, fps=10.0) for index in (5, 6, 9, 0, 1)]
    assert times(*file) == pytest.approx([0, 0.1, 0.4, 0.5, 0.6])
    still = frame_result(captured_s=7.0)
    assert times(still, still) == pytest.approx([0, 0.001])


def test_of_several_sources_each_has_its_own_file_with_a_harmless_name(tmp_path: Path) -> None:
    names = ("front", "rtsp://cam/1", "rtsp://cam:1")
    sink = VideoSink(tmp_path / "out.mkv", names=names)
    for source in (*names, "front"):
        sink.result(frame_result(source=source))
    sink.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out-front.mkv",
        "out-rtsp___cam_1-2.mkv",
        "out-rtsp___cam_1.mkv",
    ]


def test_frames_of_a_second_source_never_mix_into_the_video_of_one(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mkv")
    sink.result(frame_result(source="front"))
    with pytest.raises(SinkFailed, match="of 'back' came, which is none"):
        sink.result(frame_result(source="back"))
    sink.close()
    assert len(played(tmp_path / "out.mkv")) == 1


def test_no_source_of_several_is_written_over_and_that_is_said_before_the_first_frame(
    tmp_path: Path,
) -> None:
    sources = (tmp_path / "in.mkv", tmp_path / "out-front.mkv")
    for path in sources:
        path.write_bytes(b"precious")
    with pytest.raises(SinkFailed, match=r"out-front\.mkv: is the source itself"):
        VideoSink(tmp_path / "out.mkv", [str(path) for path in sources], names=("in", "front"))
    assert sources[1].read_bytes() == b"precious"


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    VideoSink(tmp_path / "out.mp4").close()
    assert list(tmp_path.iterdir()) == []


def test_all_files_are_finished_although_one_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = VideoSink(tmp_path / "out.mkv", names=("a", "b"))
    for source in ("a", "b"):
        sink.result(frame_result(source=source))
    (tmp_path / "out-a.mkv").unlink()
    with pytest.raises(SinkFailed, match=r"out-a\.mkv: nothing could be written"):
        sink.close()
    assert len(played(tmp_path / "out-b.mkv")) == 1
