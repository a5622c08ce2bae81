"""Pictures are encoded once for all who watch, small enough, and only while somebody does."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from edgescale.stream.web.picture import Publisher, encoded
from tests.watched_run import WatchedRun

cv2 = pytest.importorskip("cv2")


class Delivered:
    """Takes pictures, and can wait for one."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, source: str, jpeg: bytes) -> None:
        with self._changed:
            self.sources.append(source)
            self._changed.notify_all()

    def reach(self, count: int, timeout_s: float = 5.0) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.sources) >= count, timeout_s)


@pytest.fixture
def delivered() -> Delivered:
    return Delivered()


@pytest.fixture
def run() -> WatchedRun:
    return WatchedRun()


@pytest.fixture
def publisher(run: WatchedRun, delivered: Delivered) -> Iterator[Publisher]:
    made = Publisher(run, delivered)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((1280, 720), (640, 360)),
        ((1920, 1080), (640, 360)),
        ((800, 600), (640, 480)),
        ((720, 1280), (360, 640)),
        ((640, 480), (640, 480)),
        ((1, 1), (1, 1)),
        ((5000, 3), (640, 1)),
    ],
)
def test_pictures_are_at_most_640_px_wide(size: tuple[int, int], shown: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    jpeg = cv2.imdecode(np.frombuffer(encoded(image), np.uint8), cv2.IMREAD_COLOR)
    assert jpeg is not None
    assert (jpeg.shape[1], jpeg.shape[0]) == shown
    assert abs(int(jpeg.mean()) - 90) <= 2


def test_nothing_is_encoded_while_nobody_watches(run: WatchedRun, publisher: Publisher) -> None:
    for _ in range(5):
        run.show("door")
    publisher.watch("door")
    publisher.unwatch("door")
    before = publisher.encoded
    for _ in range(5):
        run.show("door")
    assert before <= 1
    assert publisher.encoded - before <= 1  # the one that was under way


def test_each_picture_is_encoded_once_for_all(
    run: WatchedRun, publisher: Publisher, delivered: Delivered
) -> None:
    for _ in range(8):
        publisher.watch("door")
    for count in (1, 2, 3):
        run.show("door")
        assert delivered.reach(count)
    assert not delivered.reach(4, timeout_s=0.3)
    assert publisher.encoded == 3


def test_who_comes_to_a_still_picture_is_given_it(
    run: WatchedRun, publisher: Publisher, delivered: Delivered
) -> None:
    run.show("door")
    publisher.watch("door")
    assert delivered.reach(1)
    publisher.watch("door")
    assert delivered.reach(2)


def test_only_the_source_that_is_watched_is_encoded(
    run: WatchedRun, publisher: Publisher, delivered: Delivered
) -> None:
    run.show("yard")
    run.show("door")
    publisher.watch("door")
    assert delivered.reach(1)
    assert delivered.sources == ["door"]


def test_a_picture_that_cannot_be_encoded_is_no_end(
    run: WatchedRun, publisher: Publisher, delivered: Delivered
) -> None:
    publisher.watch("door")
    run.show("door", np.zeros((0, 0, 3), np.uint8))
    run.show("door")
    assert delivered.reach(1)
