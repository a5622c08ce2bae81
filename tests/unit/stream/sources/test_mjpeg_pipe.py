import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgescale.errors import SourceLost, StreamError
from edgescale.stream.event import Event
from edgescale.stream.sources.capture import EndOfStream
from edgescale.stream.sources.live_source import LiveSource
from edgescale.stream.sources.mjpeg_pipe import JpegSplitter, MjpegFile, MjpegPipe, pipe_opener
from tests.fakes import picture
from tests.mjpeg_server import jpeg

# A thumbnail in the head, with end markers of its own.
_THUMBNAIL = b"\xff\xe1\x00\x0c\xff\xd8\xff\xd9\xff\xd8\xff\xd9\xff\xd9"


def numbered(count: int) -> list[bytes]:
    return [jpeg(picture(40 * number)) for number in range(count)]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_pictures_are_cut_out_of_whatever_stands_between_them(step: int) -> None:
    pictures = numbered(3)
    pictures[1] = pictures[1][:2] + _THUMBNAIL + pictures[1][2:]
    stream = b"\xff\xd8 junk \xff" + b"--x\r\nContent-Length: 5\r\n\r\n".join(pictures) + b"\r\n"
    splitter, found = JpegSplitter(), []
    for place in range(0, len(stream), step):
        splitter.feed(stream[place : place + step])
        while (one := splitter.next()) is not None:
            found.append(one)
    assert found == pictures


def test_a_picture_that_never_ends_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgescale.stream.sources.mjpeg_pipe._LARGEST_JPEG_BYTES", 5000)
    splitter, whole = JpegSplitter(), numbered(1)[0]
    splitter.feed(whole[:-2] + bytes(6000))
    assert splitter.next() is None
    assert len(splitter._buffer) < 10
    splitter.feed(whole)
    assert splitter.next() == whole


def test_a_pipe_gives_its_pictures_and_ends(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"".join(numbered(1)))
    os.close(pipe[1])
    capture = MjpegPipe(pipe[0])
    assert capture.grab()
    assert capture.retrieve().shape == (24, 32, 3)
    with pytest.raises(EndOfStream):
        capture.grab()


def test_silence_on_a_pipe_is_an_outage_and_its_end_the_end(pipe: tuple[int, int]) -> None:
    lost = threading.Event()
    kinds: list[str] = []

    def note(event: Event) -> None:
        kinds.append(event.kind)
        lost.set()

    source = LiveSource(
        "stdin",
        pipe_opener(pipe[0], timeout_s=0.05),
        on_event=note,
    )
    frames = iter(source)
    first, second = numbered(2)
    os.write(pipe[1], first)
    assert next(frames).index == 0
    assert lost.wait(10)
    os.write(pipe[1], second)
    assert next(frames).index == 1
    os.close(pipe[1])
    assert list(frames) == []
    source.close()
    assert kinds[:2] == ["source-lost", "source-back"]
    assert kinds[-1] == "source-ended"


def test_closing_ends_the_wait_for_a_silent_pipe(pipe: tuple[int, int]) -> None:
    source = LiveSource("stdin", pipe_opener(pipe[0]))
    source.start()
    source.close()
    assert not any(thread.name == "capture stdin" for thread in threading.enumerate())


def test_a_pipe_without_a_picture_is_refused(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"hello")
    os.close(pipe[1])
    source = LiveSource("stdin", pipe_opener(pipe[0]))
    with pytest.raises(StreamError, match="without a JPEG picture"):
        list(source)
    source.close()


def test_a_damaged_picture_is_lost(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"\xff\xd8\xff\xda\x00\x04ab\xff\xd9")
    capture = MjpegPipe(pipe[0])
    assert capture.grab()
    with pytest.raises(SourceLost):
        capture.retrieve()


def test_a_file_gives_every_picture_that_is_whole(tmp_path: Path) -> None:
    one, two, three = numbered(3)
    path = tmp_path / "v.mjpeg"
    path.write_bytes(one + b"\xff\xd8\xff\xda\x00\x04ab\xff\xd9" + two + three[:-20])
    with path.open("rb") as file:
        frames = list(MjpegFile(file.fileno()))
    assert [frame.index for frame in frames] == [0, 1]
    assert [round(float(np.mean(frame.image))) for frame in frames] == [0, 40]
