import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import SourceNotFound, StreamError
from edgescale.stream.sources.capture import open_ffmpeg
from edgescale.stream.sources.network import capture_options
from edgescale.stream.sources.source import SourceSpec, open_source, open_sources
from tests.fakes import picture

cv2 = pytest.importorskip("cv2")

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


class Recorder:
    """``cv2.VideoCapture`` that notes what it was given, options in the environment included."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.options: list[str | None] = []

    def __call__(self, *arguments: Any) -> "Recorder":
        self.calls.append(arguments)
        self.options.append(os.environ.get(_OPTIONS))
        return self

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return False


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def write_video(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (32, 24)
    )
    for index in range(frames):
        writer.write(picture(index))
    writer.release()
    return path


def test_timeouts_and_one_thread_are_in_the_constructor(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr(cv2, "VideoCapture", recorder)
    monkeypatch.setenv(_OPTIONS, "mine;1")
    with pytest.raises(SourceNotFound):
        open_source("udp://127.0.0.1:9", timeout_s=2.5)
    parameters = [
        *(cv2.CAP_PROP_N_THREADS, 1),
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 2500),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, 2500),
    ]
    assert recorder.calls == [("udp://127.0.0.1:9", cv2.CAP_FFMPEG, parameters)]
    (options,) = recorder.options
    assert options is not None
    assert "rtsp_transport;tcp" in options
    protocols = options.split("|")[0].removeprefix("protocol_whitelist;").split(",")
    assert {"rtsp", "http", "tcp", "udp", "tls"} < set(protocols)
    assert not {"file", "pipe", "fd", "concat", "subfile"} & set(protocols)
    assert os.environ[_OPTIONS] == "mine;1"


def test_a_file_may_reach_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr(cv2, "VideoCapture", recorder)
    monkeypatch.delenv(_OPTIONS, raising=False)
    (tmp_path / "v.mp4").write_bytes(bytes(100))
    with pytest.raises(StreamError):
        open_source(tmp_path / "v.mp4")
    assert recorder.options == ["protocol_whitelist;file"]
    assert _OPTIONS not in os.environ


def test_a_file_that_names_a_server_gets_nothing_from_it(tmp_path: Path) -> None:
    """A file may be a playlist with a zero byte in it, which no look at its text finds."""
    with served(tmp_path) as url:
        write_video(tmp_path / "v.avi", 30)
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/v.avi\n#EXT-X-ENDLIST\n"
        (tmp_path / "v.m3u8").write_bytes(playlist.encode() + b"\0")
        with pytest.raises(StreamError):
            list(open_source(tmp_path / "v.m3u8"))


def test_the_user_s_own_options_count_but_for_the_protocols() -> None:
    options = capture_options("rtsp_transport;udp|stimeout;5|protocol_whitelist;file")
    assert options["rtsp_transport"] == "udp"
    assert options["stimeout"] == "5"
    assert "file" not in options["protocol_whitelist"].split(",")


def test_openings_with_other_options_wait_and_those_with_the_same_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside, go = threading.Semaphore(0), threading.Event()
    seen: list[str | None] = []

    def blocking(*arguments: Any) -> None:
        seen.append(os.environ.get(_OPTIONS))
        inside.release()
        assert go.wait(10)

    monkeypatch.setattr(cv2, "VideoCapture", blocking)
    monkeypatch.delenv(_OPTIONS, raising=False)
    wishes = ({"a": "1"}, {"a": "1"}, {"b": "2"})
    threads = [threading.Thread(target=open_ffmpeg, args=("x", wish, 1.0)) for wish in wishes]
    for thread in threads[:2]:
        thread.start()
        assert inside.acquire(timeout=10)
    threads[2].start()
    assert not inside.acquire(timeout=0.05)
    go.set()
    for thread in threads:
        thread.join(10)
    assert seen == ["a;1", "a;1", "b;2"]
    assert _OPTIONS not in os.environ


def test_no_message_holds_a_credential() -> None:
    for address in (
        "http://admin:s3cret@127.0.0.1:9/x?token=s3cret",
        "udp://admin:s3cret@127.0.0.1:9",
        "gopher://admin:s3cret@127.0.0.1/",
    ):
        with pytest.raises(StreamError) as caught:
            open_source(SourceSpec(address), timeout_s=0.2)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(StreamError) as caught:
        open_sources(["rtsp://u:s3cret@c/1", "rtsp://u:s3cret@c/1"])
    assert "s3cret" not in str(caught.value)


def test_a_video_on_a_server_is_read_to_its_end(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi", 30)
    with served(tmp_path) as url:
        source = open_source(f"{url}/v.avi")
        assert not source.live
        assert len(list(source)) == 30
        source.close()


def test_what_gives_no_video_is_told_from_what_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    with served(tmp_path) as url:
        with pytest.raises(SourceNotFound, match=r"port \d+ answers, but gives no video"):
            open_source(f"{url}/x")
        with pytest.raises(SourceNotFound, match=r"port \d+ answers, but gives no video"):
            open_source(f"{url}/nowhere")
    with pytest.raises(SourceNotFound, match=r"nothing answers at 127\.0\.0\.1 port \d+"):
        open_source(f"{url}/x")


def test_a_short_file_of_unknown_length_gives_frames(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / "v.ts"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (32, 24)
    )
    for index in range(50):
        writer.write(picture(index))
    writer.release()
    with served(tmp_path) as url:
        source = open_source(f"{url}/v.ts")
        end = threading.Timer(5.0, source.close)  # where no frame comes
        end.start()
        frame = next(iter(source), None)
        end.cancel()
        end.join()
        is_live = source.live
        source.close()
    assert is_live
    assert frame is not None
    assert frame.image.shape == (24, 32, 3)


def test_why_a_stream_does_not_open_is_said_truthfully() -> None:
    with pytest.raises(SourceNotFound, match=r"nothing answers at 127\.0\.0\.1 port 9;"):
        open_source("ftp://127.0.0.1:9/x.ts")
    with pytest.raises(SourceNotFound, match="that OpenCV reads srt"):
        open_source("srt://127.0.0.1:9")
    with pytest.raises(SourceNotFound, match="source 'yard': cannot be opened; check its address"):
        open_source(SourceSpec("tcp://127.0.0.1:9/s3cret", "yard"))


@pytest.mark.parametrize("address", ["pipe://0", "concat://a", "lavfi://testsrc"])
def test_addresses_of_this_machine_are_no_streams(address: str) -> None:
    with pytest.raises(StreamError, match="is no kind of address that is read"):
        open_source(address)
