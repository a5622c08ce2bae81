"""The process that owns interpreter and device, seen from the process that serves.

A failing Edge TPU aborts or hangs its whole process, and a foreign model may crash the interpreter;
with a worker either is an error of ours. Pictures go through shared memory with two slots, into
which they are prepared straight; class ids and scores come back on a pipe.
"""

import json
import mmap
import os
import select
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale import errors
from edgescale.errors import EdgescaleError, NotForThisDevice, WorkerDied
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference import wire
from edgescale.inference.child import (
    anonymous_file,
    end_process,
    ended_by,
    last_words,
    peak_rss_bytes,
    python_command,
)
from edgescale.inference.classifier import Prediction, predictions
from edgescale.inference.delegate import check_device
from edgescale.inference.preparation import Image, Preparer

CHILD_MODULE = "edgescale.inference.worker_process"
START_TIMEOUT_S = 120.0  # TensorFlow as the last runtime takes its time on a small board
RESULT_TIMEOUT_S = 60.0
CLOSE_TIMEOUT_S = 2.0
_READ_BYTES = 65_536
EDGETPU_PERFORMANCE = ("low", "medium", "high", "max")  # 62.5, 125, 250, 500 MHz
_NO_SLOTS = np.empty(0, np.uint8)
_CLOSED = "the worker is closed; start another one"


