import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.errors import SinkFailed
from edgescale.inference.classifier import Prediction
from edgescale.stream.pipeline import FrameResult
from edgescale.stream.sink import VideoSink, result_record
from edgescale.stream.source import open_source
from tests.fakes import picture

RESULT = FrameResult(
    index=3,
    image=picture(),
    captured_s=1.0,
    age_ms=12.34567,
    latency_ms=11.98765,
    invoke_ms=10.0,
    position_s=0.1,
    name=None,
    time="2026-01-31T12:00:00.000Z",
    predictions=(Prediction(0, "cat\x1b[2J\u202e", 0.75),),
    variant="phi0",
    device="cpu",
    runtime="ai_edge_litert",
    dropped=0,
    source_fps=25.0,
)


def test_a_record_holds_time_age_and_predictions_and_its_line_steers_no_terminal() -> None:
    record = result_record(RESULT, "v.mp4")
    assert next(iter(record)) == "schema_version"
    line = json.dumps(record)
    assert line.isascii()
    assert "\x1b" not in line
    back = json.loads(line)
    assert (back["age_ms"], back["latency_ms"]) == (12.346, 11.988)
    assert (back["device"], back["runtime"]) == ("cpu", "ai_edge_litert")
    assert back["predictions"] == [{"class_id": 0, "label": "cat\x1b[2J\u202e", "score": 0.75}]
    assert result_record(replace(RESULT, predictions=()), "v")["predictions"] == []


@pytest.mark.parametrize("name", ["out.mkv", "out.AVI"])
def test_writes_a_video_that_plays_at_the_sources_rate(tmp_path: Path, name: str) -> None:
    with VideoSink(tmp_path / name) as sink:
        for index in range(10):
            sink.write(picture(20 * index, height=48, width=64), fps=12.5)
    source = open_source(tmp_path / name)
    frames = list(source)
    source.close()
    assert source.fps == pytest.approx(12.5)
    assert len(frames) == 10
    assert frames[9].image.mean() == pytest.approx(180, abs=3)


def test_frames_of_another_shape_are_fitted_and_odd_sizes_made_even(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mkv") as sink:
        sink.write(picture(200, height=47, width=63))
        sink.write(picture(200, height=96, width=32))
        sink.write(picture(200, height=1, width=1))
    images = [frame.image for frame in open_source(tmp_path / "out.mkv")]
    assert [image.shape for image in images] == [(48, 64, 3)] * 3
    assert images[1][24, 32].mean() == pytest.approx(200, abs=12)
    assert images[1][24, 5].mean() == pytest.approx(0, abs=12)


def test_a_first_frame_of_one_pixel_can_be_written(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mkv") as sink:
        sink.write(picture(9, height=1, width=1))
    assert len(list(open_source(tmp_path / "out.mkv"))) == 1


def test_mp4_is_refused_with_the_reason_and_another_name(tmp_path: Path) -> None:
    with pytest.raises(SinkFailed, match=r"cut off by a kill.* save to out\.mkv instead"):
        VideoSink(tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.jpg", "."])
def test_other_formats_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkFailed, match=r"saved as \.mkv or \.avi"):
        VideoSink(tmp_path / name)


def test_an_unwritable_place_fails_before_the_first_frame(tmp_path: Path) -> None:
    (tmp_path / "folder.mkv").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.mkv")
    for place in ("nowhere/out.mkv", "folder.mkv", "file/out.mkv", "pipe.mkv"):
        with pytest.raises(SinkFailed, match="cannot be written"):
            VideoSink(tmp_path / place)


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    with VideoSink(path) as sink:
        sink.write(picture())
    before = path.read_bytes()
    (tmp_path / "link.mkv").symlink_to(path)
    for name in ("in.mkv", "link.mkv"):
        with pytest.raises(SinkFailed, match="is the source itself"):
            VideoSink(tmp_path / name, source=str(path))
    assert path.read_bytes() == before


def test_a_full_disk_is_noticed_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    sink = VideoSink(tmp_path / "out.mkv")
    with pytest.raises(SinkFailed, match="the disk is full after 1 frames"):
        sink.write(picture())
    with pytest.raises(SinkFailed, match="the disk is full after 1 frames"):
        sink.close()
    assert len(list(open_source(tmp_path / "out.mkv"))) == 1


def test_a_disk_that_fills_up_with_the_last_frame_is_noticed_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_frame() -> None:
        with VideoSink(tmp_path / "out.mkv") as sink:
            sink.write(picture())
            usage = shutil.disk_usage(tmp_path)._replace(free=0)
            monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)

    with pytest.raises(SinkFailed, match="the disk is full"):
        last_frame()


def test_an_empty_file_of_ours_does_not_stay(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.avi")
    sink.write(picture())

    class Writer:
        def release(self) -> None:
            (tmp_path / "out.avi").write_bytes(b"")

    sink._writer.release()
    sink._writer = Writer()
    with pytest.raises(SinkFailed, match="nothing could be written"):
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_until_the_first_frame_there_is_no_file_that_a_kill_could_leave(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mkv")
    assert list(tmp_path.iterdir()) == []
    sink.write(picture())
    sink.close()
    assert (tmp_path / "out.mkv").stat().st_size > 0


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoSink(Path("out:1.mkv")) as sink:
        sink.write(picture())
    assert len(list(open_source("out:1.mkv"))) == 1


def test_a_name_that_is_not_utf8_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkFailed, match="is not UTF-8"):
        VideoSink(tmp_path / os.fsdecode(b"bad\xff.mkv"))
    with pytest.raises(SinkFailed, match="File name too long"):
        VideoSink(tmp_path / f"{'a' * 300}.mkv")


def test_frames_beyond_the_codec_are_refused_with_the_limit(tmp_path: Path) -> None:
    with (
        pytest.raises(SinkFailed, match=r"8192x2 are too large .* 8190 pixels a side"),
        VideoSink(tmp_path / "out.mkv") as sink,
    ):
        sink.write(picture(height=2, width=8192))
    assert list(tmp_path.iterdir()) == []


def test_without_any_frame_nothing_is_left_behind_and_nothing_is_lost(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "new.mkv"):
        pass
    assert not (tmp_path / "new.mkv").exists()
    (tmp_path / "old.mkv").write_bytes(b"old")
    with VideoSink(tmp_path / "old.mkv"):
        pass
    assert (tmp_path / "old.mkv").read_bytes() == b"old"


def test_the_file_is_finished_when_an_error_ends_the_run(tmp_path: Path) -> None:
    def interrupted() -> None:
        with VideoSink(tmp_path / "out.mkv") as sink:
            sink.write(picture(9))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(list(open_source(tmp_path / "out.mkv"))) == 1
