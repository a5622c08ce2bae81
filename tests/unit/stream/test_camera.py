import threading

import pytest

from edgescale.errors import SourceLost, SourceNotFound
from edgescale.inference.preparation import Image
from edgescale.stream.camera import Camera
from edgescale.stream.frame import Frame
from tests.fakes import FakeCapture, collect, picture


class Gated:
    """A camera that gives a frame each time the test opens the gate."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.given = 0
        self.released = False

    def read(self) -> Image | None:
        self.gate.acquire(timeout=10)
        self.given += 1
        return picture(self.given)

    def release(self) -> None:
        self.released = True


def test_a_camera_that_stops_is_lost_after_its_last_frame() -> None:
    capture = FakeCapture([picture(7)])
    camera = Camera("0", lambda: capture)
    seen: list[Frame] = []
    with pytest.raises(SourceLost, match="stopped delivering after 1 frames"):
        collect(camera, seen)
    camera.close()
    assert [frame.index for frame in seen] == [0]
    assert capture.released


def test_an_error_of_the_capture_thread_reaches_the_consumer() -> None:
    camera = Camera("0", lambda: FakeCapture([SourceLost("bad cable")]))
    with pytest.raises(SourceLost, match="bad cable"):
        next(iter(camera))
    camera.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_even_a_bug_in_the_reader_does_not_leave_the_consumer_waiting() -> None:
    camera = Camera("0", lambda: FakeCapture([RuntimeError("bug")]))
    with pytest.raises(SourceLost, match="its reader failed"):
        next(iter(camera))
    camera.close()


def test_a_silent_camera_is_lost_in_time_and_its_thread_ends() -> None:
    capture = Gated()
    camera = Camera("0", lambda: capture, timeout_s=0.05)
    with pytest.raises(SourceLost, match="no frame for"):
        next(iter(camera))
    capture.gate.release()
    camera.close()
    assert capture.released
    assert not any(thread.name == "capture 0" for thread in threading.enumerate())


def test_closing_ends_the_iteration_without_an_error() -> None:
    capture = Gated()
    camera = Camera("0", lambda: capture)
    capture.gate.release()
    frames = iter(camera)
    assert next(frames).index == 0
    capture.gate.release(2)
    camera.close()
    assert len(list(frames)) <= 1


def test_the_thread_waits_for_the_first_frame_that_is_asked_for() -> None:
    capture = Gated()
    camera = Camera("0", lambda: capture)
    assert not any(thread.name == "capture 0" for thread in threading.enumerate())
    capture.gate.release()
    assert next(iter(camera)).index == 0
    capture.gate.release()
    camera.close()
    assert capture.released


def test_a_camera_that_nobody_read_is_released() -> None:
    capture = Gated()
    camera = Camera("0", lambda: capture)
    camera.close()
    assert capture.released
    assert list(camera) == []
    assert capture.given == 0


def test_a_camera_that_cannot_be_opened_starts_no_thread() -> None:
    def missing() -> FakeCapture:
        raise SourceNotFound("no camera")

    with pytest.raises(SourceNotFound):
        Camera("9", missing)
    assert not any(thread.name == "capture 9" for thread in threading.enumerate())
