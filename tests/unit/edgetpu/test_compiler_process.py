"""How runs of the compiler end: by timeout, flood and Ctrl-C, with all that they started."""

import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from edgescale.edgetpu import compiler_process, compiler_run
from edgescale.edgetpu.compiler import compile_model, open_compiler
from edgescale.edgetpu.compiler_command import CompilerOptions, find_compiler
from edgescale.edgetpu.compiler_process import run_process
from edgescale.errors import CompilerFailed, CompilerUnusable
from tests.compiler_scenes import Scene
from tests.tiny_models import tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model())
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "scene")


def is_gone(pid: int) -> bool:
    """Gives a killed process a moment to be gone."""
    end = time.monotonic() + 3
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie":
        if time.monotonic() > end:
            return False
    return True


@pytest.mark.parametrize("stubborn", [False, True])
def test_the_timeout_ends_the_whole_group(
    scene: Scene, model: Path, stubborn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler_process, "_TERM_PATIENCE_S", 0.3)
    monkeypatch.setattr(compiler_run, "_GRACE_S", 0.1)
    scene.runs = [{"hang": True, "stubborn": stubborn}]
    start = time.monotonic()
    with pytest.raises(CompilerFailed, match="ended after 1 s; give it more with --timeout"):
        compile_model(scene.compiler(), model, CompilerOptions(timeout_s=1))
    assert 1.1 < time.monotonic() - start < 5
    (call,) = scene.calls()
    for pid in (call["pid"], int(Path(f"{scene.scenario}.child").read_text())):
        assert is_gone(pid)


def test_a_flood_is_ended_and_not_read_whole(scene: Scene, model: Path) -> None:
    scene.runs = [{"flood": 2**30}]
    with pytest.raises(CompilerFailed, match="printed more than 4194304 bytes") as failure:
        compile_model(scene.compiler(), model, CompilerOptions())
    assert len(failure.value.printed) <= 2**22 + 1000


def test_ctrl_c_ends_the_whole_group(
    scene: Scene, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler_process, "_TERM_PATIENCE_S", 0.3)
    scene.runs = [{"hang": True}]
    compiler = scene.compiler()
    child = Path(f"{scene.scenario}.child")

    presses: list[str] = []
    sleep = time.sleep

    def press(seconds: float) -> None:
        if len(presses) < 2 and child.exists() and child.read_text():
            presses.append("and again, while it is being ended")
            raise KeyboardInterrupt
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", press)
    with pytest.raises(KeyboardInterrupt):
        compile_model(compiler, model, CompilerOptions())
    pid = int(child.read_text())
    assert is_gone(pid)


def test_a_group_that_outlives_its_leader_is_ended(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    again = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid)"
    done = run_process([sys.executable, "-S", "-c", again], tmp_path / "work", 10.0)
    assert (done.returncode, done.ended) == (0, None)
    pid = int(done.printed)
    assert is_gone(pid)


def test_a_program_that_is_no_compiler_is_told_by_its_answer(scene: Scene) -> None:
    scene.more = {"hello": "GNU bash 5", "version_status": 3}
    with pytest.raises(CompilerUnusable, match=r"exit status 3, it said: GNU bash 5"):
        scene.compiler()


def test_the_first_words_of_what_is_no_compiler_are_quoted(scene: Scene) -> None:
    scene.more = {"hello": "\ndocker: no such image\n\nSee 'docker run --help'."}
    with pytest.raises(CompilerUnusable, match="it said: docker: no such image"):
        scene.compiler()


def test_stdin_is_closed_to_it(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    reads = "import sys; sys.exit(len(sys.stdin.read()))"
    reading, writing = os.pipe()
    before = os.dup(0)
    try:
        os.dup2(reading, 0)  # a terminal at which nobody types
        done = run_process([sys.executable, "-S", "-c", reads], tmp_path / "work", 5.0)
    finally:
        os.dup2(before, 0)
        for descriptor in (before, reading, writing):
            os.close(descriptor)
    assert (done.returncode, done.ended) == (0, None)


def test_no_place_to_work_is_one_sentence(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = find_compiler(scene.command, {})
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(CompilerFailed, match=r"temporary folder .* set TMPDIR to a folder"):
        open_compiler(command)


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    program = tmp_path / "no program"
    program.write_text("")
    program.chmod(0o755)
    with pytest.raises(CompilerFailed, match="cannot be started"):
        run_process([str(program)], tmp_path / "work", 1.0)
