import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edgescale.errors import SourceLost, StreamError
from edgescale.inference.preparation import Image
from edgescale.stream.event import Event
from edgescale.stream.frame import Frame
from edgescale.stream.sources.capture import EndOfStream
from edgescale.stream.sources.file_source import FileSource
from edgescale.stream.sources.live_source import LiveSource, Opener
from edgescale.stream.sources.mixer import Mixer
from edgescale.stream.sources.shaping import Shaping
from edgescale.stream.sources.slot import LatestFrame
from edgescale.stream.sources.source import SourceSpec, open_sources
from tests.fakes import collect, picture


class Reader:
    """A file of so many frames, and then perhaps an error."""

    fps: float | None = 25.0

    def __init__(self, count: int, error: StreamError | None = None) -> None:
        self.count, self.error, self.closed = count, error, False
        self.interval_s = 0.04

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count):
            yield Frame(index, picture(index), float(index), position_s=index * self.interval_s)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True


class Endless:
    """A camera that is always faster than whoever takes its frames."""

    def __init__(self, taken: threading.Semaphore) -> None:
        self._taken = taken

    def grab(self) -> bool:
        if not self._taken.acquire(timeout=10):
            raise EndOfStream
        return True

    def retrieve(self) -> Image:
        return picture()

    def release(self) -> None:
        pass


def file(name: str, count: int, error: StreamError | None = None) -> FileSource:
    return FileSource(name, Reader(count, error), Shaping())


def mixed(*sources: FileSource, events: list[Event] | None = None) -> Mixer:
    told = [] if events is None else events
    return Mixer(sources, threading.Condition(), on_event=told.append)


def test_every_frame_of_every_file_comes_in_its_order() -> None:
    events: list[Event] = []
    mixer = mixed(file("a", 5), file("b", 30), events=events)
    frames = list(mixer)
    assert [f.index for f in frames if f.source == "a"] == list(range(5))
    assert [f.index for f in frames if f.source == "b"] == list(range(30))
    assert sorted(event.details["source"] for event in events) == ["a", "b"]
    assert [(one.name, one.state, one.captured) for one in mixer.states()] == [
        *(("a", "ended", 5), ("b", "ended", 30)),
    ]
    assert mixer.name == "a, b"
    assert not mixer.live
    mixer.close()


def test_a_damaged_file_does_not_end_the_others_and_is_raised_after_them() -> None:
    mixer = mixed(file("a", 2, SourceLost("a: cut off")), file("b", 20))
    seen: list[Frame] = []
    with pytest.raises(SourceLost, match="a: cut off"):
        collect(mixer, seen)
    assert len(seen) == 22
    mixer.close()


def test_what_no_wait_mends_ends_all() -> None:
    mixer = mixed(file("a", 0, StreamError("a: no region")), file("b", 10**9))
    with pytest.raises(StreamError, match="a: no region"):
        list(mixer)
    mixer.close()


def test_closing_frees_every_file_and_ends_the_iteration() -> None:
    sources = [file("a", 10**9), file("b", 10**9)]
    mixer = mixed(*sources)
    frames = iter(mixer)
    next(frames)
    mixer.close()
    assert list(frames) == []
    assert all(source._reader.closed for source in sources)  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("read ") for thread in threading.enumerate())


def test_live_sources_that_are_all_too_fast_are_served_in_turn() -> None:
    changed = threading.Condition()
    gates = {f"cam{number}": threading.Semaphore(1) for number in range(8)}
    openers = {
        name: Opener(partial(Endless, gate), drain=False, interrupt=gate.release)
        for name, gate in gates.items()
    }
    sources = [
        LiveSource(name, opener, slot=LatestFrame(changed)) for name, opener in openers.items()
    ]
    mixer = Mixer(sources, changed)
    served: list[str] = []
    for frame in mixer:
        served.append(frame.source)
        if len(served) == 120:
            break
        gates[frame.source].release(3)
        with changed:  # a model so slow that every camera has a new frame meanwhile
            assert changed.wait_for(lambda: all(s.slot._frame for s in sources), timeout=10)
    # While the first frames came, not all had one.
    assert served[16:] == served[16:24] * 13
    assert len(set(served[16:24])) == 8
    assert mixer.live
    assert mixer.dropped == sum(state.dropped for state in mixer.states()) > 0
    mixer.close()


def test_a_file_beside_a_camera_plays_at_its_own_rate_and_its_frames_are_of_now() -> None:
    changed, gate = threading.Condition(), threading.Semaphore(0)
    opener = Opener(partial(Endless, gate), interrupt=gate.release)
    camera = LiveSource("cam", opener, slot=LatestFrame(changed))
    mixer = Mixer([camera, file("a", 10**9)], changed)
    began_s = time.monotonic()
    for frame in mixer:
        assert frame.captured_s - began_s >= 0.04 * frame.index
        if frame.index == 20:
            break
    mixer.close()


def test_closing_a_file_that_waits_for_its_next_frame_does_not_wait_for_it() -> None:
    changed, gate = threading.Condition(), threading.Semaphore(0)
    opener = Opener(partial(Endless, gate), interrupt=gate.release)
    slow = Reader(10**9)
    slow.interval_s = 9.0
    mixer = Mixer(
        [
            LiveSource("cam", opener, slot=LatestFrame(changed)),
            FileSource("a", slow, Shaping()),
        ],
        changed,
    )
    next(iter(mixer))
    mixer.close()
    assert slow.closed
    assert not any(thread.name == "read a" for thread in threading.enumerate())


def test_closing_cameras_that_are_all_stuck_takes_a_second_and_not_one_for_each() -> None:
    changed = threading.Condition()
    gates = [threading.Semaphore(0) for _ in range(4)]
    sources = [
        LiveSource(f"cam{number}", Opener(partial(Endless, gate)), slot=LatestFrame(changed))
        for number, gate in enumerate(gates)
    ]
    mixer = Mixer(sources, changed)
    for source in sources:
        source.start()
    began_s = time.monotonic()
    mixer.close()
    assert time.monotonic() - began_s < 2.5
    for gate in gates:
        gate.release()
    assert list(mixer) == []


def test_equal_names_are_refused_before_anything_is_opened() -> None:
    with pytest.raises(StreamError, match=r"two sources are named 'nowhere\.mp4'"):
        open_sources(["nowhere.mp4", "nowhere.mp4"])
    with pytest.raises(StreamError, match=r"'http://h/\?id=\*\*\*'; .* as in door=ADDRESS"):
        open_sources(["http://h/?id=1", "http://h/?id=2"])
    with pytest.raises(StreamError, match="there is no source"):
        open_sources([])


def test_where_one_cannot_be_opened_the_others_are_closed(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="no such file"):
        open_sources([SourceSpec(str(tmp_path / "none.mp4")), SourceSpec("rtsp://127.0.0.1:9/1")])
