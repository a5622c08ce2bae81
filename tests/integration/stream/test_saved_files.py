"""Videos and recordings after a kill and on a full disk, and an .mp4 in a browser."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.outputs import Outputs, Sink
from edgescale.stream.sinks.recording import RecordingSink
from edgescale.stream.sinks.video_sink import VideoSink
from tests.results import frame_result, played

ROOT = Path(__file__).parents[3]
CHROMIUM = Path("/usr/bin/chromium")

WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from edgescale.errors import SinkFailed
from edgescale.stream.sinks.{module} import {sink}
from tests.results import frame_result

pictures = np.random.default_rng(0).integers(0, 255, (25, 240, 320, 3), np.uint8)
sink = {sink}(Path(sys.argv[1]))
try:
    for index in range(100_000):
        sink.result(frame_result(index, image=pictures[index % 25]))
        if index == 25:
            print("going on", flush=True)
except SinkFailed as problem:
    print(problem, flush=True)
    try:
        sink.close()
    except SinkFailed:
        pass
"""


def writer(module: str, sink: str, path: Path, *, before: str = "") -> "subprocess.Popen[str]":
    """Starts a process that writes ten frames for each second of video, as fast as it can."""
    code = before + WRITER.format(module=module, sink=sink)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_video_plays_after_kill_9(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with writer("video_sink", "VideoSink", path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "going on\n"
        os.kill(process.pid, signal.SIGKILL)
    assert len(played(path)) >= 20


def test_a_recording_plays_after_kill_9(tmp_path: Path) -> None:
    with writer("recording", "RecordingSink", tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "going on\n"
        os.kill(process.pid, signal.SIGKILL)
    assert len(played(min(tmp_path.iterdir()))) >= 20


def test_a_quota_in_the_middle_leaves_whole_fragments(tmp_path: Path) -> None:
    """The limit on a file's size stands for what no look at the free space foretells."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000,) * 2)\n"
    path = tmp_path / "a.mp4"
    with writer("video_sink", "VideoSink", path, before=limit) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "going on" in said
    assert "(File too large); make room or save elsewhere" in said
    assert path.stat().st_size < 2_000_000
    frames = played(path)
    assert len(frames) >= 20
    assert len(frames) % 10 == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],
        capture_output=True, check=False,
    ).returncode == 0  # fmt: skip
    if not mounted:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(
    ("name", "live"),
    [("a.mp4", True), ("a.mp4", False), ("a.mkv", True), ("a.mkv", False), ("recordings", False)],
)
def test_a_full_disk_ends_an_output_in_one_sentence_and_what_was_written_plays(
    small_disk: Path, name: str, live: bool
) -> None:
    import numpy as np

    place = small_disk / name
    sink: Sink = RecordingSink(place, segment_s=1) if name == "recordings" else VideoSink(place)
    outputs = Outputs([sink], wait=not live)
    noise = np.random.default_rng(0).integers(0, 255, (25, 240, 320, 3), np.uint8)
    given, end_s = 0, time.monotonic() + 60
    while not outputs.failures and time.monotonic() < end_s:
        time.sleep(0.004 if live else 0)
        outputs.give(frame_result(given, image=noise[given % len(noise)]))
        given += 1
    outputs.close()
    (failure,) = outputs.failures
    assert "the disk is full after" in str(failure)
    assert isinstance(failure, SinkFailed)
    (status,) = outputs.statuses()
    assert status.written + status.dropped in (given, given - 1)  # one failed
    videos = sorted(place.iterdir()) if name == "recordings" else [place]
    assert sum(len(played(video)) for video in videos) >= 10


def test_a_full_disk_is_survived_by_a_live_recording(small_disk: Path) -> None:
    import numpy as np

    filler, place = small_disk / "filler", small_disk / "recordings"
    filler.write_bytes(bytes(3 * 2**20 + 2**19))
    noise = np.random.default_rng(0).integers(0, 255, (25, 240, 320, 3), np.uint8)
    clock_s = 1_767_225_600.0
    sink = RecordingSink(place, segment_s=1, clock=lambda: clock_s)
    for index in range(400):
        clock_s += 0.1
        if index == 60:
            assert sink.written == 0
            filler.unlink()
        sink.result(frame_result(index, image=noise[index % len(noise)]))
    assert sink.written + sink.lost == 400
    assert sink.written >= 300  # although all of it is more than the disk holds
    with pytest.raises(SinkFailed, match="frames could not be written"):
        sink.close()
    videos = sorted(place.iterdir())
    assert len(played(videos[-1])) > 0
    assert len(videos) > 1


def test_an_mp4_plays_in_a_browser(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install it")
    if not CHROMIUM.exists():
        pytest.skip("there is no chromium; make test-tools installs it")
    sink = VideoSink(tmp_path / "a.mp4")
    for index in range(12):
        sink.result(frame_result(index))
    sink.close()
    page_path = tmp_path / "page.html"
    page_path.write_text("<video src='a.mp4' muted></video>")
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(page_path.as_uri())
        said = page.evaluate(
            """async () => {
                const video = document.querySelector("video");
                const ended = new Promise((yes, no) => {
                    video.onended = yes;
                    video.onerror = () => no(video.error.message);
                });
                await video.play();
                await ended;
                return [video.videoWidth, video.videoHeight, video.currentTime];
            }"""
        )
        browser.close()
    assert said[:2] == [64, 48]
    assert said[2] == pytest.approx(1.2, abs=0.2)
