"""``edgescale devices``: what this machine is, which runtimes work, which Edge TPUs it has.

What the owner of a Coral board looks for comes first: the accelerator, its library, the runtimes.
"""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgescale.cli import show
from edgescale.cli.options import AS_JSON, EDGETPU_LIBRARY, terminable
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.known import KnownDevice, LatencyCalibration, known_devices
from edgescale.device.probe import ROOT, Machine, Pressure, pressure, probe
from edgescale.device.runtimes import runtimes_here
from edgescale.device.store import ENVIRONMENT, profiles_place
from edgescale.device.thermal import cpu_mhz
from edgescale.inference.delegate import PycoralReport, pycoral_report
from edgescale.inference.runtime import RuntimeStatus
from edgescale.units import mib

if TYPE_CHECKING:
    from edgescale.device.libedgetpu import LibraryReport

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Report:
    """All that the verb shows; ``cpu_mhz`` is the clock now, in MHz."""

    machine: Machine
    pressure: Pressure
    cpu_mhz: float | None
    edgetpu_library: "LibraryReport"
    runtimes: tuple[RuntimeStatus, ...]
    pycoral: PycoralReport
    cameras: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain dicts and lists, ready for JSON."""
        place = {"profiles": str(profiles_place(None)),
                 "profiles_environment": os.environ.get(ENVIRONMENT)}  # fmt: skip
        return {"schema_version": SCHEMA_VERSION, **asdict(self), **place}


@click.command()
@click.option(
    "--known",
    "of_known",
    is_flag=True,
    help="Show instead what datasheets and published sources say of Coral devices.",
)
@EDGETPU_LIBRARY
@AS_JSON
def command(of_known: bool, edgetpu_library: str | None, as_json: bool) -> None:
    """Show what this machine can do: Edge TPUs, TFLite runtimes, CPU, memory, heat, cameras."""
    if of_known:
        _show_known(as_json)
        return
    with terminable():
        report = look_around(edgetpu_library)
    if as_json:
        show.json_object(report.to_dict())
        return
    for name, value in report_rows(report):
        click.echo(show.printable(f"{name}: {value}"))


def look_around(edgetpu_library: str | None = None, root: Path = ROOT) -> Report:
    """Finds out everything; the Edge TPU library and the runtimes are tried in child processes."""
    from edgescale.device.libedgetpu import library_report

    return Report(
        machine=probe(root),
        pressure=pressure(root),
        cpu_mhz=cpu_mhz(root),
        edgetpu_library=library_report(edgetpu_library),
        runtimes=runtimes_here(),
        pycoral=pycoral_report(),
        cameras=tuple(sorted(f"/dev/{path.name}" for path in (root / "dev").glob("video*"))),
    )


def report_rows(report: Report) -> Iterator[tuple[str, str]]:
    """Yields what is shown, as names and values; foreign text in it is not yet made printable."""
    tpus = report.machine.edge_tpus
    for tpu in tpus:
        yield "Edge TPU", edge_tpu_text(tpu)
        if tpu.note:
            yield "  note", tpu.note
    if not tpus:
        yield "Edge TPU", "none on the USB and PCI buses"
    if any(tpu.note or tpu.accessible is False for tpu in tpus):
        yield "  what to do", "edgescale doctor"
    yield "Edge TPU library", report.edgetpu_library.message
    for one in report.runtimes:
        yield "runtime", _runtime_text(one)
    yield "pycoral", report.pycoral.message
    yield from _machine_rows(report.machine, report.cpu_mhz)
    yield from _busy_rows(report.pressure)
    yield from _memory_rows(report.machine)
    yield "cameras", " ".join(report.cameras) or "none"
    yield "profiles", str(profiles_place(None))


def edge_tpu_text(tpu: EdgeTpu) -> str:
    """Describes an Edge TPU in one line, without its note."""
    parts = [f"{tpu.bus} {tpu.path}"]
    if tpu.speed_mbit_s is not None:
        parts.append(f"{tpu.speed_mbit_s} Mbit/s")
    if tpu.power_ma is not None:
        parts.append(f"up to {tpu.power_ma} mA")
    if tpu.firmware_loaded is not None:
        loaded = "firmware loaded" if tpu.firmware_loaded else "not used since it was plugged in"
        parts.append(loaded)
    if tpu.temperature_c is not None:
        trips = ", ".join(f"{point:g}" for point in tpu.trip_points_c)
        slower = f" (slows down at {trips} C)" if trips else ""
        parts.append(f"{tpu.temperature_c:.1f} C{slower}")
    if tpu.node:
        may = "may be opened" if tpu.accessible else "cannot be opened by this user"
        parts.append(f"{tpu.node} {may}")
    if tpu.owners:
        pids = ", ".join(map(str, tpu.owners[:8]))
        parts.append(f"in use by process {pids}")
    return ", ".join(parts)


def _machine_rows(machine: Machine, clock_mhz: float | None) -> Iterator[tuple[str, str]]:
    yield "board", machine.board or "not said"
    yield "system", f"{machine.system} {machine.architecture}"
    yield "cpu", machine.cpu_model or "not said"
    quota = f", quota {machine.cpu_quota_cores:g}" if machine.cpu_quota_cores else ""
    yield "cores", f"{machine.cores}, usable {machine.usable_cores}{quota}"
    clocks = [] if clock_mhz is None else [f"{clock_mhz:.0f} MHz"]
    if machine.cpu_max_mhz is not None:
        clocks.append(f"at most {machine.cpu_max_mhz:.0f} MHz")
    yield "clock", ", ".join(clocks) or "not said"
    yield "governor", machine.governor or "not said"
    warm = (f"{one.name} {one.celsius:.1f} C" for one in machine.temperatures)
    yield "temperature", ", ".join(warm) or "not said"


def _busy_rows(busy: Pressure) -> Iterator[tuple[str, str]]:
    yield "load", "not said" if busy.load is None else f"{busy.load:.2f}"
    waits = {"CPU": busy.avg10_percent, "memory": busy.memory_avg10_percent,
             "storage": busy.io_avg10_percent}  # fmt: skip
    said = [f"{name} {value:.1f} %" for name, value in waits.items() if value is not None]
    yield "waiting", f"{', '.join(said)} of the last 10 s" if said else "not said"


def _memory_rows(machine: Machine) -> Iterator[tuple[str, str]]:
    total, free = mib(machine.memory_total_bytes), mib(machine.memory_available_bytes)
    yield "memory", f"{total}, available {free}"
    if machine.swap_total_bytes is not None and machine.swap_free_bytes is not None:
        size, left = mib(machine.swap_total_bytes), mib(machine.swap_free_bytes)
        yield "swap", f"{size}, free {left}" if machine.swap_total_bytes else "none"
    for limit in machine.memory_limits:
        text = f"{mib(limit.limit_bytes)}, used {mib(limit.used_bytes)}"
        yield f"limit of {limit.group}", text


def _runtime_text(status: RuntimeStatus) -> str:
    name = f"{status.name} {status.version}" if status.version else status.name
    if status.usable is None:
        return f"{name}: {status.reason}"
    return f"{name}: {'works' if status.usable else 'does not work'} ({status.reason})"


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
