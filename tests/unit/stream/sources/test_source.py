import os
import wave
from pathlib import Path

import numpy as np
import pytest

from edgescale.errors import SourceLost, SourceNotFound, StreamError
from edgescale.stream.frame import Frame
from edgescale.stream.sources.source import SourceSpec, open_source
from tests.fakes import collect, picture

cv2 = pytest.importorskip("cv2")


def write_video(path: Path, frames: int, *, codec: str = "MJPG", fps: float = 25.0) -> Path:
    """Writes frames whose grey value is ten times their index."""
    fourcc = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, (64, 48))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(picture(10 * index % 250, height=48, width=64))
    writer.release()
    return path


def test_a_video_gives_every_frame_in_order_with_its_position(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "v.avi", 8))
    frames = list(source)
    source.close()
    assert not source.live
    assert source.fps == 25.0
    assert [frame.index for frame in frames] == list(range(8))
    assert [round(float(frame.image.mean()), -1) for frame in frames] == [
        10 * index for index in range(8)
    ]
    positions = [frame.position_s for frame in frames]
    assert positions == pytest.approx([index / 25 for index in range(8)])
    assert frames[0].captured_s <= frames[-1].captured_s


def test_a_video_cut_in_the_middle_gives_its_frames_and_is_then_lost(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.mkv", 60)
    content = whole.read_bytes()
    # Matroska writes its duration into the head when it is finished; the tail is gone.
    whole.write_bytes(content[: len(content) // 2])
    source = open_source(whole)
    seen: list[Frame] = []
    with pytest.raises(SourceLost, match="announces 60: it is damaged or cut off at"):
        collect(source, seen)
    source.close()
    assert 10 < len(seen) < 50


@pytest.mark.parametrize("codec", ["mp4v"])
def test_a_hole_in_the_middle_of_a_video_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, codec: str
) -> None:
    fourcc = cv2.VideoWriter.fourcc(*codec)
    path = tmp_path / "v.mkv"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 25.0, (64, 48))
    rng = np.random.default_rng(0)
    for _ in range(60):
        writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = bytes(third)
    path.write_bytes(content)
    frames = list(open_source(path))
    assert 20 < len(frames) < 50
    (warning,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert "announces 60: there is no frame from 0." in warning.getMessage()
    assert "for 1.2 s; it is damaged there" in warning.getMessage()


def test_a_video_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", 3).rename(tmp_path / os.fsdecode(b"v\xff.avi"))
    with pytest.raises(StreamError, match="is not UTF-8"):
        open_source(path)


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "v.avi", 3).rename(tmp_path / "cam:1.avi")
    monkeypatch.chdir(tmp_path)
    source = open_source("cam:1.avi")
    assert len(list(source)) == 3
    assert source.name == "cam:1.avi"


def test_a_video_that_was_never_finished_still_plays(tmp_path: Path) -> None:
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.CAP_FFMPEG, fourcc, 25.0, (64, 48))
    rng = np.random.default_rng(0)
    for _ in range(200):
        writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
    killed = tmp_path / "killed.avi"
    killed.write_bytes((tmp_path / "v.avi").read_bytes())
    writer.release()
    source = open_source(killed)
    assert len(list(source)) > 50
    source.close()


def test_empty_text_truncated_sound_and_junk_files_are_refused_in_words(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", 30, codec="mp4v").read_bytes()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.txt").write_text("hello\n" * 500)
    (tmp_path / "cut.mp4").write_bytes(video[: len(video) // 2])
    (tmp_path / "junk.mp4").write_bytes(os.urandom(20_000))
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16_000))
    said = {
        "empty.mp4": "is empty",
        "notes.txt": "is a text file",
        "cut.mp4": "cannot be opened as video",
        "junk.mp4": "cannot be opened as video",
        "sound.wav": "cannot be opened as video",
    }
    for name, text in said.items():
        with pytest.raises(StreamError, match=text) as caught:
            list(open_source(tmp_path / name))
        assert name in str(caught.value)


