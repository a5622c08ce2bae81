"""``edgescale profile``: measures a family on this machine and keeps the result."""

from pathlib import Path

import click

from edgescale.cli import show
from edgescale.cli.options import (
    AS_JSON,
    FAMILY,
    PROFILES,
    device_options,
    progress_bar,
    terminable,
)
from edgescale.device.bench import Plan
from edgescale.device.measure import FEWEST_RUNS, profile_with
from edgescale.device.profile import DeviceProfile, Measurement
from edgescale.device.store import check_writable, profiles_folder, save_profile
from edgescale.family.store import load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.units import mib, milliseconds


@click.command()
@FAMILY
@device_options
@click.option(
    "--runs",
    type=click.IntRange(FEWEST_RUNS, 1_000_000),
    default=200,
    show_default=True,
    help="Measured inferences per variant.",
)
@PROFILES
@AS_JSON
def command(
    family: Path,
    settings: WorkerSettings,
    runs: int,
    profiles: Path | None,
    as_json: bool,
) -> None:
    """Measure each variant of FAMILY on this machine.

    Latency runs from a decoded frame in memory to its top-k, through the worker process that also
    serves, with one frame of 640x480 in flight; quantiles are nearest-rank. Memory is that of the
    worker (peak) and of this process, without the decoder and frames of a video. The profile
    is kept for 'select' and 'classify'.
    """
    loaded = load_family(family)
    folder = profiles_folder(profiles, loaded)
    check_writable(folder)
    with terminable(), progress_bar("measuring") as progress:
        measured = profile_with(loaded, settings, plan=Plan(runs=runs), progress=progress)
    path = save_profile(folder, measured)
    if as_json:
        show.json_object(measured.to_dict())
    else:
        click.echo(profile_text(measured))
    click.echo(f"profile written to {path}", err=True)


def profile_text(profile: DeviceProfile) -> str:
    """Returns the figures of a profile as a table under its conditions."""
    noise = ", machine was busy: latencies are pessimistic" if profile.noise.noisy else ""
    heading = (
        f"{profile.family} on {profile.machine.host} ({profile.device}), {profile.runtime}"
        f" {profile.runtime_version}, {profile.threads} thread(s), {profile.time},"
        f" frame {profile.frame}{noise}"
    )
    rows = [_row(entry) for entry in profile.variants if entry.error is None]
    columns = ("variant", "n", "median", "p95", "p99", "invoke", "fps", "first", "memory")
    parts = [show.printable(heading), show.table(columns, rows)]
    parts += [
        show.printable(f"{entry.variant}: could not be measured: {entry.error}")
        for entry in profile.variants
        if entry.error is not None
    ]
    return "\n".join(parts)


def _row(entry: Measurement) -> tuple[str, ...]:
    latency, invoke = entry.latency_ms, entry.invoke_ms
    if latency is None or invoke is None:
        return (entry.variant, *("-",) * 8)
    return (
        entry.variant,
        str(entry.n),
        milliseconds(latency.median),
        milliseconds(latency.p95),
        milliseconds(latency.p99),
        milliseconds(invoke.median),
        f"{entry.fps or 0:.1f}",
        milliseconds(entry.first_inference_ms or 0),
        mib(entry.memory_bytes),
    )
