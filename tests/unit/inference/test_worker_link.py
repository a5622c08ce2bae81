"""What a child may do to its parent: end, hang, or write nonsense into the pipe."""

import os
import struct
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgescale.errors import DeviceError, WorkerDied
from edgescale.inference import wire
from edgescale.inference.worker import Worker
from edgescale.inference.worker_link import Link
from tests.tiny_models import RED, tiny_family


def packed(invoke_ms: float, class_ids: list[int], scores: list[float]) -> bytes:
    return wire.message(wire.RESULT, wire.pack_result(invoke_ms, class_ids, scores))


NONSENSE = {
    "no head": b"\xff" * 40,
    "a kind for the child": wire.message(wire.LOAD, b"{}"),
    "far too long": struct.pack("=BI", wire.RESULT, 2**31) + b"\0" * 100,
    "ready again": wire.message(wire.READY, b"{}"),
    "a short result": wire.message(wire.RESULT, b"\0" * 7),
    "more scores than sent": wire.message(wire.RESULT, struct.pack("=dI", 1.0, 1000)),
    "a class beyond the labels": packed(1.0, [3], [0.5]),
    "a class below the background": packed(1.0, [-2], [0.5]),
    "a score that is none": packed(1.0, [0], [float("nan")]),
    "an endless time": packed(float("inf"), [0], [0.5]),
    "an error without words": wire.message(wire.ERROR, b"[]"),
    "an error that is no JSON": wire.message(wire.ERROR, b"\x80"),
    "an error nested deeply": wire.message(wire.ERROR, b"[" * 3000),
}


def answering(worker: Worker, answer: bytes) -> None:
    """Puts an answer into the pipe, as if the child had written it."""
    link = worker._link
    assert link is not None
    link._channel._received += answer


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_ends_the_worker_and_nothing_else(tmp_path: Path, name: str) -> None:
    family = tiny_family(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    worker = Worker(family, family.manifest.variants[0])
    pid = worker.pid
    answering(worker, NONSENSE[name])
    worker.submit(RED, bgr=False)
    with pytest.raises(WorkerDied, match="answered nonsense"):
        worker.result()
    assert not psutil.pid_exists(pid)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(WorkerDied, match="closed"):
        worker.submit(RED, bgr=False)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_are_more_than_a_value_error(content: bytes) -> None:
    received = bytearray(content)
    try:
        while (found := wire.take_message(received)) is not None:
            kind, payload = found
            if kind == wire.RESULT:
                _, class_ids, _ = wire.unpack_result(payload, 3)
                assert all(-1 <= one < 3 for one in class_ids)
            else:
                wire.unpack_record(payload, "error")
    except ValueError:
        pass


def test_an_error_of_an_unknown_class_is_a_dead_worker(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    with Worker(family, family.manifest.variants[0]) as worker:
        worker.submit(RED, bgr=False)
        answering(worker, wire.message(wire.ERROR, b'{"error": "Any", "message": "hello"}'))
        with pytest.raises(WorkerDied, match="hello"):
            worker.result()
        worker.submit(RED, bgr=False)
        answering(worker, wire.message(wire.ERROR, b'{"error": "DeviceError", "message": "no"}'))
        with pytest.raises(DeviceError, match="no"):
            worker.result()


def test_memory_is_told_while_the_child_lives(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    with Worker(family, family.manifest.variants[0]) as worker:
        assert 2**20 < worker.pss_bytes() <= worker.peak_rss_bytes() < 2**30
        child = psutil.Process(worker.pid)
        child.kill()
        while child.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        with pytest.raises(WorkerDied, match="SIGKILL"):
            worker.pss_bytes()


def test_a_lock_is_given_back_when_nothing_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    for name in ("os.pipe", "os.memfd_create", "subprocess.Popen", "socket.socketpair"):
        lock = os.open(tmp_path, os.O_RDONLY)
        with monkeypatch.context() as patch:
            patch.setattr(name, refused)
            with pytest.raises(OSError, match="Too many"):
                Link("tiny", {"shape": [4, 4, 3], "dtype": "uint8"}, lock, None)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(lock)