@dataclass(frozen=True)
class WorkerSettings:
    """How to run a variant.

    Attributes:
        device: ``cpu``, ``auto`` or an Edge TPU string (``usb``, ``pci:0``, ...).
        runtime: name of the TFLite runtime; None takes the first that works.
        threads: CPU threads of the interpreter; None lets a profile find them, and is one for a
            worker that is started without a profile.
        edgetpu_library: the libedgetpu to load; None is the system's.
        edgetpu_performance: clock of the Edge TPU, one of ``EDGETPU_PERFORMANCE``; None leaves it
            to libedgetpu, which takes max.
        top_k: how many class ids a result has.
    """

    device: str = "cpu"
    runtime: str | None = None
    threads: int | None = None
    edgetpu_library: str | None = None
    edgetpu_performance: str | None = None
    top_k: int = 5

    def __post_init__(self) -> None:
        """Refuses counts below one and unknown clocks, which are the caller's mistake."""
        if self.edgetpu_performance not in (None, *EDGETPU_PERFORMANCE):
            raise ValueError(
                f"edgetpu_performance is {self.edgetpu_performance!r}; it must be one of"
                f" {', '.join(EDGETPU_PERFORMANCE)}"
            )
        threads = 1 if self.threads is None else self.threads
        for name, value in (("threads", threads), ("top_k", self.top_k)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 1")


@dataclass(frozen=True)
class Inference:
    """The top k of one picture, and how long ``invoke`` alone took."""

    class_ids: tuple[int, ...]
    scores: tuple[float, ...]
    invoke_ms: float


class Worker:
    """Runs one variant in a child process; a context manager, ready when constructed.

    Attributes:
        runtime_name: the runtime that serves.
        runtime_version: its version.
        device: where it runs: ``cpu``, or the Edge TPU string asked for.
        device_reason: why ``auto`` became ``cpu``; empty otherwise.
        load_ms: from opening the model to a ready interpreter, in the child.

    Raises:
        DeviceError: no runtime, no device, a model for another device, or a child that died.
        FamilyError: the model's file is missing, damaged, or not what the manifest says.
    """

    def __init__(
        self, family: Family, variant: VariantRecord, *, settings: WorkerSettings | None = None
    ) -> None:
        self.family, self.variant = family, variant
        self.settings = settings or WorkerSettings()
        check_device(self.settings.device)
        self._preparer = Preparer(variant.preparation)
        self._outstanding = 0
        self._next_slot = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._resources = ExitStack()
        self._slots: NDArray[Any] = _NO_SLOTS
        try:
            self._start(self._child_settings())
            ready = self._receive_ready()
        except OSError as problem:
            self.close()
            raise WorkerDied(
                f"the worker process cannot be started ({problem.strerror}); free memory, files or"
                " processes and retry"
            ) from problem
        except BaseException:
            self.close()
            raise
        self.runtime_name = str(ready["runtime_name"])
        self.runtime_version = str(ready["runtime_version"])
        self.device = str(ready["device"])
        self.device_reason = str(ready["device_reason"])
        self.load_ms = float(ready["load_ms"])

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, frame: Image, *, bgr: bool) -> None:
        """Prepares a picture and hands it to the worker; at most two may be under way.

        Args:
            frame: uint8 (H, W, 3).
            bgr: channel order: True from OpenCV, False for RGB.

        Raises:
            WorkerDied: the child has ended.
        """
        if self._outstanding == wire.SLOTS:
            raise ValueError("two pictures are under way; take a result first")
        if self._child is None:
            raise WorkerDied(_CLOSED)
        slot = self._next_slot
        self._preparer.prepare(frame, into=self._slots[slot], bgr=bgr)
        try:
            os.write(self._requests, bytes([slot]))
        except OSError as problem:
            raise self._died() from problem
        self._next_slot = (slot + 1) % wire.SLOTS
        self._outstanding += 1

    def result(self, timeout_s: float = RESULT_TIMEOUT_S) -> Inference:
        """Waits for the oldest picture under way.

        Raises:
            WorkerDied: the child ended, or did not answer in time and was ended.
            DeviceError: the runtime refused this picture.
        """
        if self._outstanding == 0:
            raise ValueError("no picture is under way; submit one first")
        kind, payload = self._receive(timeout_s, "a picture")
        self._outstanding -= 1
        if kind == wire.ERROR:
            raise _error_from(payload)
        invoke_ms, class_ids, scores = wire.unpack_result(payload)
        return Inference(class_ids, scores, invoke_ms)

    def classify(self, frame: Image, *, bgr: bool) -> Inference:
        """Classifies one picture and waits for the result."""
        self.submit(frame, bgr=bgr)
        return self.result()

    def predictions(self, inference: Inference) -> tuple[Prediction, ...]:
        """Puts the family's labels to class ids."""
        return predictions(inference.class_ids, inference.scores, self.family.manifest.labels)

    def peak_rss_bytes(self) -> int:
        """Returns the child's largest resident memory so far.

        Raises:
            WorkerDied: the worker is closed.
        """
        if self._child is None:
            raise WorkerDied(_CLOSED)
        return peak_rss_bytes(self._child.pid)

    def close(self) -> None:
        """Ends the child for certain and gives back memory and files; may be called twice."""
        child, self._child = self._child, None
        self._resources.close()  # the child reads end of file from the request pipe and leaves
        self._slots = _NO_SLOTS  # the shared memory goes with its last view
        if child is not None:
            end_process(child, CLOSE_TIMEOUT_S)
        self._outstanding = 0

    def _child_settings(self) -> dict[str, Any]:
        """Returns what the child is told; model files are checked against the manifest first."""
        variant, settings = self.variant, self.settings
        if settings.device not in ("cpu", "auto") and variant.compiled is None:
            raise NotForThisDevice(
                f"variant '{variant.name}' has no compiled model for '{settings.device}'"
                f" ({variant.compiled_reason or 'no reason given'}); use --device cpu"
            )
        compiled = None if settings.device == "cpu" else variant.compiled
        return {
            "model": str(self.family.verify(variant.model)),
            "compiled": None if compiled is None else str(self.family.verify(compiled)),
            **asdict(settings),
            "threads": settings.threads or 1,
            "shape": list(self._preparer.shape),
            "dtype": variant.preparation.dtype,
            "outputs": variant.outputs,
            "label_offset": variant.label_offset,
            "scores": variant.scores,
        }

    def _start(self, settings: dict[str, Any]) -> None:
        slot_bytes = int(np.prod(self._preparer.shape)) * self._preparer.dtype.itemsize
        self._log = self._resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        with ExitStack() as given:
            memory = _owned(given, anonymous_file(wire.SLOTS * slot_bytes))
            child_requests, self._requests = os.pipe()
            _owned(given, child_requests)
            _owned(self._resources, self._requests)
            self._answers, child_answers = os.pipe()
            _owned(given, child_answers)
            _owned(self._resources, self._answers)
            self._received = bytearray()
            self._poll = select.poll()
            self._poll.register(self._answers, select.POLLIN)
            mapping = mmap.mmap(memory, wire.SLOTS * slot_bytes)
            flat = np.frombuffer(mapping, self._preparer.dtype)
            self._slots = flat.reshape(wire.SLOTS, *self._preparer.shape)
            fds = {"memory": memory, "requests": child_requests, "answers": child_answers}
            self._child = subprocess.Popen(
                python_command(CHILD_MODULE, settings | fds),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=list(fds.values()),
            )

    def _receive_ready(self) -> dict[str, Any]:
        kind, payload = self._receive(START_TIMEOUT_S, "the model")
        if kind == wire.ERROR:
            raise _error_from(payload)
        ready: dict[str, Any] = json.loads(payload)
        return ready

    def _receive(self, timeout_s: float, waiting_for: str) -> tuple[int, bytes]:
        """Reads one answer, however the pipe splits it."""
        if self._child is None:
            raise WorkerDied(_CLOSED)
        deadline = time.monotonic() + timeout_s
        while (answer := wire.take_message(self._received)) is None:
            if not self._poll.poll(max(0.0, 1000 * (deadline - time.monotonic()))):
                raise self._silent(waiting_for)
            part = os.read(self._answers, _READ_BYTES)
            if not part:
                raise self._died()
            self._received += part
        return answer

    def _silent(self, waiting_for: str) -> WorkerDied:
        """Ends a child that does not answer."""
        tail = last_words(self._log)
        self.close()
        return WorkerDied(
            f"the worker of variant '{self.variant.name}' gave no answer to {waiting_for} in time"
            f" and was ended{tail}; unplug and replug a hung Edge TPU, or allow more time"
        )

    def _died(self) -> WorkerDied:
        """Reaps the child and says how it ended."""
        child = self._child
        if child is None:
            return WorkerDied(_CLOSED)
        how = "closed its pipe"
        with suppress(subprocess.TimeoutExpired):
            how = f"ended with {ended_by(child.wait(CLOSE_TIMEOUT_S))}"
        how += last_words(self._log)
        self.close()
        return WorkerDied(
            f"the worker of variant '{self.variant.name}' {how}; check model, runtime and"
            " device with 'edgescale devices'"
        )


def _error_from(payload: bytes) -> EdgescaleError:
    """Rebuilds the child's error as the same class here."""
    record = json.loads(payload)
    found = getattr(errors, str(record["error"]), WorkerDied)
    if isinstance(found, type) and issubclass(found, EdgescaleError):
        return found(str(record["message"]))
    return WorkerDied(str(record["message"]))


def _owned(owner: ExitStack, fd: int) -> int:
    owner.callback(os.close, fd)
    return fd
