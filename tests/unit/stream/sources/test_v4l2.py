"""No camera can be attached to a build machine: what OpenCV is called with is recorded instead."""

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from edgescale.errors import SourceNotFound, StreamError
from edgescale.stream.sources.source_spec import SourceSpec
from edgescale.stream.sources.v4l2 import camera_opener

cv2 = pytest.importorskip("cv2")


class FakeVideoCapture:
    """``cv2.VideoCapture`` of a camera that has one size and one format."""

    calls: ClassVar[list[tuple[Any, ...]]] = []
    opens = True
    opens_with_wishes = True
    given: ClassVar[dict[int, float]] = {}
    image: Any = np.zeros((4, 6, 3), np.uint8)
    released = 0

    def __init__(self, *arguments: Any) -> None:
        self.calls.append(arguments)
        wished = len(arguments) > 2 and bool(arguments[2])
        self._is_open = self.opens and (self.opens_with_wishes or not wished)

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self._is_open

    def get(self, what: int) -> float:
        return self.given[what]

    def grab(self) -> bool:
        return True

    def retrieve(self) -> tuple[bool, Any]:
        return True, self.image

    def release(self) -> None:
        type(self).released += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeVideoCapture]:
    class Fresh(FakeVideoCapture):
        calls: ClassVar[list[tuple[Any, ...]]] = []
        given: ClassVar[dict[int, float]] = {
            cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"MJPG")),
            cv2.CAP_PROP_FRAME_WIDTH: 1280.0,
            cv2.CAP_PROP_FRAME_HEIGHT: 720.0,
            cv2.CAP_PROP_FPS: 30.0,
        }

    monkeypatch.setattr(cv2, "VideoCapture", Fresh)
    return Fresh


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/video3").touch()
    (tmp_path / "proc").mkdir()
    return tmp_path


def test_a_plain_camera_is_asked_for_nothing(fake: type[FakeVideoCapture], root: Path) -> None:
    capture = camera_opener(SourceSpec("3"), 3, root=root).open()
    assert fake.calls == [(3, cv2.CAP_V4L2, [])]
    assert capture.grab()
    assert capture.retrieve().shape == (4, 6, 3)


def test_format_size_and_rate_are_asked_for_in_this_order(
    fake: type[FakeVideoCapture], root: Path
) -> None:
    spec = SourceSpec("3", size=(1280, 720), fps=30, pixel_format="MJPG")
    camera_opener(spec, 3, root=root).open()
    wishes = [
        *(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        *(cv2.CAP_PROP_FRAME_WIDTH, 1280, cv2.CAP_PROP_FRAME_HEIGHT, 720),
        *(cv2.CAP_PROP_FPS, 30),
    ]
    assert fake.calls == [(3, cv2.CAP_V4L2, wishes)]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"size": (1920, 1080)}, "asked for 1920x1080 and gives 1280x720"),
        ({"pixel_format": "YUYV"}, "asked for the pixel format YUYV and gives MJPG"),
    ],
)
def test_a_camera_that_gives_something_else_is_refused_and_closed(
    fake: type[FakeVideoCapture], root: Path, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(StreamError, match=text):
        camera_opener(SourceSpec("3", **changes), 3, root=root).open()
    assert fake.released == 1


def test_another_rate_is_told(
    fake: type[FakeVideoCapture], root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    camera_opener(SourceSpec("3", fps=60), 3, root=root).open()
    assert "asked for 60 fps, says 30" in caplog.text


def test_a_refused_wish_is_told_from_a_camera_that_does_not_open(
    fake: type[FakeVideoCapture], root: Path
) -> None:
    fake.opens_with_wishes = False
    with pytest.raises(StreamError, match="refuses the size, rate or pixel format"):
        camera_opener(SourceSpec("3", size=(1, 1)), 3, root=root).open()
    fake.opens = False
    with pytest.raises(SourceNotFound, match="cannot be opened as a camera"):
        camera_opener(SourceSpec("3", size=(1, 1)), 3, root=root).open()


def test_a_missing_camera_is_named(fake: type[FakeVideoCapture], root: Path) -> None:
    fake.opens = False
    opener = camera_opener(SourceSpec("4", "door"), 4, root=root)
    with pytest.raises(SourceNotFound, match=r"camera door: there is no .*/dev/video4; list"):
        opener.open()
    assert opener.reachable is not None
    assert not opener.reachable()


def test_who_keeps_a_camera_busy_is_said(fake: type[FakeVideoCapture], root: Path) -> None:
    fake.opens = False
    (root / "proc/77/fd").mkdir(parents=True)
    (root / "proc/77/fd/5").symlink_to(root / "dev/video3")
    with pytest.raises(SourceNotFound, match=r"in use by another program \(process 77\)"):
        camera_opener(SourceSpec("3"), 3, root=root).open()


def test_a_camera_one_may_not_open_says_what_to_do(
    fake: type[FakeVideoCapture], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Any, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    fake.opens = False
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceNotFound, match="add it to the group video"):
        camera_opener(SourceSpec("3"), 3, root=root).open()


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_transparent_and_16_bit_frames_become_8_bit_bgr(
    fake: type[FakeVideoCapture], root: Path, shape: tuple[int, ...], dtype: Any
) -> None:
    fake.image = np.full(shape, np.iinfo(dtype).max, dtype)
    image = camera_opener(SourceSpec("3"), 3, root=root).open().retrieve()
    assert image.shape == (4, 6, 3)
    assert image.dtype == np.uint8
    assert image.min() == 255


def test_frames_of_another_kind_are_refused(fake: type[FakeVideoCapture], root: Path) -> None:
    capture = camera_opener(SourceSpec("3"), 3, root=root).open()
    for image in (np.zeros((4, 6, 3), np.float32), np.zeros((4, 6, 2), np.uint8)):
        fake.image = image
        with pytest.raises(StreamError, match="are not known"):
            capture.retrieve()
