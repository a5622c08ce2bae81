"""The stand-in for libedgetpu of ``fake_edgetpu.c``: compiled once per session, told how to behave.

Use in a test module, where fixtures are found by their names::

    from tests.edgetpu_double import behave, double, needs_compiler, own_locks

    __all__ = ["double", "own_locks"]

    @needs_compiler
    def test_it(double: str, monkeypatch: pytest.MonkeyPatch) -> None:
        behave(monkeypatch, latency_ms=3, abort_at=5)
        settings = WorkerSettings(device="usb", edgetpu_library=double)

A worker's process inherits what was said before it was started; ``behave_live`` goes through a file
that is read at each invoke, so that it can be changed while the worker runs.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("fake_edgetpu.c")
COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
VARIABLE = "EDGESCALE_DOUBLE"

_NONE = "no C compiler for the Edge TPU double"
needs_compiler = pytest.mark.skipif(COMPILER is None, reason=_NONE)


@pytest.fixture
def own_locks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives a test Edge TPUs of its own: locks that no other run on this machine sees."""
    folder = tmp_path_factory.mktemp("locks")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def double(own_locks: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the path of the library, compiled once per session, and takes care of its locks.

    Skips where there is no C compiler.
    """
    folder = tmp_path_factory.getbasetemp() / "edgetpu-double"
    path = folder / "libedgetpu-double.so"
    if not path.exists():
        if COMPILER is None:
            pytest.skip(_NONE)
        folder.mkdir()
        compile_double(path)
    return str(path)


def compile_double(path: Path) -> None:
    """Compiles the double into a shared library."""
    command = [COMPILER or "cc", "-shared", "-fPIC", "-O1", "-o", str(path), str(SOURCE)]
    subprocess.run(command, check=True, timeout=60)


def behaviour(**settings: object) -> str:
    """Returns what the environment variable has to be, e.g. ``latency_ms=3,abort_at=5``."""
    return ",".join(f"{name}={value}" for name, value in settings.items())


def behave(monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    """Tells the doubles of processes started from now on how to behave; see ``fake_edgetpu.c``."""
    monkeypatch.setenv(VARIABLE, behaviour(**settings))


def behave_live(monkeypatch: pytest.MonkeyPatch, file: Path, **settings: object) -> None:
    """As ``behave``, by a file that is read at each invoke; call it again to change it."""
    fresh = file.with_suffix(".new")
    fresh.write_text(behaviour(**settings))
    fresh.replace(file)
    monkeypatch.setenv(VARIABLE, f"@{file}")
