"""The process that owns interpreter and device, seen from the process that serves.

A failing Edge TPU aborts or hangs its whole process, and a foreign model may crash the interpreter;
with a worker either is an error of ours. Pictures go through shared memory with two slots, into
which they are prepared straight; class ids and scores come back on a pipe.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgescale.errors import EdgeTpuBusy, EdgeTpuRuntimeMissing, NotForThisDevice, WorkerDied
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference import wire
from edgescale.inference.child import peak_rss_bytes, pss_bytes
from edgescale.inference.classifier import Prediction, predictions
from edgescale.inference.delegate import check_device
from edgescale.inference.preparation import Image, Preparer
from edgescale.inference.runtime import installed_version
from edgescale.inference.serving_process import ServingProcess
from edgescale.inference.tpu_lock import lock_edge_tpu
from edgescale.inference.worker_link import CLOSED, Link
from edgescale.inference.worker_settings import EDGETPU_PERFORMANCE, WorkerSettings

__all__ = ["EDGETPU_PERFORMANCE", "Inference", "Worker", "WorkerSettings"]

RESULT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Inference:
    """The top k of one picture, and how long ``invoke`` alone took."""

    class_ids: tuple[int, ...]
    scores: tuple[float, ...]
    invoke_ms: float


class Worker:
    """Runs one variant in a child process; a context manager, ready when constructed.

    Where it uses an Edge TPU it holds that one's lock, so that no other process disturbs it.

    Args:
        family: the family.
        variant: what to run.
        settings: how to run it.
        beside: the child of another worker, to run in; None starts one. See ``load_beside``.

    Attributes:
        runtime_name: the runtime that serves.
        runtime_version: its version.
        device: where it runs: ``cpu``, or the Edge TPU string asked for.
        device_reason: why ``auto`` became ``cpu``; empty otherwise.
        load_ms: from opening the model to a ready interpreter, in the child.

    Raises:
        DeviceError: no runtime, no device, one in use, a model for another device, or a child that
            died.
        FamilyError: the model's file is missing, damaged, or not what the manifest says.
    """

    def __init__(
        self,
        family: Family,
        variant: VariantRecord,
        *,
        settings: WorkerSettings | None = None,
        beside: ServingProcess | None = None,
    ) -> None:
        self.family, self.variant = family, variant
        self.settings = settings or WorkerSettings()
        check_device(self.settings.device)
        self._preparer = Preparer(variant.preparation)
        self._outstanding = 0
        self._next_slot = 0
        self._link: Link | None = None
        ready, why = self._opened(beside)
        self.runtime_name = str(ready["runtime_name"])
        self.runtime_version = installed_version(self.runtime_name) or "unknown"
        self.device = str(ready["device"])
        self.device_reason = why or str(ready["device_reason"])
        self.load_ms = float(ready["load_ms"])
        if self.device == "cpu" and beside is None:
            self._open_link().process.free_edge_tpu()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Returns the id of the process that runs the model.

        Raises:
            WorkerDied: the worker is closed.
        """
        return self._open_link().process.pid

    def load_beside(self, variant: VariantRecord) -> "Worker":
        """Opens another variant in the same child, on the same device, while this one serves.

        An Edge TPU takes one process only, so this is the way to have two models ready on it. May
        be called in another thread than the one that serves. Each of the two is closed by itself;
        a crash or a hang of either ends both.

        Raises:
            EdgescaleError: as the constructor.
        """
        process = self._open_link().process
        # Not "auto", which might end on the CPU of a process that is on the Edge TPU.
        device = ":0" if self.device == "auto" else self.device
        settings = replace(self.settings, device=device)
        return Worker(self.family, variant, settings=settings, beside=process)

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
        link, slot = self._open_link(), self._next_slot
        self._preparer.prepare(frame, into=link.slot(slot), bgr=bgr)
        link.send(slot)
        self._next_slot = (slot + 1) % wire.SLOTS
        self._outstanding += 1

    def result(self, timeout_s: float = RESULT_TIMEOUT_S) -> Inference:
        """Waits for the oldest picture under way.

        Raises:
            WorkerDied: the child ended, answered nonsense, or not in time, and was ended.
            DeviceError: the runtime refused this picture.
        """
        link = self._open_link()
        if self._outstanding == 0:
            raise ValueError("no picture is under way; submit one first")
        self._outstanding -= 1
        labels = len(self.family.manifest.labels)
        invoke_ms, class_ids, scores = link.result(timeout_s, labels)
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
            WorkerDied: the child has ended, or the worker is closed.
        """
        return self._weighed(peak_rss_bytes)

    def pss_bytes(self) -> int:
        """Returns the child's present memory, with its part of the pages it shares (PSS).

        Raises:
            WorkerDied: the child has ended, or the worker is closed.
        """
        return self._weighed(pss_bytes)

    def close(self) -> None:
        """Ends the child, if no other worker uses it, and gives back memory and files.

        May be called twice.
        """
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._outstanding = 0

    def _weighed(self, weigh: Callable[[int], int]) -> int:
        link = self._open_link()
        try:
            return weigh(link.process.pid)
        except ProcessLookupError as problem:
            raise link.died() from problem

    def _open_link(self) -> Link:
        if self._link is None or self._link.closed:
            raise WorkerDied(CLOSED)
        return self._link

    def _opened(self, beside: ServingProcess | None) -> tuple[dict[str, Any], str]:
        """Opens the model; ``auto`` goes to the CPU where the Edge TPU cannot be had, and why."""
        try:
            return self._opened_on(self.settings.device, beside), ""
        except (EdgeTpuBusy, EdgeTpuRuntimeMissing) as problem:
            if self.settings.device != "auto":
                raise
            return self._opened_on("cpu", None), str(problem)

    def _opened_on(self, device: str, beside: ServingProcess | None) -> dict[str, Any]:
        settings = self._child_settings(device)
        needs_lock = settings["compiled"] is not None and beside is None
        lock = lock_edge_tpu(device) if needs_lock else None
        try:
            self._link = Link(self.variant.name, settings, lock, beside)
        except OSError as problem:
            raise WorkerDied(
                f"the worker process cannot be started ({problem.strerror}); free memory, files or"
                " processes and retry"
            ) from problem
        try:
            return self._link.ready()
        except BaseException:
            self.close()
            raise

    def _child_settings(self, device: str) -> dict[str, Any]:
        """Returns what the child is told; model files are checked against the manifest first."""
        variant, settings = self.variant, self.settings
        if device not in ("cpu", "auto") and variant.compiled is None:
            raise NotForThisDevice(
                f"variant '{variant.name}' has no compiled model for '{device}'"
                f" ({variant.compiled_reason or 'no reason given'}); use --device cpu"
            )
        compiled = None if device == "cpu" else variant.compiled
        return {
            "model": str(self.family.verify(variant.model)),
            "compiled": None if compiled is None else str(self.family.verify(compiled)),
            **asdict(settings),
            "device": device,
            "threads": settings.threads or 1,
            "shape": list(self._preparer.shape),
            "dtype": variant.preparation.dtype,
            "outputs": variant.outputs,
            "label_offset": variant.label_offset,
            "scores": variant.scores,
        }
