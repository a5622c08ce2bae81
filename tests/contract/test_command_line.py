"""Every verb answers ``--help``, quickly, and errors end in the right exit code."""

import logging
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from edgescale.cli import VERBS, PrintableFormatter
from tests.tiny_models import tiny_family


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgescale", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("verb", list(VERBS))
def test_help_of_every_verb(verb: str) -> None:
    result = run(verb, "--help")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"Usage: edgescale {verb} ")


def test_help_takes_less_than_150_ms_of_cpu() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    runs = 5
    for _ in range(runs):
        assert run("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    assert used / runs < 0.150


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        pytest.param(["plam"], 2, "did you mean 'plan'?", id="unknown verb"),
        pytest.param(["plan", "--phi=-9"], 1, "error: phi -9 is too small", id="known error"),
        pytest.param(["plan", "--bad"], 2, "No such option", id="unknown option"),
        pytest.param(["inspect", "nowhere"], 1, "nowhere", id="missing family"),
    ],
)
def test_errors_have_their_exit_code_and_one_line(
    arguments: list[str], code: int, complaint: str
) -> None:
    result = run(*arguments)
    assert result.returncode == code
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


def test_a_traceback_is_shown_on_request() -> None:
    assert "Traceback" in run("-vv", "plan", "--phi=-9").stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    script = f"{sys.executable} -m edgescale plan --phi=0 2>{tmp_path / 'err'} | true"
    subprocess.run(["sh", "-c", script], timeout=60, check=True)
    assert "Traceback" not in (tmp_path / "err").read_text()


def test_foreign_text_in_an_error_or_a_log_line_cannot_steer_the_terminal(tmp_path: Path) -> None:
    tiny_family(tmp_path)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"imported"', '"\\u001b[31mred"'))
    for options in ([], ["-vv"]):
        result = run(*options, "inspect", str(tmp_path))
        assert result.returncode == 1
        assert "[31mred" in result.stderr
        assert "\x1b" not in result.stderr
    record = logging.LogRecord("edgescale", logging.WARNING, "", 0, "%s", ("\x1b[31mred",), None)
    assert "\x1b" not in PrintableFormatter("%(message)s").format(record)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_output_that_is_full_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "edgescale", "plan", "--phi=0"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
            env=os.environ | {"PYTHONUNBUFFERED": ""},
        )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("error: the system refused (No space left on device)")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("left", [True, False])
def test_a_thread_that_is_left_to_itself_never_sees_python_taken_down(left: bool) -> None:
    """OpenCV's C++ would answer that with an abort; all else of an orderly end is done."""
    program = f"""
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from edgescale.cli import main

class Late:
    def __del__(self):
        print("taken down", flush=True)

late = Late()
atexit.register(print, "at exit")
threading.Timer(0.1, print, ["joined"]).start()
pool = ThreadPoolExecutor()
pool.submit(int).result()
if {left}:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
sys.argv[1:] = ["nonsense"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout.split("\n") == ["joined", "at exit", *([] if left else ["taken down"]), ""]
