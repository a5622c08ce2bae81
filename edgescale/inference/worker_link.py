"""A worker's connection to its model in the child, with every way it can break told in a sentence.

Whatever the child does - end, hang, or answer nonsense - the parent meets ``DeviceError`` only, and
so it does when another of its threads closes the worker meanwhile.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale import errors
from edgescale.errors import DeviceError, EdgescaleError, EdgeTpuModelCrashed, WorkerDied
from edgescale.inference import wire
from edgescale.inference.delegate import LOAD_TIMEOUT_S, MODEL, crashed_at_load, hung_at_load
from edgescale.inference.serving_process import ServingProcess
from edgescale.inference.worker_channel import Channel

START_TIMEOUT_S = 120.0  # TensorFlow as the last runtime takes its time on a small board
CLOSED = "the worker is closed; start another one"

_LOADING = ("library", "runtime", "what")
_READY = ("runtime_name", "device", "device_reason", "load_ms")


class Link:
    """Starts the model of a worker and speaks with it; closed by every error of the child.

    Args:
        variant: name of the variant, for messages.
        settings: what the child is told, with ``shape`` and ``dtype`` of a prepared picture.
        lock: descriptor of the Edge TPU's lock, owned from now on; None where there is none.
        beside: the process to run in; None starts one.

    Raises:
        OSError: the system has no descriptor, memory or process left.
        WorkerDied: the process to run in has ended.
    """

    def __init__(
        self,
        variant: str,
        settings: dict[str, Any],
        lock: int | None,
        beside: ServingProcess | None,
    ) -> None:
        self._variant = variant
        self._loading: dict[str, str] | None = None
        self.closed = False
        try:
            self._channel = Channel(tuple(settings["shape"]), np.dtype(settings["dtype"]))
        except BaseException:
            if lock is not None:
                os.close(lock)
            raise
        try:
            fds = self._channel.fds
            self.process = beside or ServingProcess(settings | fds, fds, lock)
            self.process.join()
        except BaseException:
            self._channel.close()
            raise
        try:
            if beside is not None:
                self._load_beside(settings)
            self._channel.handed_over()
        except BaseException:
            self.close()
            raise

    def slot(self, number: int) -> NDArray[Any]:
        """Returns where a picture is to be prepared, (height, width, 3).

        Raises:
            WorkerDied: another thread has closed the worker.
        """
        try:
            picture: NDArray[Any] = self._channel.slots[number]
        except IndexError:
            raise WorkerDied(CLOSED) from None
        return picture

    def ready(self) -> dict[str, Any]:
        """Waits until the model is open and returns what the child says of it.

        Raises:
            EdgescaleError: the child's own, or how it ended.
        """
        timeout_s = START_TIMEOUT_S
        with self._well_formed():
            while True:
                kind, payload = self._receive(timeout_s, "the model")
                if kind == wire.READY:
                    self._loading = None
                    return wire.unpack_record(payload, *_READY)
                if kind == wire.ERROR:
                    raise _error_from(payload)
                if kind != wire.LOADING:
                    raise ValueError(f"a message of kind {kind}")
                told = wire.unpack_record(payload, *_LOADING)
                self._loading = {name: str(told[name]) for name in _LOADING}
                timeout_s = LOAD_TIMEOUT_S

    def send(self, slot: int) -> None:
        """Asks for the picture in a slot.

        Raises:
            WorkerDied: the child has ended.
        """
        try:
            self._channel.send(slot)
        except OSError as problem:
            raise self.died() from problem

    def result(
        self, timeout_s: float, labels: int
    ) -> tuple[float, tuple[int, ...], tuple[float, ...]]:
        """Waits for the next result: invoke time in ms, class ids and scores.

        Raises:
            WorkerDied: the child ended, or did not answer in time and was ended.
            EdgescaleError: the runtime refused this picture.
        """
        with self._well_formed():
            kind, payload = self._receive(timeout_s, "a picture")
            if kind == wire.ERROR:
                raise _error_from(payload)
            if kind != wire.RESULT:
                raise ValueError(f"a message of kind {kind}")
            return wire.unpack_result(payload, labels)

    def close(self) -> None:
        """Ends the child, if no other worker uses it, and gives back memory and files."""
        if not self.closed:
            self.closed = True
            self._channel.close()
            self.process.leave()

    def _receive(self, timeout_s: float, waiting_for: str) -> tuple[int, bytes]:
        try:
            return self._channel.receive(timeout_s)
        except TimeoutError:
            raise self._silent(waiting_for) from None
        except (EOFError, OSError):
            raise self.died() from None

    def _load_beside(self, settings: dict[str, Any]) -> None:
        try:
            self.process.load(settings, self._channel.fds)
        except OSError as problem:
            raise self.died() from problem

    @contextmanager
    def _well_formed(self) -> Iterator[None]:
        """Ends a child whose answers are none: its memory cannot be trusted any more."""
        try:
            yield
        except (ValueError, TypeError) as problem:
            self.process.kill()
            words = self.process.last_words()
            self.close()
            raise WorkerDied(
                f"the worker of variant '{self._variant}' answered nonsense"
                f" ({str(problem)[:100]}) and was ended{words}; 'edgescale doctor' looks at"
                " model, runtime and device"
            ) from problem

    def _silent(self, waiting_for: str) -> DeviceError:
        """Ends a child that does not answer: it hangs, and would not listen to less."""
        if self.closed:
            return WorkerDied(CLOSED)
        self.process.kill()
        words = self.process.last_words()
        self.close()
        if self._loading is not None:
            return _hung(self._variant, **self._loading)
        return WorkerDied(
            f"the worker of variant '{self._variant}' gave no answer to {waiting_for} in time"
            f" and was ended{words}; unplug and replug a hung Edge TPU, or allow more time"
        )

    def died(self) -> DeviceError:
        """Reaps the child and says how it ended."""
        if self.closed:
            return WorkerDied(CLOSED)
        how, words = self.process.ended()
        self.close()
        if how is not None and self._loading is not None:
            return _crashed(self._variant, how + words, **self._loading)
        end = "closed its pipe without an answer" if how is None else f"ended with {how}"
        return WorkerDied(
            f"the worker of variant '{self._variant}' {end}{words}; 'edgescale"
            " doctor' looks at model, runtime and device"
        )


def _crashed(variant: str, how: str, *, library: str, runtime: str, what: str) -> DeviceError:
    """Says that a library ended the process, or with it loaded the model: another may work."""
    if what != MODEL:
        return crashed_at_load(library, runtime, how)
    return EdgeTpuModelCrashed(
        f"the compiled model of variant '{variant}' ended the process with {how} when {runtime}"
        f" opened it with {library}; compile it again for this library's version, or use another"
        " library (--edgetpu-library) if it is the same with every variant"
    )


def _hung(variant: str, *, library: str, runtime: str, what: str) -> DeviceError:
    """Says that a library did not come back, or with it loaded the model."""
    if what != MODEL:
        return hung_at_load(library)
    return EdgeTpuModelCrashed(
        f"the compiled model of variant '{variant}' was not open within {LOAD_TIMEOUT_S:.0f} s with"
        f" {runtime} and {library}; unplug the Edge TPU, plug it in again and retry, or compile the"
        " model again"
    )


def _error_from(payload: bytes) -> EdgescaleError:
    """Rebuilds the child's error as the same class here."""
    record = wire.unpack_record(payload, "error", "message")
    found = getattr(errors, str(record["error"]), WorkerDied)
    if isinstance(found, type) and issubclass(found, EdgescaleError):
        return found(str(record["message"]))
    return WorkerDied(str(record["message"]))
