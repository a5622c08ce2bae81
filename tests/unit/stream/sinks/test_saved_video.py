import os
import shutil
import sys
from pathlib import Path

import pytest

from edgescale.errors import SinkFailed
from edgescale.inference.preparation import Image
from edgescale.stream.sinks import saved_video
from edgescale.stream.sinks.saved_video import SavedVideo
from tests.fakes import picture
from tests.results import played, shown_at_s


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.AVI"])
def test_writes_a_video_that_plays_at_the_sources_rate(tmp_path: Path, name: str) -> None:
    with SavedVideo(tmp_path / name) as video:
        for index in range(10):
            video.write(picture(20 * index, height=48, width=64), fps=12.5)
    frames = played(tmp_path / name)
    assert len(frames) == 10
    assert frames[9].mean() == pytest.approx(180, abs=3)
    assert shown_at_s(tmp_path / name) == pytest.approx([index / 12.5 for index in range(10)])


def test_frames_of_another_shape_are_fitted_and_odd_sizes_made_even(tmp_path: Path) -> None:
    with SavedVideo(tmp_path / "out.mkv") as video:
        video.write(picture(200, height=47, width=63))
        video.write(picture(200, height=96, width=32))
        video.write(picture(200, height=1, width=1))
    images = played(tmp_path / "out.mkv")
    assert [image.shape for image in images] == [(48, 64, 3)] * 3
    assert images[1][24, 32].mean() == pytest.approx(200, abs=12)
    assert images[1][24, 5].mean() == pytest.approx(0, abs=12)


def test_a_first_frame_of_one_pixel_can_be_written(tmp_path: Path) -> None:
    with SavedVideo(tmp_path / "out.mkv") as video:
        video.write(picture(9, height=1, width=1))
    assert len(played(tmp_path / "out.mkv")) == 1


def test_without_pyav_mp4_is_refused_with_what_to_install_and_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    said = r"needs PyAV; pip install 'edgescale\[video\]', or save to out\.mkv instead"
    with pytest.raises(SinkFailed, match=said):
        SavedVideo(tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []
    with SavedVideo(tmp_path / "out.mkv") as video:
        video.write(picture())
    assert len(played(tmp_path / "out.mkv")) == 1


@pytest.mark.parametrize("name", ["out", "out.jpg", "."])
def test_other_formats_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkFailed, match=r"saved as \.mp4, \.mkv or \.avi"):
        SavedVideo(tmp_path / name)


def test_an_unwritable_place_fails_before_the_first_frame(tmp_path: Path) -> None:
    (tmp_path / "folder.mkv").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.mkv")
    for place in ("nowhere/out.mkv", "folder.mkv", "file/out.mkv", "pipe.mkv"):
        with pytest.raises(SinkFailed, match="cannot be written"):
            SavedVideo(tmp_path / place)


@pytest.mark.parametrize("address", ["{}/*.mkv", "file://{}/a%20b.mkv", "{}/**/a b.mkv", "-"])
def test_a_file_that_a_pattern_a_url_or_standard_input_means_is_never_overwritten(
    tmp_path: Path, address: str
) -> None:
    (tmp_path / "a b.mkv").write_bytes(b"precious")
    (tmp_path / "z.mkv").touch()
    before = os.dup(0)
    with (tmp_path / "a b.mkv").open("rb") as file:
        os.dup2(file.fileno(), 0)
    try:
        with pytest.raises(SinkFailed, match="is the source itself"):
            SavedVideo(tmp_path / "a b.mkv", source=address.format(tmp_path))
    finally:
        os.dup2(before, 0)
        os.close(before)
    SavedVideo(tmp_path / "new.mkv", source=address.format(tmp_path)).close()


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    with SavedVideo(path) as video:
        video.write(picture())
    before = path.read_bytes()
    (tmp_path / "link.mkv").symlink_to(path)
    for name in ("in.mkv", "link.mkv"):
        with pytest.raises(SinkFailed, match="is the source itself"):
            SavedVideo(tmp_path / name, source=str(path))
    assert path.read_bytes() == before


def test_a_full_disk_is_noticed_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    video = SavedVideo(tmp_path / "out.mkv")
    with pytest.raises(SinkFailed, match="the disk is full after 1 frames"):
        video.write(picture())
    with pytest.raises(SinkFailed, match="the disk is full after 1 frames"):
        video.close()
    assert len(played(tmp_path / "out.mkv")) == 1


def test_a_disk_that_fills_up_with_the_last_frame_is_noticed_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_frame() -> None:
        with SavedVideo(tmp_path / "out.mkv") as video:
            video.write(picture())
            usage = shutil.disk_usage(tmp_path)._replace(free=0)
            monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)

    with pytest.raises(SinkFailed, match="the disk is full"):
        last_frame()


def test_an_empty_file_of_ours_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nothing:
        def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
            path.touch()

        def write(self, image: Image, at_s: float) -> None:
            pass

        def close(self) -> None:
            pass

    monkeypatch.setattr(saved_video, "open_encoder", Nothing)
    video = SavedVideo(tmp_path / "out.avi")
    video.write(picture())
    with pytest.raises(SinkFailed, match="nothing could be written"):
        video.close()
    assert list(tmp_path.iterdir()) == []


def test_until_the_first_frame_there_is_no_file_that_a_kill_could_leave(tmp_path: Path) -> None:
    video = SavedVideo(tmp_path / "out.mkv")
    assert list(tmp_path.iterdir()) == []
    video.write(picture())
    video.close()
    assert (tmp_path / "out.mkv").stat().st_size > 0


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SavedVideo(Path("out:1.mkv")) as video:
        video.write(picture())
    assert len(played(tmp_path / "out:1.mkv")) == 1


def test_a_name_that_is_not_utf8_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkFailed, match="is not UTF-8"):
        SavedVideo(tmp_path / os.fsdecode(b"bad\xff.mkv"))
    with pytest.raises(SinkFailed, match="File name too long"):
        SavedVideo(tmp_path / f"{'a' * 300}.mkv")


def test_frames_beyond_the_codec_are_refused_with_the_limit(tmp_path: Path) -> None:
    with (
        pytest.raises(SinkFailed, match=r"8192x2 are too large .* 8190 pixels a side"),
        SavedVideo(tmp_path / "out.mkv") as video,
    ):
        video.write(picture(height=2, width=8192))
    assert list(tmp_path.iterdir()) == []


def test_without_any_frame_nothing_is_left_behind_and_nothing_is_lost(tmp_path: Path) -> None:
    with SavedVideo(tmp_path / "new.mkv"):
        pass
    assert not (tmp_path / "new.mkv").exists()
    (tmp_path / "old.mkv").write_bytes(b"old")
    with SavedVideo(tmp_path / "old.mkv"):
        pass
    assert (tmp_path / "old.mkv").read_bytes() == b"old"


def test_the_file_is_finished_when_an_error_ends_the_run(tmp_path: Path) -> None:
    def interrupted() -> None:
        with SavedVideo(tmp_path / "out.mkv") as video:
            video.write(picture(9))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(played(tmp_path / "out.mkv")) == 1
