"""Predicts how much memory a worker will take at its peak, before any model is loaded.

On a small board a model that does not fit takes the whole machine down, so the question has to be
answered from the file alone. File and activations do not add up to it: the interpreter keeps a
packed copy of the weights beside the mapped file, and buffers for its convolutions.

``tools/check_memory.py`` holds the predictions against measured peaks.
"""

import json
import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgescale.device.choose import model_for
from edgescale.device.profile import Measurement
from edgescale.edgetpu.flatbuffer import Graph, read_graphs
from edgescale.edgetpu.model_file import model_file_of
from edgescale.errors import EdgescaleError
from edgescale.family.store import Family
from edgescale.inference import wire
from edgescale.inference.child import python_command
from edgescale.inference.worker import WorkerSettings
from edgescale.units import MIB

log = logging.getLogger(__name__)

BASE_MODULE = "edgescale.device.worker_base"
_TIMEOUT_S = 120.0  # TensorFlow as the last runtime takes its time on a small board
_POINTER_BYTES = 8


@dataclass(frozen=True)
class _Law:
    """How an interpreter's memory follows from the model's file, beside file and packed weights.

    Attributes:
        fixed_bytes: what serving adds: a thread, both pipes, code of the first real model.
        per_live_byte: bytes per byte of activations alive at once.
        per_pointer_byte: per byte of the pointers of all convolutions wider than 1x1, one per tap
            and output: XNNPACK gathers through them.
        per_column_byte: per byte of the largest convolution's input laid out in columns: the
            built-in kernels gather by copying.
    """

    fixed_bytes: float
    per_live_byte: float
    per_pointer_byte: float = 0.0
    per_column_byte: float = 0.0


# Least squares on resident peaks on x86-64, 1 and 2 threads. With XNNPACK (litert 2.3.0) fitted to
# 8 models: six of Coral's, an EfficientNet-EdgeTPU-S, a small one of ours; TensorFlow runs XNNPACK
# too, but was not measured. With built-in kernels (tflite-runtime 2.14.0) fitted to 17 models.
_XNNPACK = _Law(1.7 * MIB, per_live_byte=1.69, per_pointer_byte=1.22)
_BUILT_IN = _Law(1.8 * MIB, per_live_byte=0.25, per_column_byte=1.55)
_LAWS = {"tflite_runtime": _BUILT_IN}


def worker_base_bytes(settings: WorkerSettings) -> int | None:
    """Measures the peak memory of a worker's process that has its runtime but no model yet.

    Returns:
        None where the runtime cannot be loaded; the worker itself will say why.
    """
    try:
        child = subprocess.run(
            python_command(BASE_MODULE, {"runtime": settings.runtime}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        answer: int = json.loads(child.stdout.rpartition(b"\n")[2])
    except (subprocess.TimeoutExpired, OSError, ValueError):
        return None
    return answer


def predicted_worker_bytes(model_path: Path, base_bytes: int, *, runtime: str) -> int:
    """Returns the predicted peak resident memory of a worker that runs a model.

    Of an Edge TPU's model the weights lie in the compiled operator, which is read but not packed;
    what libedgetpu itself takes is not known and not in it.

    Args:
        model_path: the ``.tflite`` file that it will run.
        base_bytes: of ``worker_base_bytes``.
        runtime: name of the runtime; ``tflite_runtime`` runs int8 with its built-in kernels,
            the others with XNNPACK.

    Raises:
        ModelFileError: the file is no model, or damaged.
    """
    graphs = read_graphs(model_path)
    content = model_file_of(model_path, graphs)
    law = _LAWS.get(runtime, _XNNPACK)
    input_bytes = sum(graphs[0].tensors[index].size_bytes for index in graphs[0].inputs)
    taps = tuple(_taps_and_columns(graphs[0]))
    gathering = law.per_pointer_byte * _POINTER_BYTES * sum(
        pointers for pointers, _ in taps
    ) + law.per_column_byte * max((columns for _, columns in taps), default=0)
    return round(
        base_bytes
        + law.fixed_bytes
        + model_path.stat().st_size
        + content.weight_bytes
        + law.per_live_byte * content.peak_activation_bytes
        + gathering
        + wire.SLOTS * input_bytes
    )


def with_predictions(
    family: Family, figures: Sequence[Measurement], settings: WorkerSettings, base_bytes: int | None
) -> tuple[Measurement, ...]:
    """Puts the predicted peak beside the measured one, where it can be predicted.

    Args:
        family: the family.
        figures: of its variants.
        settings: with device and runtime resolved.
        base_bytes: of ``worker_base_bytes``; without it nothing is predicted.
    """
    if base_bytes is None:
        return tuple(figures)
    return tuple(_with_prediction(family, one, settings, base_bytes) for one in figures)


def _with_prediction(
    family: Family, figures: Measurement, settings: WorkerSettings, base_bytes: int
) -> Measurement:
    if figures.error is not None:
        return figures
    artifact = model_for(family.variant(figures.variant), settings.device)
    try:
        predicted = predicted_worker_bytes(
            family.folder / artifact.path, base_bytes, runtime=settings.runtime or ""
        )
    except EdgescaleError as problem:
        log.info("%s: its memory cannot be predicted: %s", figures.variant, problem)
        return figures
    return replace(figures, predicted_worker_peak_bytes=predicted)


def _taps_and_columns(graph: Graph) -> list[tuple[int, int]]:
    """Returns taps times outputs, and bytes as columns, of each convolution wider than 1x1."""
    found = []
    for operator in graph.operators:
        if operator.name != "CONV_2D" or len(operator.inputs) < 2:
            continue
        kernel = graph.tensors[operator.inputs[1]].shape  # (filters, height, width, channels)
        made = graph.tensors[operator.outputs[0]].shape  # (1, height, width, filters)
        picture = graph.tensors[operator.inputs[0]]
        if len(kernel) != 4 or len(made) != 4 or kernel[1] * kernel[2] == 1:
            continue
        pointers = kernel[1] * kernel[2] * made[1] * made[2]
        item_bytes = picture.size_bytes // max(1, picture.elements)
        found.append((pointers, pointers * kernel[3] * item_bytes))
    return found
