"""What is known beforehand of networks on devices: which devices, as a table and as records.

Shared by ``plan``, which has architectures, and ``inspect``, which has a file.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from edgescale.cli.show import table
from edgescale.device.forecast import Forecast, calibration_for
from edgescale.device.known import KnownDevice, find_device
from edgescale.edgetpu.latency import LayerLatency
from edgescale.units import mib, percent

_HEADINGS = ("predicted", "device", "latency", "90 % interval", "on chip", "share", "streamed",
             "published")  # fmt: skip
_LAYER_HEADINGS = ("layer", "operation", "packed", "where", "compute", "streaming", "share")


def devices_named(lists: Sequence[str]) -> tuple[KnownDevice, ...]:
    """Returns the devices of ``--device``, which may be repeated and may hold lists.

    Raises:
        UsageError: a device named twice, or the flag names none.
        DeviceError: one is unknown, or nothing predicts it.
    """
    names = [name.strip() for text in lists for name in text.split(",") if name.strip()]
    if lists and not names:
        raise click.UsageError("--device names nothing; give e.g. --device usb3")
    devices = tuple(find_device(name) for name in names)
    for device, name in zip(devices, names, strict=True):
        if devices.count(device) > 1:
            raise click.UsageError(f"--device names {name} twice; name it once")
        calibration_for(device)
    return devices


def forecast_table(named: Sequence[tuple[str, Forecast]]) -> str:
    """Returns one row for each network and device, and below them what the predictions rest on."""
    devices = dict.fromkeys(one.device for _, one in named)
    outside = dict.fromkeys(
        f"{name}: {one.predicted.outside}" for name, one in named if one.predicted.outside
    )
    rows = [_row(name, one) for name, one in named]
    return "\n".join(["", table(_HEADINGS, rows), *map(_note, devices), *outside])


def _row(name: str, one: Forecast) -> tuple[str, ...]:
    predicted = one.predicted
    return (
        name,
        one.device.short_name,
        _ms(predicted.latency_ms),
        f"{predicted.low_ms:,.1f} to {_ms(predicted.high_ms)}",
        mib(predicted.on_chip_bytes),
        percent(predicted.on_chip_share),
        mib(predicted.streamed_bytes),
        "-" if one.known is None else _ms(one.known.latency_ms),
    )


def _note(device: KnownDevice) -> str:
    calibration, about = calibration_for(device), device.latency_calibration
    held = "too few to say what the interval holds"
    if not about.same_host:
        held = "the interval widened for another host"
    elif calibration.rows_inside is not None:
        inside = f"{calibration.rows_inside} of the {calibration.rows}"
        held = f"its interval held {inside} rows left out"
    note = (
        f"{device.short_name}: {device.name}; predicted from {calibration.networks} published"
        f" networks on {calibration.host}, {held}"
    )
    return f"{note} ({about.remark})" if about.remark else note


def layers_table(one: Forecast) -> str:
    """Returns which layers take the time of one network on one device."""
    whole_ms = one.predicted.latency_ms
    fixed = ("link, input, output, instructions", "", "", "", "", _layer_ms(one.predicted.fixed_ms),
             percent(one.predicted.fixed_ms / whole_ms))  # fmt: skip
    rows = [_layer_row(layer, whole_ms) for layer in one.predicted.layers]
    return "\n".join(["", table(_LAYER_HEADINGS, [*rows, fixed])])


def _layer_row(layer: LayerLatency, whole_ms: float) -> tuple[str, ...]:
    where = "on chip" if layer.on_chip else "streamed"
    return (
        layer.name,
        layer.operation,
        f"{layer.packed_bytes / 1024:,.1f} KiB" if layer.packed_bytes else "",
        where if layer.packed_bytes else "",
        _layer_ms(layer.compute_ms),
        _layer_ms(layer.stream_ms),
        percent((layer.compute_ms + layer.stream_ms) / whole_ms),
    )


def forecast_record(one: Forecast, *, with_layers: bool) -> dict[str, Any]:
    """Returns what is known of one network on one device as plain values."""
    predicted = asdict(one.predicted)
    layers = predicted.pop("layers")
    return {
        "device": one.device.id,
        "latency_ms": one.latency_ms,
        "latency_kind": "predicted" if one.known is None else one.known.kind,
        "predicted": {
            **predicted,
            "on_chip_share": one.predicted.on_chip_share,
            "host": calibration_for(one.device).host,
            **({"layers": layers} if with_layers else {}),
        },
        "known": None if one.known is None else asdict(one.known),
    }


def _ms(value_ms: float) -> str:
    return f"{value_ms:,.1f} ms"


def _layer_ms(value_ms: float) -> str:
    return f"{value_ms:.3f} ms" if value_ms else ""
