import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import SourceNotFound, StreamError
from edgescale.stream.event import Event
from edgescale.stream.sources import opening
from edgescale.stream.sources import source as source_module
from edgescale.stream.sources.capture import Capture, EndOfStream
from edgescale.stream.sources.live_source import Opener
from edgescale.stream.sources.opening import opened_together
from edgescale.stream.sources.source import Source, SourceSpec, open_sources
from tests.fakes import FakeCapture, picture


class Closable:
    """A source of which only its closing matters."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def itself(self) -> Any:
        return self

    def close(self) -> None:
        self.closed.set()


def cameras(monkeypatch: pytest.MonkeyPatch, opened: dict[str, list[Capture | Exception]]) -> None:
    """Makes addresses of cameras open these, one after another."""

    def opener(spec: SourceSpec, number: int) -> Opener:
        def first() -> Capture:
            one = opened[spec.address].pop(0)
            if isinstance(one, Exception):
                raise one
            return one

        return Opener(first, drain=False)

    monkeypatch.setattr(source_module, "camera_opener", opener)


def test_results_and_refusals_come_in_their_order() -> None:
    good = Closable()
    refusal = SourceNotFound("none")

    def refused() -> Source:
        raise refusal

    assert opened_together([refused, good.itself]) == [refusal, good]
    assert not good.closed.is_set()


@pytest.mark.parametrize("count", [1, 3])
def test_ctrl_c_does_not_wait_for_a_slow_opening_which_is_closed_when_it_is_done(
    count: int,
) -> None:
    slow, quick, go = [Closable() for _ in range(count)], Closable(), threading.Event()

    def opened(one: Closable) -> Any:
        assert go.wait(20)
        return one

    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        opened_together([quick.itself, *[partial(opened, one) for one in slow]])
    assert quick.closed.is_set()
    assert not go.is_set()
    go.set()
    assert all(one.closed.wait(10) for one in slow)


def test_the_end_of_the_run_does_not_wait_for_an_opening_that_hangs() -> None:
    slow, quick, go = Closable(), Closable(), threading.Event()
    refusal, looks = SourceNotFound("none"), iter([False])

    def opened() -> Any:
        assert go.wait(20)
        return slow

    def refused() -> Source:
        raise refusal

    began_s = time.monotonic()
    found = opened_together([quick.itself, opened, refused], lambda: next(looks, True))
    assert time.monotonic() - began_s < 5
    assert found == [quick, None, refusal]
    assert not slow.closed.is_set()
    assert [one.daemon for one in threading.enumerate() if one.name == "open source"] == [True]
    go.set()
    assert slow.closed.wait(10)
    assert not quick.closed.is_set()  # that is for the caller, who has it


def test_many_that_hang_are_left_as_quickly_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_LOOK_EVERY_S", 0.2)
    go, came = threading.Event(), [Closable() for _ in range(32)]

    def opened(one: Closable) -> Any:
        assert go.wait(20)
        return one

    began_s = time.monotonic()
    found = opened_together([partial(opened, one) for one in came], lambda: True)
    assert time.monotonic() - began_s < 3  # not a look for each
    assert found == [None] * 32
    go.set()
    assert all(one.closed.wait(10) for one in came)


def test_what_was_opened_when_the_run_ended_is_closed_and_the_rest_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early, late, go = FakeCapture([]), FakeCapture([]), threading.Event()
    released = threading.Event()
    monkeypatch.setattr(late, "release", released.set)

    def opener(spec: SourceSpec, number: int) -> Opener:
        def hangs() -> Capture:
            assert go.wait(20)
            return late

        return Opener(hangs if number == 2 else lambda: early, drain=False)

    monkeypatch.setattr(source_module, "camera_opener", opener)
    events: list[Event] = []
    source = open_sources(["1", "2"], on_event=events.append, stopped=lambda: True)
    assert early.released
    assert [(event.kind, event.text) for event in events] == [
        ("source-ended", "2: was not open yet when the run ended")
    ]
    assert (list(source), source.dropped, source.live, source.fps) == ([], 0, True, None)
    assert [(one.name, one.state) for one in source.states()] == [("1", "ended"), ("2", "ended")]
    source.close()
    go.set()
    assert released.wait(10)


def test_what_no_wait_mends_is_an_error_beside_an_opening_that_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go, late = threading.Event(), FakeCapture([])

    def opener(spec: SourceSpec, number: int) -> Opener:
        def first() -> Capture:
            if number == 1:
                raise SourceNotFound("camera 1: gone")
            assert go.wait(20)
            return late

        return Opener(first, drain=False)

    monkeypatch.setattr(source_module, "camera_opener", opener)
    missing, ended = str(tmp_path / "missing.mp4"), threading.Event()
    threading.Timer(0.3, ended.set).start()
    with pytest.raises(SourceNotFound, match=r"missing\.mp4"):
        open_sources([missing, "2"], stopped=ended.is_set)
    events: list[Event] = []
    assert open_sources(["1", "2"], on_event=events.append, stopped=ended.is_set).live
    assert [event.text for event in events] == [
        *("camera 1: gone", "2: was not open yet when the run ended"),
    ]
    go.set()


def test_what_opens_at_once_is_given_even_to_a_run_that_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good, gone = FakeCapture([]), SourceNotFound("camera 2: gone")
    cameras(monkeypatch, {"1": [good], "2": [gone]})
    source = open_sources(["1"], stopped=lambda: True)
    assert source.name == "1"
    source.close()
    with pytest.raises(SourceNotFound, match="gone"):
        open_sources(["2"], stopped=lambda: True)


def test_a_bug_in_an_opening_is_raised_and_the_others_are_closed() -> None:
    good = Closable()

    def broken() -> Source:
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        opened_together([good.itself, broken])
    assert good.closed.wait(10)


def test_one_dead_camera_does_not_keep_the_others_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = SourceNotFound("camera 2: there is no /dev/video2")
    cameras(
        monkeypatch,
        {
            "1": [FakeCapture([picture(1), EndOfStream()])],
            "2": [gone, gone, FakeCapture([picture(2), EndOfStream()])],
        },
    )
    events: list[Event] = []
    source = open_sources(["1", "2"], on_event=events.append)
    frames = list(source)
    source.close()
    assert [frame.source for frame in frames] == ["1", "2"]
    of_two = [event for event in events if event.details["source"] == "2"]
    assert [event.kind for event in of_two] == ["source-lost", "source-back", "source-ended"]
    assert of_two[0].text == "2: there is no /dev/video2; trying to open it again"
    assert [state.outages for state in source.states()] == [0, 1]


def test_where_none_opens_or_no_wait_mends_it_the_start_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone, wrong = SourceNotFound("camera 1: gone"), StreamError("camera 2: gives 64x48")
    good = FakeCapture([])
    cameras(monkeypatch, {"1": [gone] * 3, "2": [gone, wrong], "3": [good] * 3})
    with pytest.raises(SourceNotFound, match="camera 1: gone"):
        open_sources(["1", "2"])
    with pytest.raises(StreamError, match="gives 64x48"):
        open_sources(["1", "2", "3"])
    assert good.released
    with pytest.raises(SourceNotFound, match="no such file"):
        open_sources([str(tmp_path / "none.mp4"), "3"])
