"""Which layers' weights stay on the Edge TPU and which are sent again for every image.

The compiler packs weights for the chip's 64 cells and caches whole layers until the memory is full.
Read from published compiles, not from Google, who publish neither rule: every row of the synthetic
networks of Jorgitou98/EdgeTPU-QuantRL-Evaluation is reproduced within 1 %.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgescale.layer import Layer, elements

# Two compiles of one run, EfficientNet-EdgeTPU-M and -S, filled 4.21 + 3.20 MiB and left 0
# (HanChangHun/EdgeTPU-Compiler-Log-Parser, compiler 16). In the synthetic rows 6.89 MiB fitted and
# 7.60 MiB did not. Compiler 2.0 had 6.25 MiB; networks with large maps have had as little as 1 MiB.
CAPACITY_BYTES = round(7.41 * 2**20)
LEAST_CAPACITY_BYTES = round(6.89 * 2**20)
MOST_CAPACITY_BYTES = round(7.60 * 2**20)

NARROW_MEMORY_BYTES = 3 * 2**20  # 16 tiles x 196,608 (libedgetpu beagle_chip_structures.h)
# Weights that are streamed pass once per band of rows that the activations are cut into. Five
# eighths of the narrow memory and bands of 8 rows give the passes of the synthetic rows (3 for
# 452 to 622 filters, 5 from 642); neither is documented.
BAND_BYTES = NARROW_MEMORY_BYTES * 5 // 8
BAND_ROWS = 8

_CELLS = 64
_LANES = 4
# Bias and multiplier of an output channel: 256 channels of 256 weights are 67,584 bytes
# (ricardodeazambuja/LibrEdgeTPU HARDWARE_ANALYSIS.md).
_CHANNEL_BYTES = 8
# What a tap of a depthwise kernel takes of the 4 lanes it could: fitted to MobileNet V1 1.0 (3x3)
# and to EfficientNet-EdgeTPU-S and -M (5x5); not understood.
_DEPTHWISE_SHARE = {3: 0.75, 5: 1.06}
# MobileNet V1 of 1001 classes, at three widths, is larger by just this in the build of 2021 whose
# softmax runs on the chip (google-coral/test_data beside google-coral/edgetpu). Of other numbers of
# classes nothing is known; it is 0.6 % of the chip's memory.
_SOFTMAX_BYTES = 48_256


@dataclass(frozen=True)
class PlacedLayer:
    """A layer with its packed bytes; ``passes`` is how often they are sent where not on chip."""

    layer: Layer
    packed_bytes: int
    on_chip: bool
    passes: int

    @property
    def streamed_bytes(self) -> int:
        """Bytes held off chip."""
        return 0 if self.on_chip else self.packed_bytes

    @property
    def sent_bytes(self) -> int:
        """Bytes sent for one image: what is off chip, once for each band of rows."""
        return self.streamed_bytes * self.passes


@dataclass(frozen=True)
class Placement:
    """Where the weights of a network lie, in the order of its layers."""

    layers: tuple[PlacedLayer, ...]

    @property
    def on_chip_bytes(self) -> int:
        """Packed bytes cached on the chip."""
        return sum(placed.packed_bytes for placed in self.layers if placed.on_chip)

    @property
    def streamed_bytes(self) -> int:
        """Packed bytes that are streamed, each counted once."""
        return sum(placed.streamed_bytes for placed in self.layers)


def place(layers: Sequence[Layer], capacity_bytes: int = CAPACITY_BYTES) -> Placement:
    """Caches whole layers in the order they run; one that no longer fits is streamed.

    A softmax comes first: its table is no weight that could be sent in parts.

    Args:
        layers: of one network, full int8.
        capacity_bytes: on-chip memory for parameters.
    """
    return Placement(tuple(_placed(layers, capacity_bytes)))


def _placed(layers: Sequence[Layer], capacity_bytes: int) -> Iterator[PlacedLayer]:
    used = sum(packed_bytes(layer) for layer in layers if layer.operation == "softmax")
    for layer in layers:
        packed = packed_bytes(layer)
        fits = layer.operation == "softmax" or used + packed <= capacity_bytes
        used += packed if fits and layer.operation != "softmax" else 0
        yield PlacedLayer(layer, packed, on_chip=fits, passes=1 if fits else bands(layer))


def packed_bytes(layer: Layer) -> int:
    """Bytes of a layer's parameters as the chip holds them; 0 for what has none.

    ``ceil64(Cout) * (ceil4(Cin) * taps + 8)`` of a convolution or dense layer.
    """
    if layer.operation == "softmax":
        return _SOFTMAX_BYTES
    if not layer.weights:
        return 0
    channels = whole(layer.output_shape[2], _CELLS) * _CELLS
    if layer.operation == "depthwise":
        share = _DEPTHWISE_SHARE.get(layer.kernel, 1.0)
        return round(channels * (_LANES * taps(layer) * share + _CHANNEL_BYTES))
    inputs = whole(layer.input_shape[2], _LANES) * _LANES
    return channels * (inputs * taps(layer) + _CHANNEL_BYTES)


def taps(layer: Layer) -> int:
    """Kernel positions, from the weights, so that kernels which are no square count rightly."""
    inputs = 1 if layer.operation == "depthwise" else layer.input_shape[2]
    return max(1, whole(layer.weights, inputs * layer.output_shape[2]))


def bands(layer: Layer) -> int:
    """How many bands of rows a layer's activations are cut into, overlapping by its kernel."""
    height, width, channels = layer.input_shape
    if elements(layer.input_shape) + elements(layer.output_shape) <= BAND_BYTES:
        return 1
    row_bytes = width * channels + elements(layer.output_shape) // max(1, layer.output_shape[0])
    rows = max(BAND_ROWS, BAND_BYTES // row_bytes // BAND_ROWS * BAND_ROWS)
    return min(height, whole(height, max(1, rows - (layer.kernel - 1))))


def whole(amount: int, parts: int) -> int:
    """Rounds a quotient up: how many wholes of ``parts`` an amount takes."""
    return -(-amount // parts)
