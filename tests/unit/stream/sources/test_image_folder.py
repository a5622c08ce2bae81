import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from edgescale.errors import StreamError
from edgescale.stream.sources.image_folder import natural_key
from edgescale.stream.sources.source import open_source
from tests.fakes import picture

cv2 = pytest.importorskip("cv2")


def test_a_folder_gives_its_images_in_natural_order(tmp_path: Path) -> None:
    for name in ("f10.png", "f2.png", "F1.JPG", ".hidden.png"):
        cv2.imwrite(str(tmp_path / name), picture())
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "sub.png").mkdir()
    frames = list(open_source(tmp_path))
    assert [frame.name for frame in frames] == ["F1.JPG", "f2.png", "f10.png"]
    assert [frame.position_s for frame in frames] == [None] * 3
    assert natural_key("a2b") < natural_key("a10")


def test_a_folder_gives_images_and_videos_as_a_pattern_does(tmp_path: Path) -> None:
    for name in ("a2.png", "a10.png"):
        cv2.imwrite(str(tmp_path / name), picture(height=48, width=64))
    writer = cv2.VideoWriter(
        str(tmp_path / "a3.AVI"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48)
    )
    for grey in range(3):
        writer.write(picture(grey, height=48, width=64))
    writer.release()
    (tmp_path / "a1.txt").write_text("no picture")
    names = [frame.name for frame in open_source(tmp_path)]
    assert names == ["a2.png", "a3.AVI", "a3.AVI", "a3.AVI", "a10.png"]
    assert names == [frame.name for frame in open_source(str(tmp_path / "a*[!t]"))]
    for path in tmp_path.glob("*.png"):
        path.unlink()
    assert [frame.index for frame in open_source(tmp_path)] == [0, 1, 2]


def test_grey_and_transparent_images_become_three_channels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.full((4, 5), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "2.png"), np.full((4, 5, 4), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "3.png"), np.full((4, 5, 3), 900, np.uint16))
    images = [frame.image for frame in open_source(tmp_path)]
    assert [image.shape for image in images] == [(4, 5, 3)] * 3
    assert [image.dtype for image in images] == [np.uint8] * 3


def test_images_whose_names_are_not_utf8_are_read(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 5, 3), (255, 0, 0), np.uint8))
    name = os.fsdecode(b"bad\xff.png")
    (tmp_path / "a.png").rename(tmp_path / name)
    for place in (tmp_path, tmp_path / name):
        (frame,) = open_source(place)
        assert frame.image[0, 0].tolist() == [255, 0, 0]  # BGR
        assert frame.name == name


def test_one_image_is_a_source_too(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), picture(5))
    (frame,) = open_source(tmp_path / "one.png")
    assert frame.name == "one.png"


def test_an_unreadable_image_is_named_after_those_before_it(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture(5))
    (tmp_path / "2.png").write_bytes(b"not a png")
    frames = iter(open_source(tmp_path))
    assert next(frames).name == "1.png"
    with pytest.raises(StreamError, match=r"2\.png: not a readable image"):
        next(frames)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(StreamError, match="holds no images or videos"):
        open_source(tmp_path)


def test_pictures_of_one_pixel_and_of_odd_sizes_are_read(tmp_path: Path) -> None:
    for name, shape in {"1.png": (1, 1), "2.png": (3, 5), "3.jpg": (7, 1)}.items():
        cv2.imwrite(str(tmp_path / name), picture(9, height=shape[0], width=shape[1]))
    shapes = [frame.image.shape for frame in open_source(tmp_path)]
    assert shapes == [(1, 1, 3), (3, 5, 3), (7, 1, 3)]


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    """In a process of its own: OpenCV reads its limit once, when it is loaded."""
    row = b"\0" + bytes(20_000 // 8)
    body = zlib.compress(row * 20_000)
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    (tmp_path / "big.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ))  # fmt: skip
    program = (
        "import sys; from edgescale.stream.sources.source import SourceSpec, open_source\n"
        "try: list(open_source(sys.argv[1]))\n"
        "except Exception as problem: print(type(problem).__name__, problem)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("StreamError")
    assert "big.png: has more than 134 million pixels" in done.stdout
