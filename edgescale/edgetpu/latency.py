"""How long a network will take on an Edge TPU, predicted from its layers alone.

    T = overhead + compute * cycles + weights * packed bytes + transfer * sent bytes
        + output * output bytes

Cycles are those of 64 cells with 4 lanes on 4 x 4 pixels; sent bytes are the input, the
instructions and the weights that do not fit on the chip (``placement``). The constants come from
published measurements (``tools/calibrate_latency.py`` writes them with their errors), none from a
measurement of ours. A measured latency is always the better number.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from edgescale.edgetpu.placement import (
    LEAST_CAPACITY_BYTES,
    MOST_CAPACITY_BYTES,
    PlacedLayer,
    Placement,
    place,
    taps,
    whole,
)
from edgescale.errors import DeviceError
from edgescale.layer import Layer, elements
from edgescale.units import mib

# Instructions are sent with every image. Classifiers compiled in 2020 hold 1.7 to 2.7 KB of them
# per operator (google-coral/edgetpu test_data), and the published latencies are of that time. In
# builds of 2021 MobileNet V1 with a softmax has 131 to 143 KB more, without one 21 KB.
INSTRUCTION_BYTES_PER_OPERATOR = 2600
SOFTMAX_INSTRUCTION_BYTES = 115_000
# Classifiers give back a kilobyte, VGG16 streams most, and MobileNet V1 0.25 at 128 px with 24,000
# cycles is the smallest: what lies beyond is extrapolated.
LEAST_CYCLES = 20_000
MOST_OUTPUT_BYTES = 100_000
MOST_SENT_BYTES = 135_000_000

_CELLS, _LANES, _SIDE = 64, 4, 4


@dataclass(frozen=True)
class Calibration:
    """The constants of one link and host; times in ms, bytes in MB (10^6), cycles in millions.

    ``spread`` is the factor by which nine of ten left-out networks differ at most. The link's own
    constants rest on ``rows`` published rows of ``networks``; ``rows_inside`` of them lay in an
    interval that was made without their network, None where there are too few to tell.
    """

    link: str
    host: str
    overhead_ms: float
    compute_ms_per_megacycle: float
    weights_ms_per_megabyte: float
    transfer_ms_per_megabyte: float
    output_ms_per_megabyte: float
    spread: float
    networks: int
    rows: int
    rows_inside: int | None


@dataclass(frozen=True)
class LayerLatency:
    """What one layer costs; ``stream_ms`` is for weights that are not on the chip."""

    name: str
    operation: str
    packed_bytes: int
    on_chip: bool
    compute_ms: float
    stream_ms: float


@dataclass(frozen=True)
class LatencyPrediction:
    """Predicted latency of one image with a 90 % interval, and where the weights will lie.

    ``fixed_ms`` is the link's overhead with input, output and instructions; the layers' times make
    up the rest. ``outside`` says how the network lies beyond all that the constants were fitted to,
    where the interval promises nothing.
    """

    link: str
    latency_ms: float
    low_ms: float
    high_ms: float
    on_chip_bytes: int
    streamed_bytes: int
    fixed_ms: float
    outside: str | None
    layers: tuple[LayerLatency, ...]

    @property
    def on_chip_share(self) -> float:
        """Fraction of the packed parameters that are cached; 1 for a network without any."""
        total = self.on_chip_bytes + self.streamed_bytes
        return self.on_chip_bytes / total if total else 1.0


def predict(layers: Sequence[Layer], device: str | Calibration) -> LatencyPrediction:
    """Predicts latency and placement of a full int8 network on one link and host.

    The interval holds the spread of networks that the constants had not seen, and both ends of
    what is known of the on-chip capacity, so it is wide where a layer may just fit or not.

    Args:
        layers: in the order they run, of an architecture, a ``.tflite`` file or a layer table.
        device: a name of ``calibrations()``, or constants of your own.

    Raises:
        DeviceError: nothing is known of this device, or the network has no layers.
    """
    calibration = calibration_of(device) if isinstance(device, str) else device
    if not layers:
        raise DeviceError("a network without layers; a compiled file hides them, give the other")
    placement = place(layers)
    timed = tuple(_timed(placed, calibration) for placed in placement.layers)
    fixed_ms = (
        calibration.overhead_ms
        + calibration.transfer_ms_per_megabyte * always_sent_bytes(layers) / 1e6
        + calibration.output_ms_per_megabyte * elements(layers[-1].output_shape) / 1e6
    )
    latency_ms = fixed_ms + sum(layer.compute_ms + layer.stream_ms for layer in timed)
    streaming_ms = sum(layer.stream_ms for layer in timed)
    least, most = (
        latency_ms - streaming_ms + _streaming_ms(place(layers, capacity), calibration)
        for capacity in (MOST_CAPACITY_BYTES, LEAST_CAPACITY_BYTES)
    )
    return LatencyPrediction(
        link=calibration.link,
        latency_ms=latency_ms,
        low_ms=min(least, latency_ms) / calibration.spread,
        high_ms=max(most, latency_ms) * calibration.spread,
        on_chip_bytes=placement.on_chip_bytes,
        streamed_bytes=placement.streamed_bytes,
        fixed_ms=fixed_ms,
        outside=_outside(placement),
        layers=timed,
    )


def cycles(layer: Layer) -> int:
    """Cycles of the chip's 64 cells x 4 lanes on blocks of 4 x 4 pixels; 0 without weights."""
    if not layer.weights:
        return 0
    height, width, _ = layer.weighed_shape
    blocks = whole(height, _SIDE) * whole(width, _SIDE) * whole(layer.output_shape[2], _CELLS)
    # A tap of a depthwise channel takes as long as four of a convolution: so say the published
    # depthwise networks, though the compiler's own estimate halves it.
    inputs = _LANES if layer.operation == "depthwise" else whole(layer.input_shape[2], _LANES)
    return blocks * inputs * taps(layer)


