"""The weights of a network as named arrays: fresh ones, and ones taken over from a smaller network.

No framework is needed for any of it. Names are ``<layer>/kernel``, ``/scale``, ``/shift``,
``/mean``, ``/variance`` and, for the classifier, ``/kernel`` and ``/bias``.
"""

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgescale.architecture.network import Architecture
from edgescale.errors import WeightsError
from edgescale.family.store import write_bytes
from edgescale.layer import Layer

Weights = Mapping[str, NDArray[np.float32]]
NORMALISATION = ("scale", "shift", "mean", "variance")


def kernel_shape(layer: Layer) -> tuple[int, ...]:
    """Returns the kernel's shape in Keras order; empty for a layer without weights."""
    inputs, outputs = layer.input_shape[2], layer.output_shape[2]
    if layer.operation == "conv":
        return layer.kernel, layer.kernel, inputs, outputs
    if layer.operation == "depthwise":
        return layer.kernel, layer.kernel, inputs, 1
    return (inputs, outputs) if layer.operation == "dense" else ()


def weight_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Returns the name and shape of every array of a network, in its order."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in architecture.layers:
        if not kernel_shape(layer):
            continue
        shapes[f"{layer.name}/kernel"] = kernel_shape(layer)
        parts = ("bias",) if layer.operation == "dense" else NORMALISATION
        shapes.update({f"{layer.name}/{part}": (layer.output_shape[2],) for part in parts})
    return shapes


def fresh_weights(architecture: Architecture, seed: int) -> dict[str, NDArray[np.float32]]:
    """Draws new weights: each layer from a generator of its own, seeded by the layer's name.

    Kernels are normal with variance 2 / fan-out, the classifier's uniform with 1 / (3 fan-out), as
    in tensorflow/tpu efficientnet_model.conv_kernel_initializer and dense_kernel_initializer.
    """
    weights = {}
    for name, shape in weight_shapes(architecture).items():
        layer, part = name.split("/")
        if part == "kernel":
            random = np.random.RandomState([seed, zlib.crc32(layer.encode())])
            weights[name] = _drawn(shape, random)
        else:
            filled = np.ones if part in ("scale", "variance") else np.zeros
            weights[name] = filled(shape, np.float32)
    return weights


def _drawn(shape: tuple[int, ...], random: np.random.RandomState) -> NDArray[np.float32]:
    fan_out = int(np.prod(shape[:-2])) * shape[-1]
    if len(shape) == 2:
        limit = 1 / np.sqrt(fan_out)
        return random.uniform(-limit, limit, shape).astype(np.float32)
    return random.normal(0, np.sqrt(2 / fan_out), shape).astype(np.float32)


def grown_weights(smaller: Weights, fresh: Weights) -> dict[str, NDArray[np.float32]]:
    """Starts a network from a smaller one: what overlaps is copied, the rest stays fresh.

    Equal shapes are copied whole; otherwise the leading channels. A layer that the smaller network
    does not have, or has with another kernel, stays fresh.
    """
    grown = {}
    for name, array in fresh.items():
        source = smaller.get(name)
        start = array.copy()
        if source is not None and _same_kernel(source, array):
            overlap = tuple(slice(min(a, b)) for a, b in zip(source.shape, array.shape,
                                                            strict=True))  # fmt: skip
            start[overlap] = source[overlap]
        grown[name] = start
    return grown


def _same_kernel(source: NDArray[np.float32], array: NDArray[np.float32]) -> bool:
    if source.ndim != array.ndim:
        return False
    return source.ndim != 4 or source.shape[:2] == array.shape[:2]


def check_weights(weights: Weights, architecture: Architecture) -> None:
    """Refuses weights that are not exactly those of the network.

    Raises:
        WeightsError: naming the first array that is missing, left over or of the wrong shape.
    """
    shapes = weight_shapes(architecture)
    for name in sorted(set(shapes) ^ set(weights)):
        what = "is missing" if name in shapes else "belongs to no layer"
        raise WeightsError(f"weights do not fit the network: '{name}' {what}")
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            raise WeightsError(
                f"weights do not fit the network: '{name}' has shape"
                f" {weights[name].shape}, the network needs {shape}"
            )
        if not np.isfinite(weights[name]).all():
            raise WeightsError(
                f"weights of '{name}' are not all finite numbers; training failed,"
                " lower its learning_rate"
            )


def save_weights(path: Path, weights: Weights) -> None:
    """Writes weights as .npz, atomically and with equal bytes for equal arrays."""
    content = io.BytesIO()
    np.savez(content, **dict(weights))  # type: ignore[arg-type]
    write_bytes(path, content.getvalue())


def load_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Reads what ``save_weights`` wrote.

    Raises:
        WeightsError: the file is damaged.
    """
    try:
        # np.load would leave a file open that it opens itself and cannot read
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, BadZipFile, EOFError, KeyError) as problem:
        raise WeightsError(
            f"{path}: not a usable weight file ({problem}); delete it and build again"
        ) from problem
