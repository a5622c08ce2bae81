"""The child process of a ``Worker``: owns interpreter and device, answers until its pipes close.

It imports numpy and one runtime, nothing else heavy. Each model is opened and served by a thread of
its own; the main thread waits for requests to open another one, and for the end of the parent. A
parent that is killed takes the child with it, on Linux also where a library hangs with Python's
lock held, so that no thread of ours runs, or where the child is stopped.
"""

import fcntl
import json
import mmap
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.errors import EdgescaleError, ModelFileError
from edgescale.inference import wire
from edgescale.inference.classifier import Classifier, class_scores, open_variant
from edgescale.inference.delegate import EdgeTpuSettings

_LEAVE_TIMEOUT_S = 1.0  # for an interpreter to give its device back
_LONGEST_ERROR = 2_000
_OOM_SCORE = "500"  # of 1000: where memory runs out, this process goes before its parent


def main(settings: dict[str, Any]) -> None:
    """Serves pictures until the parent closes its end of the control socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.excepthook = _end_process
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, "ascii")
    if sys.platform == "linux":
        _end_with(settings["life"])
    threads = [_started(settings)]
    while (more := _next_model(settings["control"])) is not None:
        threads = [thread for thread in threads if thread.is_alive()]
        threads.append(_started(more))
    leave_s = time.monotonic() + _LEAVE_TIMEOUT_S
    for thread in threads:
        thread.join(max(0.0, leave_s - time.monotonic()))
    os._exit(0)


def _end_with(life: int) -> None:
    """Has the kernel kill this process when the pipe ends, of which only the parent has the end.

    Not PR_SET_PDEATHSIG, which comes when the thread ends that started this process.
    """
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, os.O_RDONLY | os.O_ASYNC | os.O_NONBLOCK)
    with suppress(BlockingIOError):  # nothing to read: it has not ended yet
        os.read(life, 1)
        os._exit(0)


def _started(settings: dict[str, Any]) -> threading.Thread:
    thread = threading.Thread(target=_run_model, args=(settings,))
    thread.start()
    return thread


def _end_process(args: threading.ExceptHookArgs) -> None:
    """Ends the process on a mistake of ours, as it would end without threads."""
    threading.__excepthook__(args)
    os._exit(1)


def _next_model(control: int) -> dict[str, Any] | None:
    """Waits for the request to open another model; None is the end of the parent."""
    head = os.read(control, wire.HEAD_BYTES)
    if not head:
        return None
    import socket  # few need it: not at the start of each

    with socket.socket(fileno=os.dup(control)) as channel:
        content, fds, _, _ = socket.recv_fds(channel, wire.length_of(head), len(wire.FDS))
    settings: dict[str, Any] = json.loads(content)
    return settings | dict(zip(wire.FDS, fds, strict=True))


def _run_model(settings: dict[str, Any]) -> None:
    """Opens a model and serves it until its pipe closes."""
    with ExitStack() as owned:
        for name in wire.FDS:
            owned.callback(os.close, settings[name])
        answers = int(settings["answers"])
        try:
            classifier, ready = _opened(settings)
        except EdgescaleError as problem:
            _send(answers, wire.ERROR, _error(problem))
            return
        _send(answers, wire.READY, json.dumps(ready).encode())
        _serve(classifier, settings)


def _opened(settings: dict[str, Any]) -> tuple[Classifier, dict[str, Any]]:
    def announce(library: str, runtime: str, what: str) -> None:
        loading = {"library": library, "runtime": runtime, "what": what}
        _send(int(settings["answers"]), wire.LOADING, json.dumps(loading).encode())

    compiled = settings["compiled"]
    classifier, device, reason = open_variant(
        Path(settings["model"]),
        None if compiled is None else Path(compiled),
        device=settings["device"],
        runtime=settings["runtime"],
        threads=settings["threads"],
        edgetpu=EdgeTpuSettings(
            settings["edgetpu_library"], settings["edgetpu_performance"], announce
        ),
    )
    if device == "cpu" and "lock" in settings:
        os.close(settings["lock"])  # the Edge TPU could not be used, and others may try
    _check_as_promised(classifier, settings)
    return classifier, {
        "runtime_name": classifier.runtime_name,
        "device": device,
        "device_reason": reason,
        "load_ms": classifier.load_ms,
    }


def _check_as_promised(classifier: Classifier, settings: dict[str, Any]) -> None:
    """Refuses a model whose tensors are not those of the manifest."""
    wanted_shape, wanted_dtype = (1, *settings["shape"]), np.dtype(settings["dtype"])
    found = classifier.input
    if found.shape != wanted_shape or found.dtype != wanted_dtype:
        raise ModelFileError(
            f"{classifier.model_path}: takes {found.dtype.name} {list(found.shape)}, but the"
            f" manifest says {wanted_dtype.name} {list(wanted_shape)}; build or import it again"
        )
    outputs = int(np.prod(classifier.output.shape))
    if outputs != settings["outputs"]:
        raise ModelFileError(
            f"{classifier.model_path}: gives {outputs} scores, but the manifest says"
            f" {settings['outputs']}; build or import it again"
        )


def _serve(classifier: Classifier, settings: dict[str, Any]) -> None:
    slots = _slots(settings)
    requests, answers = int(settings["requests"]), int(settings["answers"])
    kind, offset, k = settings["scores"], settings["label_offset"], settings["top_k"]
    while request := os.read(requests, 1):
        try:
            started = time.perf_counter()
            raw = classifier.invoke(slots[request[0]])
            invoke_ms = 1000 * (time.perf_counter() - started)
            class_ids, scores = class_scores(classifier, raw, kind=kind, label_offset=offset, k=k)
        except EdgescaleError as problem:
            _send(answers, wire.ERROR, _error(problem))
        else:
            _send(answers, wire.RESULT, wire.pack_result(invoke_ms, class_ids, scores))


def _slots(settings: dict[str, Any]) -> NDArray[Any]:
    """Returns the pictures shared with the parent, (2, height, width, 3), read only."""
    mapping = mmap.mmap(settings["memory"], 0, access=mmap.ACCESS_READ)
    flat = np.frombuffer(mapping, np.dtype(settings["dtype"]))
    return flat.reshape(wire.SLOTS, *settings["shape"])


def _send(answers: int, kind: int, payload: bytes) -> None:
    try:
        os.write(answers, wire.message(kind, payload))
    except BrokenPipeError:
        raise SystemExit from None  # the worker was closed, and nobody is left to tell


def _error(problem: EdgescaleError) -> bytes:
    text = str(problem)[:_LONGEST_ERROR]
    return json.dumps({"error": type(problem).__name__, "message": text}).encode()
