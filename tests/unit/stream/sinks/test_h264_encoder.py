import struct
from pathlib import Path

import numpy as np
import pytest

from edgescale.errors import SinkFailed
from edgescale.inference.preparation import Image
from edgescale.stream.sinks import h264_encoder
from edgescale.stream.sinks.h264_encoder import H264Encoder, whole_bytes
from tests.fakes import picture
from tests.results import played, shown_at_s

SIZE = (64, 48)


def noise(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 255, (480, 640, 3), np.uint8)


def boxes(path: Path) -> list[tuple[bytes, int]]:
    """Returns type and end of each box of the outermost level."""
    content, place, found = path.read_bytes(), 0, []
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        place += size
        found.append((kind, place))
    return found


def test_frames_keep_the_times_they_were_given(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 3.25, 3.2501, 60.0]
    encoder = H264Encoder(tmp_path / "a.mp4", SIZE, 30.0)
    for at_s in times:
        encoder.write(picture(90, height=48, width=64), at_s)
    encoder.close()
    encoder.close()
    assert shown_at_s(tmp_path / "a.mp4") == pytest.approx(times, abs=1e-4)


def test_each_second_is_a_fragment_that_is_on_the_disk_before_the_file_is_finished(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.mp4"
    encoder = H264Encoder(path, SIZE, 10.0)
    for index in range(35):
        encoder.write(picture(index, height=48, width=64), index / 10)
    assert [kind for kind, _ in boxes(path)] == [b"ftyp", b"moov", *[b"moof", b"mdat"] * 3]
    assert len(played(path)) == 30
    encoder.close()
    assert len(played(path)) == 35


def test_it_is_what_browsers_play_and_says_its_colours(tmp_path: Path) -> None:
    encoder = H264Encoder(tmp_path / "a.mp4", SIZE, 10.0)
    red = picture(height=48, width=64)
    red[..., 2] = 200
    encoder.write(red, 0.0)
    encoder.close()
    import av

    with av.open(str(tmp_path / "a.mp4")) as container:
        codec = container.streams.video[0].codec_context
        said = (codec.name, codec.pix_fmt, int(codec.colorspace), int(codec.color_range))
    assert said == ("h264", "yuv420p", 6, 1)
    (frame,) = played(tmp_path / "a.mp4")
    assert frame[24, 32] == pytest.approx([0, 0, 200], abs=6)


def test_times_that_do_not_rise_are_put_in_order(tmp_path: Path) -> None:
    encoder = H264Encoder(tmp_path / "a.mp4", SIZE, 10.0)
    for at_s in (0.0, 0.0, 0.0):
        encoder.write(picture(9, height=48, width=64), at_s)
    encoder.close()
    assert len(played(tmp_path / "a.mp4")) == 3


class SmallDisk:
    """A file that takes so many bytes, the last write in part, as a full disk does."""

    def __init__(self, path: Path, room_bytes: int) -> None:
        self._file, self._room_bytes = path.open("wb", buffering=0), room_bytes

    def write(self, data: memoryview) -> int:
        part = data[: self._room_bytes]
        if not part:
            raise OSError(28, "No space left on device")
        self._room_bytes -= len(part)
        return self._file.write(part)

    def close(self) -> None:
        self._file.close()


@pytest.mark.parametrize("room_bytes", [200_000, 400_000])
def test_after_a_full_disk_every_whole_fragment_plays_and_nothing_half_is_left(
    tmp_path: Path, room_bytes: int
) -> None:
    path = tmp_path / "a.mp4"
    encoder = H264Encoder(path, (640, 480), 10.0)
    encoder._file.close()
    encoder._file._file = SmallDisk(path, room_bytes)
    written: list[int] = []

    def write_all() -> None:
        for index in range(100):
            encoder.write(noise(index), index / 10)
            written.append(index)

    with pytest.raises(SinkFailed, match=r"stopped after \d+ frames \(No space left") as failed:
        write_all()
    assert f"after {len(written)} frames" in str(failed.value)
    encoder.close()
    assert path.stat().st_size < room_bytes
    assert [kind for kind, _ in boxes(path)][-1] in (b"moov", b"mdat")
    assert len(played(path)) in range(0, len(written) + 1, 10)


def test_what_the_end_cannot_hold_is_told_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encoder = H264Encoder(path, (640, 480), 10.0)
    encoder.write(noise(0), 0.0)
    encoder._file._file.close()
    encoder._file._file = SmallDisk(path, 1000)
    with pytest.raises(SinkFailed, match="stopped after 1 frames"):
        encoder.close()
    encoder.close()


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SinkFailed, match="No such file"):
        H264Encoder(tmp_path / "no" / "a.mp4", SIZE, 10.0)


def test_without_the_encoder_another_ending_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(h264_encoder, "_CODEC", "no-such-codec")
    with pytest.raises(SinkFailed, match=r"does not start .* save to \.mkv instead"):
        H264Encoder(tmp_path / "a.mp4", SIZE, 10.0)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


HEAD = box(b"ftyp", b"isom") + box(b"moov", b"x" * 20)
FRAGMENT = box(b"moof", b"y" * 10) + box(b"mdat", b"z" * 30)
LARGE = box(b"moof", b"") + struct.pack(">I4sQ", 1, b"mdat", 20) + b"zzzz"


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        pytest.param(b"", 0, id="empty"),
        pytest.param(HEAD + FRAGMENT, len(HEAD + FRAGMENT), id="whole"),
        pytest.param(HEAD + FRAGMENT + FRAGMENT[:-1], len(HEAD + FRAGMENT), id="half data"),
        pytest.param(HEAD + FRAGMENT + FRAGMENT[:18], len(HEAD + FRAGMENT), id="index alone"),
        pytest.param(HEAD + FRAGMENT + b"\0\0\0", len(HEAD + FRAGMENT), id="half a size"),
        pytest.param(HEAD + FRAGMENT + bytes(64), len(HEAD + FRAGMENT), id="zeros"),
        pytest.param(HEAD + LARGE, len(HEAD + LARGE), id="64-bit size"),
        pytest.param(HEAD + LARGE[:-1], len(HEAD), id="half of a 64-bit size"),
        pytest.param(HEAD + LARGE[:18], len(HEAD), id="half a 64-bit size"),
    ],
)
def test_what_is_whole_ends_with_the_last_whole_fragment(
    tmp_path: Path, content: bytes, whole: int
) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    assert whole_bytes(tmp_path / "a.mp4") == whole
