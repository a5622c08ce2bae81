"""``edgescale plan --device``: predicted latency and placement of each variant on each device.

What is predicted stands in a table of its own, apart from what is counted. A published latency of
just this network on just this device stands beside it, and wins where a limit is to be kept.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from edgescale.architecture.baseline import BASELINES, Baseline
from edgescale.architecture.network import Architecture
from edgescale.cli.forecast_table import devices_named, forecast_record, forecast_table
from edgescale.cli.options import Command, above_zero
from edgescale.device.forecast import Forecast, calibration_for, forecast, least_ms
from edgescale.device.known import KnownDevice, KnownLatency
from edgescale.errors import ArchitectureError
from edgescale.scaling.solve import LatencyLimit
from edgescale.scaling.variant import Variant, published

# The published networks know 1001 classes, one of them background; the chip packs channels by 64,
# so that 1000 and 1001 are the same to it.
_PUBLISHED_CLASSES = (1000, 1001)


def device_options(command: Command) -> Command:
    """Adds the flags that say on which devices, and how fast."""
    for option in (
        click.option("--layers", "with_layers", is_flag=True,
                     help="Show which layers take the time, of one network on one device."),
        click.option("--max-latency-ms", type=float, callback=above_zero, metavar="MS",
                     help="Longest that one image may take, as predicted or published, on each"
                     " --device."),
        click.option("--device", "device_names", metavar="LIST", multiple=True,
                     help="Predict latency and on-chip memory on e.g. usb3,dev-board,usb3-pi4;"
                     " 'edgescale devices --known' lists them."),
    ):  # fmt: skip
        command = option(command)
    return command


@dataclass(frozen=True)
class Devices:
    """The devices of the flags, each with what is published of networks of this baseline."""

    given: tuple[KnownDevice, ...]
    published: tuple[tuple[KnownLatency, Architecture], ...]

    def forecasts(self, network: Architecture) -> tuple[Forecast, ...]:
        """Returns what is known beforehand of one network on each device."""
        return tuple(
            forecast(device, network.layers, self._known(device, network)) for device in self.given
        )

    def _known(self, device: KnownDevice, network: Architecture) -> KnownLatency | None:
        for latency, published_network in self.published:
            if latency in device.latencies and network == published_network:
                return latency
        return None

    def limit(self, most_ms: float | None) -> LatencyLimit | None:
        """Returns the limit that must hold on every device, None without one.

        Raises:
            UsageError: a limit without a device.
        """
        if most_ms is None:
            return None
        if not self.given:
            raise click.UsageError("--max-latency-ms needs a device; add e.g. --device usb3")
        bounds = [least_ms(device) for device in self.given]
        return LatencyLimit(
            most_ms,
            latency_ms=lambda net: max(one.latency_ms for one in self.forecasts(net)),
            at_least_ms=lambda macs, size: max(bound(macs, size) for bound in bounds),
        )

    def records(self) -> list[dict[str, Any]]:
        """Returns the devices as plain values."""
        return [
            {
                "id": device.id,
                "name": device.name,
                "short_name": device.short_name,
                "calibration": asdict(calibration_for(device)),
                "same_host": device.latency_calibration.same_host,
                "remark": device.latency_calibration.remark,
            }
            for device in self.given
        ]

    def latencies(self, variant: Variant, *, with_layers: bool) -> list[dict[str, Any]]:
        """Returns what is known beforehand of one variant as plain values."""
        return [
            forecast_record(one, with_layers=with_layers)
            for one in self.forecasts(variant.architecture)
        ]


def devices_of(lists: Sequence[str], baseline: Baseline, classes: int) -> Devices:
    """Returns the devices of ``--device`` with what is published of a baseline on them.

    Raises:
        UsageError: a device named twice, or the flag names none.
        DeviceError: one is unknown, or nothing predicts it.
        ArchitectureError: a network of a kind that the prediction never saw.
    """
    devices = devices_named(lists)
    if devices and baseline.plan_only:
        raise ArchitectureError(
            f"no latency is predicted for '{baseline.name}': the prediction rests on networks"
            f" without such layers ({baseline.plan_only}); leave --device out"
        )
    return Devices(devices, _published(devices, baseline, classes))


def _published(
    devices: Sequence[KnownDevice], baseline: Baseline, classes: int
) -> tuple[tuple[KnownLatency, Architecture], ...]:
    """Returns the published latencies of a baseline's members, with their networks."""
    if BASELINES.get(baseline.name) != baseline or classes not in _PUBLISHED_CLASSES:
        return ()
    return tuple(
        (latency, published(baseline, str(latency.variant), classes=classes).architecture)
        for device in devices
        for latency in device.latencies
        if latency.baseline == baseline.name
    )


def predictions(devices: Devices, variants: Sequence[Variant]) -> str:
    """Returns the table of what is predicted, and under it what the predictions rest on."""
    return forecast_table(
        [
            (variant.name, one)
            for variant in variants
            for one in devices.forecasts(variant.architecture)
        ]
    )
