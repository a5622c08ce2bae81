"""``edgescale profile``: measures a family on this machine and keeps the result."""

from pathlib import Path
from typing import Any

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
from edgescale.device.profile import MOST_LATENCIES, DeviceProfile, Measurement
from edgescale.device.statistics import quantile_interval
from edgescale.device.store import check_writable, profiles_folder, save_profile
from edgescale.family.store import load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.units import mib, milliseconds

_COLUMNS = (
    "variant", "n", "median", "p95", "95 % interval", "p99", "95 % interval", "first", "fps",
    "fps of 2", "memory", "worker peak", "predicted",
)  # fmt: skip


@click.command()
@FAMILY
@device_options
@click.option(
    "--runs",
    type=click.IntRange(FEWEST_RUNS, MOST_LATENCIES),
    default=200,
    show_default=True,
    help="Measured inferences per variant; a p99 needs 368 for its interval to have an end.",
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
    serves, with one frame of 640x480 in flight; quantiles are nearest-rank, their intervals hold
    whatever the distribution. Fps is of one frame after another, and of two in flight. Memory is
    the PSS of worker and main process together, without the decoder and frames of a video; beside
    it stand the worker's resident peak and what its model file made expect. On a CPU the number of
    threads is searched, unless --threads gives it. The profile is kept for 'select' and 'classify'.
    """
    loaded = load_family(family)
    folder = profiles_folder(profiles, loaded)
    check_writable(folder)
    with terminable(), progress_bar("measuring") as progress:
        measured = profile_with(loaded, settings, plan=Plan(runs=runs), progress=progress)
    path = save_profile(folder, measured)
    if as_json:
        show.json_object(profile_record(measured))
    else:
        click.echo(profile_text(measured))
    click.echo(f"profile written to {path}", err=True)


def profile_record(profile: DeviceProfile) -> dict[str, Any]:
    """Returns a profile for readers: figures in place of the single latencies."""
    record = profile.to_dict()
    record["noise"]["noisy"] = profile.noise.noisy
    record["variants"] = [entry.summary() for entry in profile.variants]
    return record


def profile_text(profile: DeviceProfile) -> str:
    """Returns the figures of a profile as a table, its conditions before and its doubts after."""
    rows = [_row(entry) for entry in profile.variants if entry.error is None]
    return "\n".join(
        (
            show.printable(_conditions(profile)),
            show.table(_COLUMNS, rows),
            *(
                show.printable(f"{entry.variant}: could not be measured: {entry.error}")
                for entry in profile.variants
                if entry.error is not None
            ),
            *(show.printable(f"doubtful: {flag}") for flag in profile.noise.flags),
        )
    )


def _conditions(profile: DeviceProfile) -> str:
    noise = profile.noise
    parts = [
        f"{profile.family} on {profile.machine.host} ({profile.device})",
        f"{profile.runtime} {profile.runtime_version}",
        _threads(profile),
    ]
    if profile.edgetpu_performance is not None:
        parts.append(f"performance {profile.edgetpu_performance}")
    if noise.governor is not None:
        parts.append(f"governor {noise.governor}")
    if noise.cpu_mhz_before is not None and noise.cpu_mhz_after is not None:
        parts.append(f"{noise.cpu_mhz_before:.0f} to {noise.cpu_mhz_after:.0f} MHz")
    if noise.temperature_before_c is not None and noise.temperature_after_c is not None:
        parts.append(f"{noise.temperature_before_c:.0f} to {noise.temperature_after_c:.0f} C")
    return ", ".join((*parts, f"frame {profile.frame}", profile.time))


def _threads(profile: DeviceProfile) -> str:
    used = f"{profile.threads} thread{'' if profile.threads == 1 else 's'}"
    tried = [f"{one.threads}: {milliseconds(one.median_ms)}" for one in profile.threads_tried]
    return f"{used} (tried {'; '.join(tried)})" if tried else used


def _row(entry: Measurement) -> tuple[str, ...]:
    latency = entry.latency_ms
    if latency is None or entry.fps is None:
        return (entry.variant, *("-",) * (len(_COLUMNS) - 1))
    p99_low, p99_high = quantile_interval(entry.latencies_ms, 0.99)
    rate, peak, predicted = (
        entry.pipelined_fps,
        entry.worker_peak_rss_bytes,
        entry.predicted_worker_peak_bytes,
    )
    return (
        entry.variant,
        str(entry.n),
        milliseconds(latency.median),
        milliseconds(latency.p95),
        _interval(*quantile_interval(entry.latencies_ms, 0.95)),
        "-" if p99_high is None else milliseconds(latency.p99),
        "-" if p99_high is None else _interval(p99_low, p99_high),
        milliseconds(entry.first_inference_ms or 0),
        f"{entry.fps:.1f}",
        "-" if rate is None else f"{rate:.1f}",
        mib(entry.memory_bytes),
        "-" if peak is None else mib(peak),
        "-" if predicted is None else mib(predicted),
    )


def _interval(low_ms: float, high_ms: float | None) -> str:
    if high_ms is None:
        return f"over {milliseconds(low_ms)}"
    return f"{milliseconds(low_ms).removesuffix(' ms')} to {milliseconds(high_ms)}"
