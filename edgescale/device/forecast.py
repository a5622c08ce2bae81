"""How long a network takes on a known device: as published where it is, else as predicted.

A latency that somebody measured always wins over one that is computed from the layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgescale.device.known import KnownDevice, KnownLatency
from edgescale.edgetpu.latency import (
    Calibration,
    LatencyPrediction,
    calibration_of,
    calibrations,
    predict,
)
from edgescale.edgetpu.placement import CAPACITY_BYTES
from edgescale.errors import DeviceError
from edgescale.layer import Layer

# 64 cells with 4 lanes on 4 x 4 pixels: no layer is denser than that (``latency.cycles``).
_MACS_PER_CYCLE = 64 * 4 * 4 * 4

# Power of the spread: what holds for a network unseen is doubled for a host unseen, as it is where
# a host rests on two networks.
_OF_ANOTHER_HOST = 2


@dataclass(frozen=True)
class Forecast:
    """What is known beforehand of one network on one device."""

    device: KnownDevice
    predicted: LatencyPrediction
    known: KnownLatency | None

    @property
    def latency_ms(self) -> float:
        """The figure that counts: the published or measured one where there is one."""
        return self.predicted.latency_ms if self.known is None else self.known.latency_ms


def forecast(
    device: KnownDevice, layers: Sequence[Layer], known: KnownLatency | None = None
) -> Forecast:
    """Returns what is known beforehand of a network on a device.

    Args:
        device: with an Edge TPU and a calibration.
        layers: of the network, full int8, in the order they run.
        known: what was published or measured of just this network on this device.

    Raises:
        DeviceError: nothing predicts this device.
    """
    return Forecast(device, predict(layers, calibration_for(device)), known)


def calibration_for(device: KnownDevice) -> Calibration:
    """Returns the constants that predict a device.

    Those of another host get a wider interval, and nobody has seen how often it holds.

    Raises:
        DeviceError: it has no Edge TPU, or nothing was published that is near it.
    """
    link, remark = device.latency_calibration.link, device.latency_calibration.remark
    if not device.edge_tpu:
        raise DeviceError(
            f"no latency is predicted for '{device.short_name}' ({device.name}): it has no Edge"
            " TPU, and CPUs are not predicted; measure with 'edgescale profile' on it"
        )
    if link is None:
        raise DeviceError(
            f"no latency is predicted for '{device.short_name}' ({device.name}): {remark}; measure"
            " with 'edgescale profile' on it"
        )
    if link not in calibrations():
        raise DeviceError(f"{device.id}.json: there is no latency calibration '{link}'")
    calibration = calibration_of(link)
    if device.latency_calibration.same_host:
        return calibration
    spread = calibration.spread**_OF_ANOTHER_HOST
    return replace(calibration, spread=spread, rows_inside=None)


def least_ms(device: KnownDevice) -> Callable[[float, int], float]:
    """Returns the function from MACs and weight bytes to what no prediction goes below.

    Packing only adds to the weights, at most the capacity of the chip is not sent, and no cycle
    does more than all lanes of all cells; input, output and instructions are left out.

    Raises:
        DeviceError: nothing predicts this device.
    """
    constants = calibration_for(device)

    def least(macs: float, weight_bytes: int) -> float:
        return (
            constants.overhead_ms
            + constants.compute_ms_per_megacycle * macs / _MACS_PER_CYCLE / 1e6
            + constants.weights_ms_per_megabyte * weight_bytes / 1e6
            + constants.transfer_ms_per_megabyte * max(0, weight_bytes - CAPACITY_BYTES) / 1e6
        )

    return least
