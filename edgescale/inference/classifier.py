"""One model on one prepared picture, in this process, and the top-k of what it answers.

The only file that builds and runs TFLite interpreters. The worker process uses it; so may whoever
accepts that a bad model or driver can end the process.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.edgetpu.custom_operator import COMPILED_OPERATOR
from edgescale.errors import (
    DeviceError,
    EdgeTpuNotFound,
    EdgeTpuRuntimeMissing,
    ModelFileError,
)
from edgescale.inference.background import BACKGROUND
from edgescale.inference.delegate import (
    EdgeTpuSettings,
    check_device,
    load_edgetpu_delegate,
    make_pycoral_interpreter,
    pycoral_report,
)
from edgescale.inference.model_path import check_made_for, check_name, not_for_cpu
from edgescale.inference.runtime import choose_runtime, installed_version
from edgescale.inference.scores import top_k

_SYSTEMS_EDGE_TPU = EdgeTpuSettings()


@dataclass(frozen=True)
class Prediction:
    """One of the top k: index into the family's labels, its label, and a score of 0 to 1.

    The background output that stands before the first label has class id -1.
    """

    class_id: int
    label: str
    score: float


@dataclass(frozen=True)
class TensorFacts:
    """An interpreter's input or output; ``scale`` is 0 where it is not quantised."""

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


