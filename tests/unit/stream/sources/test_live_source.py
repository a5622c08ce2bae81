import logging
import threading
import time
from dataclasses import replace

import pytest

from edgescale.errors import SourceLost, SourceNotFound, StreamError
from edgescale.inference.preparation import Image
from edgescale.stream.event import Event
from edgescale.stream.sources.capture import Capture, EndOfStream
from edgescale.stream.sources.live_source import LiveSource, Opener, Timing
from edgescale.stream.sources.shaping import Shaping
from tests.fakes import Clock, FakeCapture, picture


class Gated:
    """A camera that gives a frame each time the test opens the gate."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.given = 0
        self.released = threading.Event()

    def grab(self) -> bool:
        self.gate.acquire(timeout=10)
        self.given += 1
        return True

    def retrieve(self) -> Image:
        return picture(self.given)

    def release(self) -> None:
        self.released.set()


def opener(*captures: Capture | Exception) -> Opener:
    """Opens these one after another."""
    left = list(captures)

    def opened() -> Capture:
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    return Opener(opened, drain=False)


def quick(clock: Clock | None = None) -> Timing:
    """Returns clocks with which a back-off takes no time."""
    return Timing(5.0, clock or time.monotonic, lambda seconds: None)


def test_a_camera_that_stops_is_opened_again_and_both_are_told() -> None:
    first = FakeCapture([picture(7)])
    second = FakeCapture([picture(8), EndOfStream()])
    events: list[Event] = []
    refused = SourceNotFound("source 'cam': cannot be opened")
    source = LiveSource(
        *("cam", opener(first, refused, second)), on_event=events.append, timing=quick()
    )
    frames = list(source)
    assert [event.kind for event in events] == ["source-lost", "source-back", "source-ended"]
    assert events[0].text == "cam: the stream broke off; trying to open it again"
    assert all(event.details["source"] == "cam" for event in events)
    assert frames[-1].index == 1
    assert frames[-1].image[0, 0, 0] == 8
    assert frames[-1].source == "cam"
    (state,) = source.states()
    assert (state.state, state.outages, state.captured) == ("ended", 1, 2)
    assert len(frames) + state.dropped == 2
    source.close()
    assert first.released
    assert second.released


def test_a_stream_that_is_all_backlog_gives_frames_at_its_next_opening_and_says_so() -> None:
    """As a short file of a server that tells neither its length nor ranges."""
    shorts = [FakeCapture([picture(value)] * 3) for value in (1, 2)]
    captures = [*shorts, FakeCapture([picture(3), EndOfStream()])]
    events: list[Event] = []
    clock = Clock()
    source = LiveSource(
        *("cam", replace(opener(*captures), drain=True)),
        on_event=events.append,
        timing=quick(clock),
    )
    frames = list(source)
    assert [event.kind for event in events] == [
        *("source-lost", "source-back", "source-lost", "source-back", "source-ended"),
    ]
    assert "all that came had been buffered, as from a file" in events[0].text
    assert events[2].text == "cam: the stream broke off; trying to open it again"
    assert frames[-1].image[0, 0, 0] == 3
    (state,) = source.states()
    assert state.captured == 7
    assert len(frames) + state.dropped == 7
    source.close()


def test_a_damaged_frame_is_an_outage_too() -> None:
    events: list[Event] = []
    broken = FakeCapture([picture(), SourceLost("cam: a frame cannot be decoded")])
    source = LiveSource(
        *("cam", opener(broken, FakeCapture([picture(), EndOfStream()]))),
        on_event=events.append,
        timing=quick(),
    )
    assert list(source)
    assert events[0].details["reason"] == "a frame cannot be decoded"
    source.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_even_a_bug_in_the_reader_does_not_leave_the_consumer_waiting() -> None:
    source = LiveSource("cam", opener(FakeCapture([RuntimeError("bug")])))
    with pytest.raises(SourceLost, match="its reader failed"):
        next(iter(source))
    source.close()


def test_a_read_that_does_not_come_back_is_noticed_and_closing_does_not_wait_for_it() -> None:
    clock, capture = Clock(), Gated()
    events: list[Event] = []
    source = LiveSource("cam", opener(capture), on_event=events.append, timing=quick(clock))
    capture.gate.release()
    assert next(iter(source)).index == 0
    clock.now_s = 5.1
    assert source.states()[0].state == "playing"
    clock.now_s = 5.2
    (state,) = source.states()
    assert (state.state, state.reason, state.outages) == ("lost", "no frame for 5 s", 1)
    assert [event.kind for event in events] == ["source-lost"]
    began_s = time.monotonic()
    source.close()
    assert time.monotonic() - began_s < 2
    capture.gate.release()
    assert capture.released.wait(10)


def test_a_reader_that_is_stuck_is_waited_for_once_and_no_word_of_it_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    capture = Gated()
    source = LiveSource("cam", opener(capture))
    source.start()
    source.close(0.01)
    began_s = time.monotonic()
    source.close(5.0)
    assert time.monotonic() - began_s < 2
    assert not caplog.records
    capture.gate.release()
    assert capture.released.wait(10)


def test_an_outage_that_a_timeout_tells_of_began_with_the_last_frame() -> None:
    clock, capture = Clock(), Gated()
    events: list[Event] = []
    source = LiveSource("cam", opener(capture), on_event=events.append, timing=quick(clock))
    frames = iter(source)
    clock.now_s = 100.0
    capture.gate.release()
    next(frames)
    clock.now_s = 105.2
    assert source.states()[0].outage_s == pytest.approx(5.2)
    clock.now_s = 108.0
    capture.gate.release()
    next(frames)
    assert [event.kind for event in events] == ["source-lost", "source-back"]
    assert events[1].details["outage_s"] == pytest.approx(8.0)
    assert events[1].text == "cam: is back after 8.0 s"
    capture.gate.release()
    source.close()


def test_closing_ends_the_iteration_without_an_error() -> None:
    capture = Gated()
    source = LiveSource("cam", opener(capture))
    capture.gate.release()
    frames = iter(source)
    assert next(frames).index == 0
    capture.gate.release(2)
    source.close()
    assert len(list(frames)) <= 1


def test_closing_in_the_middle_of_an_outage_ends_it() -> None:
    lost = threading.Event()
    source = LiveSource(
        *("cam", opener(FakeCapture([picture()]), *[SourceNotFound("gone")] * 1000)),
        on_event=lambda event: lost.set(),
    )
    frames = iter(source)
    next(frames)
    assert lost.wait(10)
    source.close()
    assert list(frames) == []
    assert source.states()[0].state == "ended"
    assert not any(thread.name == "capture cam" for thread in threading.enumerate())


def test_the_thread_waits_for_the_first_frame_that_is_asked_for() -> None:
    capture = Gated()
    source = LiveSource("cam", opener(capture))
    assert not any(thread.name == "capture cam" for thread in threading.enumerate())
    assert source.states()[0].state == "opening"
    source.close()
    assert capture.released.is_set()
    assert list(source) == []
    assert capture.given == 0


def test_a_camera_that_cannot_be_opened_starts_no_thread() -> None:
    with pytest.raises(SourceNotFound):
        LiveSource("cam", opener(SourceNotFound("no camera")))
    assert not any(thread.name == "capture cam" for thread in threading.enumerate())


def test_a_region_outside_the_first_picture_is_an_error() -> None:
    source = LiveSource(
        *("cam", opener(FakeCapture([picture()]))), shaping=Shaping(roi=(0, 0, 999, 9))
    )
    with pytest.raises(StreamError, match="do not hold the region"):
        list(source)
    source.close()


def test_a_region_that_a_new_resolution_does_not_hold_is_an_outage() -> None:
    wide = picture(width=64)
    source = LiveSource(
        *("cam", opener(FakeCapture([wide, picture()]), FakeCapture([wide, EndOfStream()]))),
        shaping=Shaping(roi=(32, 0, 32, 24)),
        on_event=lambda event: None,
        timing=quick(),
    )
    assert {frame.image.shape for frame in source} == {(24, 32, 3)}
    assert source.states()[0].outages == 1
    source.close()
