"""A network's record read back from its Keras model, and the MACs that Keras says it has.

The proof that ``architecture.json`` describes what is trained: JSON to Keras (``network``) and back
gives the same record and the same digest.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from math import prod
from typing import Any

from edgescale.architecture.block import BlockArgs
from edgescale.architecture.network import INPUT, Architecture, laid_out
from edgescale.errors import BuildError
from edgescale.layer import Layer, Shape

_BLOCK = re.compile(r"block(?P<stage>\d+)_(?P<block>\d+)(?P<part>_.+)")
_PASSED_THROUGH = ("Flatten", "Dropout")  # no operations of the network that is exported


def architecture_of(model: Any, blocks: tuple[BlockArgs, ...]) -> Architecture:
    """Reads the record of a model that ``network.export_model`` or ``scoring_model`` made.

    Args:
        model: a functional Keras model: one image in, probabilities out.
        blocks: the scaled stages of the record, for what no layer shows: the input width that a
            stage declares (``BlockArgs``), and ``noskip`` where no block's shapes allow a residual.
            All else is read from the model.

    Raises:
        BuildError: a layer that no network of a record has, or layers that are not stages of equal
            blocks.
    """
    layers = tuple(_Reader().read(model))
    network = Architecture(
        resolution=model.input.shape[1],
        classes=layers[-1].output_shape[2],
        activation=layers[0].activation,
        stem_filters=layers[0].output_shape[2],
        blocks=tuple(_stages(layers, blocks)),
        head_filters=layers[-2].input_shape[2],
        layers=layers,
    )
    if laid_out(network) != network:
        raise BuildError("the model's layers are not stages of equal blocks, as a record's are")
    return network


def _stages(layers: tuple[Layer, ...], declared: tuple[BlockArgs, ...]) -> Iterator[BlockArgs]:
    """Yields each stage as its layers show it; their names say which block they belong to."""
    named = [(match, layer) for layer in layers if (match := _BLOCK.match(layer.name))]
    for number, (_, stage) in enumerate(groupby(named, key=lambda pair: pair[0]["stage"])):
        if number == len(declared):
            raise BuildError(f"the model has more stages than the record's {len(declared)}")
        pairs = list(stage)
        parts = {match["block"] + match["part"]: layer for match, layer in pairs}
        repeats = len({match["block"] for match, _ in pairs})
        yield _stage(parts, repeats, declared[number])


def _stage(parts: dict[str, Layer], repeats: int, declared: BlockArgs) -> BlockArgs:
    """Makes a stage of its layers, by block and part (``0_expand``)."""
    spatial = parts.get("0_depthwise") or parts["0_expand"]
    expanded, project = spatial.output_shape[2], parts["0_project"]
    entry = parts.get("0_expand", spatial)
    may_skip = repeats > 1 or entry.input_shape == project.output_shape
    return BlockArgs(
        num_repeat=repeats,
        kernel_size=spatial.kernel,
        stride=spatial.stride,
        expand_ratio=expanded // declared.input_filters,
        input_filters=declared.input_filters,
        output_filters=project.output_shape[2],
        fused="0_depthwise" not in parts,
        id_skip=any(part.endswith("_add") for part in parts) if may_skip else declared.id_skip,
    )


def macs_of(model: Any) -> int:
    """Counts a model's multiply-accumulates for one image, from kernels and output shapes.

    A convolution and a depthwise convolution use every kernel element once at every output place, a
    dense layer once.
    """
    total = 0
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("Conv2D", "DepthwiseConv2D", "Dense"):
            places = prod(layer.output.shape[1:3]) if kind != "Dense" else 1
            total += places * prod(layer.kernel.shape)
    return total


class _Reader:
    """Follows tensors from layer to layer; normalisation and activation join their convolution."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}  # id of a tensor: the record's layer that gives it
        self.records: dict[str, Layer] = {}

    def read(self, model: Any) -> Iterator[Layer]:
        for layer in model.layers:  # Keras keeps them in order of depth, here one after another
            kind = type(layer).__name__
            if kind == "InputLayer":
                name = INPUT
            elif kind in _PASSED_THROUGH:
                name = self.names[id(layer.input)]
            elif kind in _FOLDED:
                name = self.names[id(layer.input)]
                self.records[name] = _FOLDED[kind](layer, self.records[name])
            else:
                name = layer.name
                self.records[name] = self.record(layer, kind)
            self.names[id(layer.output)] = name
        yield from self.records.values()

    def record(self, layer: Any, kind: str) -> Layer:
        """Returns the record of a layer that is an operation of its own."""
        if kind not in _OPERATIONS:
            raise BuildError(f"layer '{layer.name}': no record describes a Keras {kind}")
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        kernel, stride = 1, 1
        if kind in ("Conv2D", "DepthwiseConv2D"):
            kernel, stride = layer.kernel_size[0], layer.strides[0]
        elif kind == "AveragePooling2D":
            kernel, stride = layer.pool_size[0], layer.strides[0]
        return Layer(
            name=layer.name,
            operation=_OPERATIONS[kind],
            inputs=tuple(self.names[id(tensor)] for tensor in tensors),
            input_shape=_shape(tensors[0]),
            output_shape=_shape(layer.output),
            kernel=kernel,
            stride=stride,
            weights=prod(layer.kernel.shape) if hasattr(layer, "kernel") else 0,
            biases=layer.units if kind == "Dense" else 0,
        )


def _shape(tensor: Any) -> Shape:
    """Returns (height, width, channels) of a tensor (batch, H, W, C) or (batch, C)."""
    height, width, channels = (1, 1, *tensor.shape[1:])[-3:]
    return int(height), int(width), int(channels)


def _normalised(layer: Any, convolution: Layer) -> Layer:
    return replace(convolution, biases=int(layer.output.shape[-1]))


def _activated(layer: Any, convolution: Layer) -> Layer:
    if layer.max_value not in (None, 6.0):
        raise BuildError(f"layer '{layer.name}': no record describes a ReLU to {layer.max_value}")
    return replace(convolution, activation="relu" if layer.max_value is None else "relu6")


_OPERATIONS = {
    "Conv2D": "conv",
    "DepthwiseConv2D": "depthwise",
    "Add": "add",
    "AveragePooling2D": "average_pool",
    "Dense": "dense",
    "Softmax": "softmax",
}
_FOLDED: dict[str, Callable[[Any, Layer], Layer]] = {
    "BatchNormalization": _normalised,
    "ReLU": _activated,
}