class Classifier:
    """Owns one interpreter; what ends the interpreter's process ends this one.

    Args:
        model_path: a ``.tflite`` file with one picture in and one row of scores out.
        runtime: name of the runtime, or None for the first that works.
        device: ``cpu``, or an Edge TPU (``usb``, ``pci:0``; ``auto`` takes the first one).
        threads: CPU threads of the interpreter.
        edgetpu: how an Edge TPU is opened.

    Raises:
        RuntimeMissing: no interpreter works here.
        EdgeTpuRuntimeMissing, EdgeTpuNotFound: the Edge TPU asked for cannot be used.
        NotForThisDevice: a compiled model on the CPU, or a CPU model on the Edge TPU.
        ModelFileError: not a model, or one that is no classifier.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        runtime: str | None = None,
        device: str = "cpu",
        threads: int = 1,
        edgetpu: EdgeTpuSettings = _SYSTEMS_EDGE_TPU,
    ) -> None:
        check_device(device)
        check_name(model_path)
        started = time.perf_counter()
        self.model_path = model_path
        check_made_for(model_path, device)
        if device == "cpu":
            self._on_cpu(runtime, threads)
        elif runtime is None and edgetpu.library is None and pycoral_report().google:
            self.runtime_name = "pycoral"
            self._interpreter = self._made(
                lambda: make_pycoral_interpreter(model_path, device, edgetpu)
            )
        else:
            self._on_edge_tpu(runtime, device, threads, edgetpu)
        self._allocate()
        self.input = self._only("input", self._interpreter.get_input_details())
        self.output = self._only("output", self._interpreter.get_output_details())
        self._check_shapes()
        self.load_ms = 1000 * (time.perf_counter() - started)

    def invoke(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Runs the model on a prepared picture.

        Args:
            picture: (height, width, 3) of the input's dtype.

        Returns:
            The raw scores, (outputs,) of the output's dtype, as a copy.

        Raises:
            DeviceError: the runtime refused; the message is its own.
        """
        try:
            self._interpreter.set_tensor(self.input.index, picture[np.newaxis])
            self._interpreter.invoke()
            scores: NDArray[Any] = self._interpreter.get_tensor(self.output.index).reshape(-1)
        except (RuntimeError, ValueError) as problem:
            raise DeviceError(
                f"{self.model_path}: inference failed ({_first_line(problem)}); check the device"
                " and the model"
            ) from problem
        return scores

    def _on_cpu(self, runtime: str | None, threads: int) -> None:
        chosen = choose_runtime(runtime)
        self.runtime_name = chosen.name
        self._interpreter = self._made(
            lambda: chosen.interpreter_class(model_path=str(self.model_path), num_threads=threads)
        )

    def _on_edge_tpu(
        self, runtime: str | None, device: str, threads: int, edgetpu: EdgeTpuSettings
    ) -> None:
        chosen = choose_runtime(runtime)
        self.runtime_name = chosen.name
        delegate = load_edgetpu_delegate(chosen, device, edgetpu)
        self._interpreter = self._made(
            lambda: chosen.interpreter_class(
                model_path=str(self.model_path),
                num_threads=threads,
                experimental_delegates=[delegate],
            )
        )

    def _made(self, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except (ValueError, RuntimeError) as problem:
            raise ModelFileError(
                f"{self.model_path}: {self._runtime()} cannot read this"
                f" model ({_first_line(problem)}); copy or convert it again"
            ) from problem

    def _allocate(self) -> None:
        try:
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as problem:
            if COMPILED_OPERATOR in str(problem):
                raise not_for_cpu(self.model_path) from problem
            raise ModelFileError(
                f"{self.model_path}: {self._runtime()} cannot run this"
                f" model ({_first_line(problem)}); convert it again or use another runtime"
            ) from problem

    def _runtime(self) -> str:
        return f"{self.runtime_name} {installed_version(self.runtime_name)}"

    def _only(self, what: str, details: list[dict[str, Any]]) -> TensorFacts:
        if len(details) != 1:
            raise ModelFileError(
                f"{self.model_path}: {len(details)} {what}s; an image classifier has one"
            )
        scale, zero_point = details[0]["quantization"]
        return TensorFacts(
            index=int(details[0]["index"]),
            shape=tuple(int(size) for size in details[0]["shape"]),
            dtype=np.dtype(details[0]["dtype"]),
            scale=float(scale),
            zero_point=int(zero_point),
        )

    def _check_shapes(self) -> None:
        shape = self.input.shape
        if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
            raise ModelFileError(
                f"{self.model_path}: input of shape {list(shape)}; an image classifier has"
                " [1, height, width, 3]"
            )


def predictions(
    class_ids: tuple[int, ...], scores: tuple[float, ...], labels: tuple[str, ...]
) -> tuple[Prediction, ...]:
    """Puts labels to class ids; -1 is the background."""
    return tuple(
        [
            Prediction(class_id, labels[class_id] if class_id >= 0 else BACKGROUND, score)
            for class_id, score in zip(class_ids, scores, strict=True)
        ]
    )


def open_variant(
    model: Path,
    compiled: Path | None,
    *,
    device: str,
    runtime: str | None,
    threads: int,
    edgetpu: EdgeTpuSettings,
) -> tuple[Classifier, str, str]:
    """Opens a variant's model on a device.

    Args:
        model: the CPU model.
        compiled: its twin for the Edge TPU, where there is one.
        device: as in ``Classifier``; ``auto`` is the Edge TPU where there is a compiled model and
            a device for it, else the CPU.
        runtime: as in ``Classifier``.
        threads: as in ``Classifier``.
        edgetpu: as in ``Classifier``.

    Returns:
        The classifier, the device it runs on, and why it is not the Edge TPU (else empty).
    """
    settings: dict[str, Any] = {"runtime": runtime, "threads": threads, "edgetpu": edgetpu}
    if device != "auto":
        chosen = model if device == "cpu" or compiled is None else compiled
        return Classifier(chosen, device=device, **settings), device, ""
    if compiled is None:
        return Classifier(model, **settings), "cpu", "this variant is not compiled for it"
    try:
        return Classifier(compiled, device="auto", **settings), "auto", ""
    except (EdgeTpuNotFound, EdgeTpuRuntimeMissing) as problem:
        return Classifier(model, **settings), "cpu", str(problem)


def class_scores(
    classifier: Classifier, raw: NDArray[Any], *, kind: str, label_offset: int, k: int
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Returns class ids (label offset taken off, background -1) and scores of the k largest.

    Raises:
        ModelFileError: a score is NaN or infinite.
    """
    facts = classifier.output
    if not (isfinite(facts.scale) and (raw.dtype.kind != "f" or np.isfinite(raw).all())):
        raise ModelFileError(
            f"{classifier.model_path}: answers with scores that are no finite numbers; check mean"
            " and std, or convert the model again"
        )
    best, scores = top_k(raw, k, kind=kind, scale=facts.scale, zero_point=facts.zero_point)
    return tuple([max(one - label_offset, -1) for one in best.tolist()]), tuple(scores.tolist())


def _first_line(problem: Exception) -> str:
    return str(problem).strip().partition("\n")[0][:200]
