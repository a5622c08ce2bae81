"""What a network costs, counted from its layers: parameters, MACs, int8 bytes, activations."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgescale.architecture.network import INPUT, Architecture, TooLarge
from edgescale.layer import Layer, elements

LARGEST_PARAMETERS = 1_000_000_000
LARGEST_ACTIVATION_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Cost:
    """Costs of one network for one image.

    ``parameters`` are the trainable ones (kernels, classifier bias, scale and shift of batch
    normalisation); ``total_parameters`` adds its running mean and variance. ``macs`` are
    multiply-accumulates (1 MAC = 2 operations) of convolutions and the dense layer.
    ``weight_bytes`` is full int8 with normalisation folded in: one byte an element, four a bias.
    ``peak_activation_bytes`` is the largest sum of int8 tensors alive at one time.
    """

    parameters: int
    total_parameters: int
    macs: int
    weight_bytes: int
    peak_activation_bytes: int


def cost_of(architecture: Architecture) -> Cost:
    """Counts the costs of a network."""
    layers = architecture.layers
    normalised = sum(layer.biases for layer in layers if layer.operation != "dense")
    weights = sum(layer.weights for layer in layers)
    dense_biases = sum(layer.biases for layer in layers if layer.operation == "dense")
    parameters = weights + dense_biases + 2 * normalised
    return Cost(
        parameters=parameters,
        total_parameters=parameters + 2 * normalised,
        macs=sum(layer.macs for layer in layers),
        weight_bytes=sum(layer.weight_bytes for layer in layers),
        peak_activation_bytes=peak_activation_bytes(layers),
    )


def macs_by_resolution(architecture: Architecture) -> Callable[[int], int]:
    """Returns the function from a resolution in pixels to this network's MACs at that input size.

    A convolution's MACs are its weights times its output's pixels, whose side after n strides of 2
    is ceil(resolution / 2^n); what follows a pooling does not change. No layers are laid out.
    """
    halvings = {INPUT: 0}
    weights: Counter[int] = Counter()  # of the convolutions after so many strides
    fixed = 0
    for layer in architecture.layers:
        convolves = layer.operation in ("conv", "depthwise")
        after = halvings[layer.inputs[0]] + (convolves and layer.stride == 2)
        halvings[layer.name] = after
        if convolves:
            weights[after] += layer.weights
        else:
            fixed += layer.macs

    def macs(resolution: int) -> int:
        return fixed + sum(n * (-(-resolution // (1 << k))) ** 2 for k, n in weights.items())

    return macs


def bounded_cost(architecture: Architecture) -> Cost:
    """Counts the costs of a network that is to be built.

    Raises:
        TooLarge: no machine this is meant for trains or runs it.
    """
    cost = cost_of(architecture)
    if cost.parameters > LARGEST_PARAMETERS:
        raise TooLarge(
            f"{cost.parameters:,} parameters are more than {LARGEST_PARAMETERS:,};"
            " use fewer filters"
        )
    if cost.peak_activation_bytes > LARGEST_ACTIVATION_BYTES:
        raise TooLarge(
            f"{cost.peak_activation_bytes / 2**30:,.1f} GiB of activations are more than"
            f" {LARGEST_ACTIVATION_BYTES // 2**30} GiB; use a smaller resolution"
        )
    return cost


def peak_activation_bytes(layers: Sequence[Layer]) -> int:
    """Returns the largest number of bytes of int8 tensors that are alive while one layer runs.

    A tensor lives from the layer that writes it to the last one that reads it, so the input of a
    residual block counts until its addition.
    """
    last_use = {name: index for index, layer in enumerate(layers) for name in layer.inputs}
    sizes = {layer.name: elements(layer.output_shape) for layer in layers}
    alive_bytes = sizes[INPUT] = elements(layers[0].input_shape)
    peak = 0
    for index, layer in enumerate(layers):
        alive_bytes += sizes[layer.name]
        peak = max(peak, alive_bytes)
        for name in {layer.name, *layer.inputs}:
            if last_use.get(name, -1) <= index:
                alive_bytes -= sizes[name]
    return peak
