"""classify beside another one, and disturbed: signals, killed processes, a reader that leaves."""

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.live_commands import (
    LARGE,
    SMALL,
    VIDEO,
    command,
    environment,
    needs_models_and_video,
    run,
)

pytestmark = needs_models_and_video


def test_two_at_once_both_work(family: Path, profiles: Path) -> None:
    arguments = ("classify", family, "--source", VIDEO, "--max-frames=40", "--json")
    both = [
        subprocess.Popen(
            command(arguments), env=environment(profiles), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in both:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert len(out.splitlines()) == 40


class Live:
    """A classify process that is disturbed in mid-run."""

    def __init__(self, family: Path, profiles: Path, video: Path, save: Path) -> None:
        arguments = ("classify", family, "--source", video, "--variant", LARGE, "--save", save)
        self.process = subprocess.Popen(
            command(arguments),
            env=environment(profiles),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,  # communicate() does not see what readline() has read ahead
        )
        assert self.process.stdout is not None
        for _ in range(20):
            assert self.process.stdout.readline()
        self.lines = 20
        self.workers = psutil.Process(self.process.pid).children(recursive=True)
        assert len(self.workers) == 1

    def end(self) -> tuple[int, str, float]:
        """Returns exit status, stderr, and the seconds it took to end."""
        started_s = time.monotonic()
        stdout, stderr = self.process.communicate(timeout=60)
        self.lines += len(stdout.splitlines())
        return self.process.returncode, stderr.decode(), time.monotonic() - started_s


def _frames(video: Path) -> int:
    import cv2

    return int(cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT))


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_it_in_order_and_the_saved_video_plays(
    family: Path,
    profiles: Path,
    clip: Path,
    tmp_path: Path,
    number: signal.Signals,
    status: int,
) -> None:
    live = Live(family, profiles, clip, tmp_path / "out.mkv")
    live.process.send_signal(number)
    returncode, stderr, took_s = live.end()
    assert returncode == status
    assert "most often water bottle" in stderr
    assert "Traceback" not in stderr
    assert took_s < 20
    assert not live.workers[0].is_running()
    played = run(
        *("classify", family, "--source", tmp_path / "out.mkv", "--variant", SMALL),
        profiles=profiles,
    )
    assert played.returncode == 0, played.stderr
    assert len(played.stdout.splitlines()) >= 20


def test_a_killed_worker_is_started_again_and_no_frame_is_lost(
    family: Path, profiles: Path, clip: Path, tmp_path: Path
) -> None:
    live = Live(family, profiles, clip, tmp_path / "out.mkv")
    live.workers[0].kill()
    returncode, stderr, _ = live.end()
    assert returncode == 0
    assert "SIGKILL" in stderr
    assert "was started again on" in stderr
    assert "Traceback" not in stderr
    assert live.lines == _frames(clip)


def test_a_stopped_worker_is_noticed_within_seconds(
    family: Path, profiles: Path, clip: Path, tmp_path: Path
) -> None:
    live = Live(family, profiles, clip, tmp_path / "out.mkv")
    live.workers[0].suspend()
    returncode, stderr, took_s = live.end()
    assert returncode == 0
    assert "gave no answer" in stderr
    assert "was started again on" in stderr
    assert took_s < 45
    assert live.lines == _frames(clip)
    assert not live.workers[0].is_running()


def test_killing_the_main_process_leaves_no_worker(
    family: Path, profiles: Path, clip: Path, tmp_path: Path
) -> None:
    live = Live(family, profiles, clip, tmp_path / "out.mkv")
    live.process.kill()
    live.end()
    gone, alive = psutil.wait_procs(live.workers, timeout=20)
    assert len(gone) == 1
    assert alive == []


def test_a_reader_that_goes_away_is_no_error(family: Path, profiles: Path) -> None:
    process = subprocess.Popen(
        command(("classify", family, "--source", VIDEO, "--variant", SMALL)),
        env=environment(profiles),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
    assert "Traceback" not in stderr
