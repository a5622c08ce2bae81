"""The child process of a ``Worker``: owns interpreter and device, answers until its pipe closes.

It imports numpy and one runtime, nothing else heavy. It ends when the parent does, however that
ends: the request pipe reads end of file, and a thread watches the answer pipe for the case that
the interpreter hangs.
"""

import json
import mmap
import os
import select
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.errors import EdgescaleError, ModelFileError
from edgescale.inference import wire
from edgescale.inference.classifier import Classifier, class_scores, open_variant


def main(settings: dict[str, Any]) -> None:
    """Serves pictures until the parent closes the request pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = int(settings["answers"])
    threading.Thread(target=_leave_with_parent, args=(answers,), daemon=True).start()
    try:
        classifier, ready = _opened(settings)
    except EdgescaleError as problem:
        _send(answers, wire.ERROR, _error(problem))
        return
    _send(answers, wire.READY, json.dumps(ready).encode())
    _serve(classifier, settings)


def _opened(settings: dict[str, Any]) -> tuple[Classifier, dict[str, Any]]:
    compiled = settings["compiled"]
    classifier, device, reason = open_variant(
        Path(settings["model"]),
        None if compiled is None else Path(compiled),
        device=settings["device"],
        runtime=settings["runtime"],
        threads=settings["threads"],
        edgetpu_library=settings["edgetpu_library"],
    )
    _check_as_promised(classifier, settings)
    return classifier, {
        "runtime_name": classifier.runtime_name,
        "runtime_version": classifier.runtime_version,
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
        os.write(answers, wire.message(kind, payload))  # under PIPE_BUF: all of it or an error
    except BrokenPipeError:
        os._exit(0)  # the parent is gone, and nobody is left to tell


def _error(problem: EdgescaleError) -> bytes:
    text = str(problem)[:2_000]  # keeps the message under PIPE_BUF
    return json.dumps({"error": type(problem).__name__, "message": text}).encode()


def _leave_with_parent(answers: int) -> None:
    """Ends this process when nobody reads its answers any more, even in the middle of a hang."""
    poll = select.poll()
    poll.register(answers, 0)  # errors only: the reading end was closed
    poll.poll()
    os._exit(0)