def _timed(placed: PlacedLayer, calibration: Calibration) -> LayerLatency:
    return LayerLatency(
        name=placed.layer.name,
        operation=placed.layer.operation,
        packed_bytes=placed.packed_bytes,
        on_chip=placed.on_chip,
        compute_ms=calibration.compute_ms_per_megacycle * cycles(placed.layer) / 1e6
        + calibration.weights_ms_per_megabyte * placed.packed_bytes / 1e6,
        stream_ms=calibration.transfer_ms_per_megabyte * placed.sent_bytes / 1e6,
    )


def _streaming_ms(placement: Placement, calibration: Calibration) -> float:
    sent_bytes = sum(placed.sent_bytes for placed in placement.layers)
    return calibration.transfer_ms_per_megabyte * sent_bytes / 1e6


def _outside(placement: Placement) -> str | None:
    output_bytes = elements(placement.layers[-1].layer.output_shape)
    sent_bytes = sum(placed.sent_bytes for placed in placement.layers)
    if output_bytes > MOST_OUTPUT_BYTES:
        return (
            f"its output of {mib(output_bytes)} is far beyond the kilobyte of the networks behind"
            " the prediction; one host has needed 11.5 ms for each MB of it"
        )
    if sum(cycles(placed.layer) for placed in placement.layers) < LEAST_CYCLES:
        return "it is smaller than any network behind the prediction: nearly all of it is overhead"
    if sent_bytes > MOST_SENT_BYTES:
        return f"it sends {mib(sent_bytes)} for an image, more than any behind the prediction"
    return None


def always_sent_bytes(layers: Sequence[Layer]) -> int:
    """Bytes sent with every image whatever fits on the chip: the input and the instructions."""
    softmax = SOFTMAX_INSTRUCTION_BYTES * any(layer.operation == "softmax" for layer in layers)
    instructions = INSTRUCTION_BYTES_PER_OPERATOR * len(layers) + softmax
    return elements(layers[0].input_shape) + instructions


def calibration_of(link: str) -> Calibration:
    """Returns the constants of a link and host.

    Raises:
        DeviceError: there are none of this name; the message lists the names.
    """
    known = calibrations()
    if link not in known:
        raise DeviceError(
            f"no latency is predicted for '{link}': the published measurements behind the"
            f" prediction are of {', '.join(known)}; choose one of them, or measure with 'edgescale"
            " profile' on the device"
        )
    return known[link]


@cache
def calibrations() -> Mapping[str, Calibration]:
    """Returns the constants of every link and host that has published measurements, by name."""
    text = files("edgescale.edgetpu").joinpath("latency.json").read_text("utf-8")
    return {link: _calibration(link, record) for link, record in json.loads(text)["links"].items()}


def _calibration(link: str, record: Mapping[str, Any]) -> Calibration:
    constants = {name: float(constant["value"]) for name, constant in record["constants"].items()}
    return Calibration(
        link=link,
        host=str(record["host"]),
        spread=float(record["spread"]),
        networks=int(record["networks"]),
        rows=int(record["rows"]),
        rows_inside=record["rows_inside"],
        **constants,
    )
