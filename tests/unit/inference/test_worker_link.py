"""What a child may do to its parent: end, hang, or write nonsense into the pipe."""

import os
import struct
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgescale.errors import DeviceError, WorkerDied
from edgescale.inference import wire
from edgescale.inference.serving_process import ServingProcess
from edgescale.inference.worker import Worker
from edgescale.inference.worker_channel import Channel
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


def test_a_child_that_only_closes_its_pipe_is_said_to_do_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = tiny_family(tmp_path)
    monkeypatch.setattr(ServingProcess, "ended", lambda process: (None, " (words)"))
    with Worker(family, family.manifest.variants[0]) as worker:
        psutil.Process(worker.pid).kill()
        with pytest.raises(WorkerDied, match=r"'tiny' closed its pipe without an answer \(words\)"):
            worker.classify(RED, bgr=False)


def test_a_closed_channel_reads_and_writes_no_file_opened_later() -> None:
    channel = Channel((2, 2, 3), np.dtype("uint8"))
    ends = (channel._answers, channel._requests)
    channel.close()
    pipe = os.pipe()
    for end, fd in zip(ends, pipe, strict=True):
        os.dup2(fd, end)
    os.write(pipe[1], wire.message(wire.READY, b"{}"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        channel.receive(1.0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        channel.send(0)
    for one in {*pipe, *ends}:
        os.close(one)


@pytest.mark.parametrize("stopped", [False, True], ids=["idle", "stopped"])
def test_closing_in_another_thread_ends_a_wait_with_our_error(
    tmp_path: Path, stopped: bool
) -> None:
    family = tiny_family(tmp_path)
    worker = Worker(family, family.manifest.variants[0])
    if stopped:
        psutil.Process(worker.pid).suspend()
    worker._outstanding = 1  # a wait for an answer that never comes
    closer = threading.Timer(0.2, worker.close)
    closer.start()
    with pytest.raises(WorkerDied, match="the worker is closed"):
        worker.result(timeout_s=20)
    closer.join()
    with pytest.raises(WorkerDied, match="the worker is closed"):
        worker.result()


def test_a_stopped_child_is_closed_without_waiting_for_it(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    worker = Worker(family, family.manifest.variants[0])
    child = psutil.Process(worker.pid)
    child.suspend()
    while child.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    started_s = time.monotonic()
    worker.close()
    assert time.monotonic() - started_s < 1.4  # less than the first patience
    assert not child.is_running()


def test_a_picture_for_a_link_that_was_closed_meanwhile_is_our_error(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    worker = Worker(family, family.manifest.variants[0])
    link = worker._link
    assert link is not None
    worker.close()
    with pytest.raises(WorkerDied, match="the worker is closed"):
        link.slot(0)
    with pytest.raises(WorkerDied, match="the worker is closed"):
        link.send(0)


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
