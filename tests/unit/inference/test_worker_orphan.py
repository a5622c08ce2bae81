"""What becomes of a worker's process when the one that started it is killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from edgescale.errors import EdgeTpuBusy
from edgescale.family.store import Family
from edgescale.inference.tpu_lock import lock_edge_tpu
from tests.edgetpu_double import behave, double, needs_compiler, own_locks
from tests.tiny_models import tiny_family, tiny_record

__all__ = ["double", "own_locks"]

PARENT = """
import sys; sys.path[:] = {path!r}
import time, numpy as np
from edgescale.family.store import load_family
from edgescale.inference.worker import Worker, WorkerSettings
family = load_family({family!r})
worker = Worker(family, family.manifest.variants[0], settings=WorkerSettings({settings}))
worker.submit(np.zeros((4, 4, 3), np.uint8), bgr=False)
if {waits}: worker.result()
print("ready", flush=True)
time.sleep(60)
"""


def within(seconds: float, happened: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


def ended(child: psutil.Process) -> bool:
    return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def lock_is_free() -> bool:
    try:
        os.close(lock_edge_tpu("usb"))
    except EdgeTpuBusy:
        return False
    return True


@contextmanager
def parent_of(
    family: Family, settings: str, *, waits: bool = True
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a process that starts a worker, and kills it in the end."""
    code = PARENT.format(path=sys.path, family=str(family.folder), settings=settings, waits=waits)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        try:
            yield parent
        finally:
            parent.kill()


@pytest.mark.parametrize("stopped", [False, True], ids=["idle", "stopped"])
def test_it_ends_too(tmp_path: Path, stopped: bool) -> None:
    with parent_of(tiny_family(tmp_path), "") as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        [child] = psutil.Process(parent.pid).children()
        if stopped:
            child.suspend()
    assert within(5, lambda: ended(child))


@needs_compiler
def test_it_ends_in_a_hang_too(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, hang_at=1)
    family = tiny_family(tmp_path, tiny_record(tmp_path, "tiny", twin=True))
    settings = f"'usb', edgetpu_library={double!r}"
    with parent_of(family, settings, waits=False) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        [child] = psutil.Process(parent.pid).children()
    assert within(5, lambda: ended(child))
    assert within(5, lock_is_free)


@needs_compiler
def test_it_ends_too_while_a_library_holds_pythons_lock(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.touch()
    behave(monkeypatch, load="hang", once=token)
    family = tiny_family(tmp_path, tiny_record(tmp_path, "tiny", twin=True))
    with parent_of(family, f"'usb', edgetpu_library={double!r}") as parent:
        assert within(20, lambda: not token.exists())  # taken away just before the hang
        [child] = psutil.Process(parent.pid).children()
    assert within(5, lambda: ended(child))
    assert within(5, lock_is_free)
