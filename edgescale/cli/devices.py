"""``edgescale devices``: what this machine is, which runtimes work, which Edge TPUs it has."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgescale.cli import show
from edgescale.cli.options import AS_JSON
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.known import KnownDevice, LatencyCalibration, known_devices
from edgescale.device.probe import Machine, Pressure, pressure, probe
from edgescale.device.runtimes import runtimes_here
from edgescale.device.store import ENVIRONMENT, profiles_place
from edgescale.inference.delegate import PycoralReport, pycoral_report
from edgescale.inference.runtime import RuntimeStatus
from edgescale.units import mib

SCHEMA_VERSION = 1


@click.command()
@click.option(
    "--known",
    "of_known",
    is_flag=True,
    help="Show instead what datasheets and published sources say of Coral devices.",
)
@AS_JSON
def command(of_known: bool, as_json: bool) -> None:
    """Show what this machine can do: CPU, memory, TFLite runtimes, Edge TPUs, cameras."""
    if of_known:
        _show_known(as_json)
        return
    machine, busy, pycoral = probe(), pressure(), pycoral_report()
    runtimes = runtimes_here()
    if as_json:
        show.json_object(_record(machine, busy, runtimes, pycoral))
        return
    for name, value in _machine_rows(machine, busy):
        click.echo(f"{name}: {value}")
    for one in runtimes:
        click.echo(f"runtime: {show.printable(_runtime_text(one))}")
    click.echo(f"pycoral: {show.printable(pycoral.message)}")
    for tpu in machine.edge_tpus:
        click.echo(f"Edge TPU: {show.printable(_tpu_text(tpu))}")
    if not machine.edge_tpus:
        click.echo("Edge TPU: none on the USB and PCI buses")
    click.echo(f"cameras: {' '.join(_cameras()) or 'none'}")
    click.echo(f"profiles: {profiles_place(None)}")


def _show_known(as_json: bool) -> None:
    devices = list(known_devices())
    if as_json:
        show.json_object({"schema_version": SCHEMA_VERSION,
                          "devices": [asdict(device) for device in devices]})  # fmt: skip
        return
    for device in devices:
        click.echo(f"{device.id}: {device.name} (or {', '.join(device.names)})")
        for line in _known_lines(device):
            click.echo(f"  {line}")


def _known_lines(device: KnownDevice) -> Iterator[str]:
    for one in device.values:
        known = f"{one.value} ({one.kind}: {one.source})"
        yield f"{one.name}: {'not known' if one.value is None else known}"
    yield f"latency_calibration: {_calibration_text(device.latency_calibration)}"
    for latency in device.latencies:
        yield (
            f"latency of {latency.network}, {latency.input_side} px: {latency.latency_ms:g} ms"
            f" ({latency.kind}: {latency.source})"
        )


def _calibration_text(calibration: LatencyCalibration) -> str:
    if calibration.link is None:
        return f"none ({calibration.remark})"
    return f"{calibration.link} ({calibration.remark})" if calibration.remark else calibration.link


def _record(
    machine: Machine, busy: Pressure, runtimes: tuple[RuntimeStatus, ...], pycoral: PycoralReport
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "machine": machine.to_dict(),
        "pressure": asdict(busy),
        "runtimes": [asdict(status) for status in runtimes],
        "pycoral": asdict(pycoral),
        "cameras": _cameras(),
        "profiles": str(profiles_place(None)),
        "profiles_environment": os.environ.get(ENVIRONMENT),
    }


def _machine_rows(machine: Machine, busy: Pressure) -> list[tuple[str, str]]:
    quota = f", quota {machine.cpu_quota_cores:g}" if machine.cpu_quota_cores else ""
    load = "?" if busy.load is None else f"{busy.load:.2f}"
    stalled = "?" if busy.avg10_percent is None else f"{busy.avg10_percent:.1f} %"
    total, free = mib(machine.memory_total_bytes), mib(machine.memory_available_bytes)
    rows = [
        ("board", machine.board or "not said"),
        ("system", f"{machine.system} {machine.architecture}"),
        ("cpu", machine.cpu_model or "not said"),
        ("cores", f"{machine.cores}, usable {machine.usable_cores}{quota}"),
        ("governor", machine.governor or "not said"),
        ("load", f"{load}, waiting for a CPU {stalled} of the last 10 s"),
        ("memory", f"{total}, available {free}"),
    ]
    for limit in machine.memory_limits:
        text = f"{mib(limit.limit_bytes)}, used {mib(limit.used_bytes)}"
        rows.append((f"limit of {limit.group}", text))
    return [(name, show.printable(value)) for name, value in rows]


def _runtime_text(status: RuntimeStatus) -> str:
    name = f"{status.name} {status.version}" if status.version else status.name
    if status.usable is None:
        return f"{name}: {status.reason}"
    return f"{name}: {'works' if status.usable else 'does not work'} ({status.reason})"


def _tpu_text(tpu: EdgeTpu) -> str:
    parts = [f"{tpu.bus} {tpu.path}"]
    if tpu.speed_mbit_s is not None:
        parts.append(f"{tpu.speed_mbit_s} Mbit/s")
    if tpu.temperature_c is not None:
        parts.append(f"{tpu.temperature_c:.1f} C")
    if tpu.note:
        parts.append(tpu.note)
    return ", ".join(parts)


def _cameras() -> list[str]:
    return sorted(str(path) for path in Path("/dev").glob("video*"))
