import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edgescale.errors import ReaderLeft, SinkFailed
from edgescale.inference.preparation import Image
from edgescale.stream.flight import FrameResult
from edgescale.stream.sinks import window, window_process
from edgescale.stream.sinks.window import WindowSink
from edgescale.stream.sinks.window_process import LENGTHS, Viewer
from tests.fakes import picture
from tests.results import entered, frame_result


@contextmanager
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    """Sets DISPLAY to an X server of the test's own, 1280x800."""
    pytest.importorskip("tkinter", reason="no tkinter; make test-tools installs it")
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("there is no Xvfb; make test-tools installs it")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    with os.fdopen(reading) as told:
        monkeypatch.setenv("DISPLAY", f":{told.readline().strip()}")
    try:
        yield server
    finally:
        server.terminate()
        server.wait(20)


def screenshot(folder: Path) -> Image:
    """Returns what the display shows, uint8 (800, 1280, 3) BGR."""
    import cv2

    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("there is no ffmpeg; make test-tools installs it")
    path = folder / "screen.png"
    subprocess.run(
        [program, "-v", "error", "-y", "-f", "x11grab", "-video_size", "1280x800",
         "-i", os.environ["DISPLAY"], "-frames:v", "1", str(path)],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    image = cv2.imread(str(path))
    assert image is not None
    shown: Image = image
    return shown


def test_pictures_of_every_source_are_on_the_display(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with display(monkeypatch), closing(WindowSink()) as sink:
        for source, value in (("front", 210), ("back", 110)):
            image = picture(value, height=240, width=320)
            sink.result(frame_result(image=image, source=source))
            sink.event(entered(), None)
        sink.tick()
        found: set[int] = set()
        end_s = time.monotonic() + 20
        while not {210, 110} <= found and time.monotonic() < end_s:
            grey = screenshot(tmp_path)[150:230, :600]
            found = {value for value in (210, 110) if (grey == value).all(axis=2).sum() > 5000}
        assert found == {210, 110}


def test_a_display_that_goes_away_ends_the_window_and_not_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with display(monkeypatch) as server, closing(WindowSink()) as sink:
        sink.result(frame_result())
        server.terminate()
        server.wait(20)
        sink._process.wait(20)
        with pytest.raises(SinkFailed, match="the window is gone") as failed:
            sink.tick()
        assert not isinstance(failed.value, ReaderLeft)


def test_escape_closes_and_newer_pictures_take_the_place_of_older_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with display(monkeypatch):
        import tkinter

        root = tkinter.Tk()
        reading, writing = os.pipe()
        viewer = Viewer(root, reading)
        for source in ("a", "b\n", "c"):
            for value in (9, 70):
                pixels = b"P6 2 1 255\n" + bytes([value] * 6)
                name = source.encode()
                os.write(writing, LENGTHS.pack(len(name), len(pixels)) + name + pixels)
        os.write(writing, LENGTHS.pack(5, 1000) + b"half")
        viewer.read()
        assert [photo.get(0, 0) for photo in viewer.photos.values()] == [(70, 70, 70)] * 3
        grid = [one.grid_info() for one in viewer.labels]
        assert [(one["row"], one["column"]) for one in grid] == [(0, 0), (0, 1), (1, 0)]
        assert viewer.labels[1]["text"] == "b\ufffd"
        late = root.after(10_000, root.destroy)
        root.update()
        root.focus_force()
        root.after(10, lambda: root.event_generate("<Escape>"))
        root.mainloop()  # returns because of Escape
        os.close(writing)
        root.mainloop()  # returns because of the end of the messages
        root.after_cancel(late)  # raises where it came to that
        viewer.photos.clear()
        root.destroy()
        os.close(reading)


def program(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text(text)
    return path


def test_closing_the_window_ends_the_run_quietly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = program(tmp_path, "import os\nprint('ready', flush=True)\nos.read(0, 1)\n")
    monkeypatch.setattr(window, "_PROGRAM", closed)
    with closing(WindowSink()) as sink:
        sink.tick()
        large = frame_result(image=picture(9, height=1440, width=2560))  # more than a pipe holds
        with pytest.raises(ReaderLeft, match="the window was closed"):
            sink.result(large)
        with pytest.raises(ReaderLeft):
            sink.tick()


def test_a_window_that_hangs_is_given_up_and_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hanging = program(tmp_path, "import time\nprint('ready', flush=True)\ntime.sleep(600)\n")
    monkeypatch.setattr(window, "_PROGRAM", hanging)
    monkeypatch.setattr(window, "_STUCK_S", 0.1)
    with (
        closing(WindowSink()) as sink,
        pytest.raises(SinkFailed, match="takes no pictures any more"),
    ):
        sink.result(frame_result(image=picture(9, height=720, width=960)))
    assert sink._process.returncode == -signal.SIGKILL


def test_pictures_come_no_faster_than_they_can_be_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    quiet = "import sys\nprint('ready', flush=True)\nsys.stdin.buffer.read()\n"
    monkeypatch.setattr(window, "_PROGRAM", program(tmp_path, quiet))
    monkeypatch.setattr(window, "_SHORTEST_S", 600.0)
    shown: list[str] = []

    def note(result: FrameResult) -> bytes:
        shown.append(result.source)
        return b""

    monkeypatch.setattr(window, "_ppm", note)
    with closing(WindowSink()) as sink:
        for source in ("a", "b", "a", "b", "a"):
            sink.result(frame_result(source=source))
    assert shown == ["a", "b"]


def test_a_picture_is_annotated_and_no_larger_than_a_view() -> None:
    ppm = window._ppm(frame_result(image=picture(200, height=1440, width=2560)))
    assert ppm.startswith(b"P6")
    assert b"960 540" in ppm[:40]
    assert ppm[-3:] == b"\xc8\xc8\xc8"
    assert b"\x00\x00\x00" in ppm[40:]
    assert b"1 1" in window._ppm(frame_result(image=picture(0, height=1, width=1)))[:40]


def test_without_a_display_it_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter", reason="no tkinter; make test-tools installs it")
    monkeypatch.delenv("DISPLAY", raising=False)
    said = r"cannot be shown \(there is no display: .*look at the page instead"
    with pytest.raises(SinkFailed, match=said):
        WindowSink()


def test_without_tkinter_it_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = Path(window_process.__file__).read_text()
    lacking = program(tmp_path, "import sys\nsys.modules['tkinter'] = None\n" + text)
    monkeypatch.setattr(window, "_PROGRAM", lacking)
    with pytest.raises(SinkFailed, match="this Python has no tkinter"):
        WindowSink()


def test_a_program_that_dies_at_once_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(window, "_PROGRAM", tmp_path / "missing.py")
    with pytest.raises(SinkFailed, match="it does not start"):
        WindowSink()