@pytest.mark.parametrize("source", ["nowhere.mp4", "rtsp://camera/1", "/dev/null", "a\0b", "97"])
def test_what_is_not_there_is_not_found(source: str) -> None:
    with pytest.raises(SourceNotFound):
        open_source(source)


def test_a_place_that_cannot_be_looked_at_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(StreamError, match="cannot be read \\(File name too long"):
        open_source("a" * 300)
    monkeypatch.setattr(Path, "stat", locked)
    with pytest.raises(StreamError, match="cannot be read \\(Permission denied"):
        open_source(tmp_path / "locked" / "a.mp4")


def test_a_fifo_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceNotFound, match="is no file, folder or camera"):
        open_source(tmp_path / "pipe")


def test_a_pattern_gives_its_images_in_natural_order(tmp_path: Path) -> None:
    for name in ("f10.png", "f2.png", "other.jpg"):
        cv2.imwrite(str(tmp_path / name), picture())
    (tmp_path / "f3.png").mkdir()
    frames = list(open_source(tmp_path / "f*.png"))
    assert [frame.name for frame in frames] == ["f2.png", "f10.png"]
    with pytest.raises(SourceNotFound, match="no such file"):
        open_source(tmp_path / "g*.png")


def test_a_file_whose_name_is_a_pattern_is_that_file(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(1))
    cv2.imwrite(str(tmp_path / "[a].png"), picture(2))
    (frame,) = open_source(tmp_path / "[a].png")
    assert frame.name == "[a].png"


def test_a_pattern_of_videos_and_images_is_one_row_of_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "1.avi", 3)
    cv2.imwrite(str(tmp_path / "2.png"), picture())
    write_video(tmp_path / "10.avi", 2)
    source = open_source(SourceSpec(str(tmp_path / "*"), "day"))
    frames = list(source)
    assert [frame.name for frame in frames] == ["1.avi"] * 3 + ["2.png"] + ["10.avi"] * 2
    assert [frame.index for frame in frames] == list(range(6))
    assert {frame.source for frame in frames} == {"day"}
    source.close()


def test_a_file_is_cut_turned_and_thinned_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", 50)
    spec = SourceSpec(str(path), roi=(0, 0, 20, 10), rotate=90, max_fps=5)
    source = open_source(spec)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(0, 50, 5))
    assert {frame.image.shape for frame in frames} == {(20, 10, 3)}
    assert all(frame.decode_ms > 0 and frame.source_fps == 25 for frame in frames)
    (state,) = source.states()
    assert (state.state, state.captured, state.dropped) == ("ended", 50, 0)


def test_a_region_outside_a_video_is_refused(tmp_path: Path) -> None:
    spec = SourceSpec(str(write_video(tmp_path / "v.avi", 3)), "v", roi=(60, 0, 20, 10))
    with pytest.raises(StreamError, match="v: its pictures of 64x48 do not hold"):
        list(open_source(spec))


def test_what_only_others_can_do_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture())
    with pytest.raises(StreamError, match="images have no rate"):
        open_source(SourceSpec(str(tmp_path), max_fps=5))
    for spec in (SourceSpec(str(tmp_path), size=(4, 4)), SourceSpec("rtsp://c/1", fps=5)):
        with pytest.raises(StreamError, match="only a camera"):
            open_source(spec)


def test_closing_a_file_ends_its_iteration(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "v.avi", 8))
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_a_file_url_is_a_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v w.avi", 3)
    assert len(list(open_source(path.as_uri()))) == 3


def test_a_closed_standard_input_and_a_terminal_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: True)
    read_end, write_end = os.pipe()
    mode = os.fstat(read_end)
    os.close(read_end)
    os.close(write_end)
    monkeypatch.setattr(os, "fstat", lambda descriptor: mode)
    with pytest.raises(StreamError, match="is a terminal"):
        open_source("-")
