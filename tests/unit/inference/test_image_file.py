import os
from pathlib import Path

import numpy as np
import pytest

from edgescale.errors import DataError
from edgescale.inference.image_file import image_files, read_image

cv2 = pytest.importorskip("cv2")


def jpeg(path: Path) -> bytes:
    """Writes a picture of noise and returns its bytes."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path.read_bytes()


def test_the_channels_come_in_the_order_asked_for(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((2, 2, 3), (255, 0, 0), np.uint8))  # blue
    assert read_image(tmp_path / "a.png", bgr=True)[0, 0].tolist() == [255, 0, 0]
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [0, 0, 255]


def test_a_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    jpeg(tmp_path / "a.jpg")
    path = (tmp_path / "a.jpg").rename(tmp_path / os.fsdecode(b"\xff.jpg"))
    assert read_image(path).shape == (64, 64, 3)
    assert image_files(tmp_path) == [path]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_jpeg_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.jpg"
    content = jpeg(path)
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"a\.jpg: is cut off"):
        read_image(path)


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    content = jpeg(path)
    thumbnail = b"\xff\xd8 thumbnail \xff\xd9"
    head = content[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    path.write_bytes(head + content[2:])
    assert read_image(path).shape == (64, 64, 3)
    path.write_bytes(head + content[2:-100])
    with pytest.raises(DataError, match="is cut off"):
        read_image(path)


def test_bytes_after_the_end_of_a_jpeg_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(path) + b"\0" * 100)
    assert read_image(path).shape == (64, 64, 3)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DataError, match="is not a file"):
        read_image(tmp_path / "a.png")
