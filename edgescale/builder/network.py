"""A Keras model from a network's layer records: the generic walk, no block knows its kind.

The same walk makes the model that is trained (any batch, dropout, logits) and the one that is
exported (batch 1, softmax). What it reads are normalised pixels (``pixels``).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.architecture.cost import cost_of
from edgescale.architecture.network import INPUT, Architecture
from edgescale.builder.tensorflow_setup import import_tensorflow
from edgescale.builder.weights import NORMALISATION, Weights, check_weights
from edgescale.errors import BuildError
from edgescale.layer import Layer

_BATCH_NORM_EPSILON = 1e-3  # as published
_CEILINGS = {"relu": None, "relu6": 6.0}


def training_model(
    architecture: Architecture, *, dropout: float, drop_connect: float, momentum: float, seed: int
) -> Any:
    """Returns the model to train: input (batch, H, W, 3), output logits (batch, classes)."""
    _, keras = import_tensorflow()
    walk = _Walk(architecture, momentum=momentum, dropout=dropout, drop_connect=drop_connect,
                 seed=seed)  # fmt: skip
    image = keras.Input((architecture.resolution, architecture.resolution, 3), name=INPUT)
    return keras.Model(image, walk.through(image, last="classifier"), name="network")


def export_model(architecture: Architecture) -> Any:
    """Returns the model to export: input (1, H, W, 3), output probabilities (1, classes)."""
    return _plain_model(architecture, batch_size=1)


def scoring_model(architecture: Architecture) -> Any:
    """Returns the same for any batch, to compute float predictions with."""
    return _plain_model(architecture, batch_size=None)


def _plain_model(architecture: Architecture, *, batch_size: int | None) -> Any:
    _, keras = import_tensorflow()
    walk = _Walk(architecture, momentum=0.99, dropout=0, drop_connect=0, seed=0)
    size = architecture.resolution
    image = keras.Input((size, size, 3), batch_size=batch_size, name=INPUT)
    return keras.Model(image, walk.through(image, last="softmax"), name="network")


def check_parameters(model: Any, architecture: Architecture) -> None:
    """Refuses a model whose parameters are not those counted from the layers.

    Raises:
        BuildError: with both counts.
    """
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    cost = cost_of(architecture)
    found, expected = (trainable, model.count_params()), (cost.parameters, cost.total_parameters)
    if found != expected:
        raise BuildError(
            f"the Keras model has {found} trainable and total parameters, the"
            f" architecture {expected}; please report it"
        )


def set_weights(model: Any, architecture: Architecture, weights: Weights) -> None:
    """Puts named weights into a model.

    Raises:
        WeightsError: they are not exactly those of the network.
    """
    check_weights(weights, architecture)
    for layer in architecture.layers:
        if not layer.weights:
            continue
        kernel = weights[f"{layer.name}/kernel"]
        if layer.operation == "dense":
            model.get_layer(layer.name).set_weights([kernel, weights[f"{layer.name}/bias"]])
            continue
        model.get_layer(layer.name).set_weights([kernel])
        parts = [weights[f"{layer.name}/{part}"] for part in NORMALISATION]
        model.get_layer(f"{layer.name}_bn").set_weights(parts)


def weights_of(model: Any, architecture: Architecture) -> dict[str, NDArray[np.float32]]:
    """Returns a model's weights by name; ``set_weights`` reverses it."""
    weights: dict[str, NDArray[np.float32]] = {}
    for layer in architecture.layers:
        if not layer.weights:
            continue
        arrays = list(model.get_layer(layer.name).get_weights())
        names = ["kernel", "bias"] if layer.operation == "dense" else ["kernel", *NORMALISATION]
        if layer.operation != "dense":
            arrays += model.get_layer(f"{layer.name}_bn").get_weights()
        weights.update({f"{layer.name}/{n}": a for n, a in zip(names, arrays, strict=True)})
    return weights


class _Walk:
    """Applies Keras layers in the order of the records."""

    def __init__(
        self,
        architecture: Architecture,
        *,
        momentum: float,
        dropout: float,
        drop_connect: float,
        seed: int,
    ) -> None:
        self.architecture = architecture
        self.momentum = momentum
        self.dropout = dropout
        self.drop_connect = drop_connect
        self.seed = seed
        self.keras = import_tensorflow()[1]
        self.additions = [layer.name for layer in architecture.layers if layer.operation == "add"]

    def through(self, image: Any, *, last: str) -> Any:
        """Returns the output tensor of the layer named ``last``."""
        tensors = {INPUT: image}
        for layer in self.architecture.layers:
            inputs = [tensors[name] for name in layer.inputs]
            tensors[layer.name] = self.applied(layer, inputs)
            if layer.name == last:
                break
        return tensors[last]

    def applied(self, layer: Layer, inputs: list[Any]) -> Any:
        """Returns the output tensor of one layer."""
        layers, tensor = self.keras.layers, inputs[0]
        if layer.operation in ("conv", "depthwise"):
            return self._normalised_convolution(layer, tensor)
        if layer.operation == "add":
            shortcut, branch = inputs
            return layers.Add(name=layer.name)([shortcut, self._dropped_branch(layer, branch)])
        if layer.operation == "average_pool":
            tensor = layers.AveragePooling2D(layer.kernel, name=layer.name)(tensor)
            return layers.Flatten(name=f"{layer.name}_flat")(tensor)
        if layer.operation == "dense":
            if self.dropout:
                tensor = layers.Dropout(self.dropout, seed=self.seed, name="dropout")(tensor)
            return layers.Dense(layer.output_shape[2], name=layer.name,
                                kernel_initializer="zeros")(tensor)  # fmt: skip
        if layer.operation == "softmax":
            return layers.Softmax(name=layer.name)(tensor)
        raise BuildError(f"layer '{layer.name}': the operation '{layer.operation}' is not known")

    def _normalised_convolution(self, layer: Layer, tensor: Any) -> Any:
        layers = self.keras.layers
        # Kernels start as zeros because every model gets its weights by name (weights.py).
        common = {"strides": layer.stride, "padding": "same", "use_bias": False,
                  "name": layer.name}  # fmt: skip
        if layer.operation == "depthwise":
            made = layers.DepthwiseConv2D(layer.kernel, depthwise_initializer="zeros", **common)
        else:
            made = layers.Conv2D(layer.output_shape[2], layer.kernel, kernel_initializer="zeros",
                                 **common)  # fmt: skip
        tensor = layers.BatchNormalization(
            momentum=self.momentum, epsilon=_BATCH_NORM_EPSILON, name=f"{layer.name}_bn"
        )(made(tensor))
        if layer.activation == "none":
            return tensor
        if layer.activation not in _CEILINGS:
            raise BuildError(
                f"layer '{layer.name}': the activation '{layer.activation}' is counted and planned,"
                f" not built; use {' or '.join(_CEILINGS)}"
            )
        ceiling = _CEILINGS[layer.activation]
        return layers.ReLU(max_value=ceiling, name=f"{layer.name}_{layer.activation}")(tensor)

    def _dropped_branch(self, layer: Layer, branch: Any) -> Any:
        """Drops whole branches at random in training, later blocks more often (drop-connect)."""
        index = self.additions.index(layer.name)
        rate = self.drop_connect * (index + 1) / len(self.additions)
        if not rate:
            return branch
        return self.keras.layers.Dropout(
            rate, noise_shape=(None, 1, 1, 1), seed=self.seed + 1 + index,
            name=f"{layer.name}_drop",
        )(branch)  # fmt: skip
