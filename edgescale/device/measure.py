"""``profile()``: measures a family on this machine and says under which conditions."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import edgescale
from edgescale.device.bench import FRAME_TEXT, Plan, Progress, Rig, measure
from edgescale.device.choose import DeviceChoice, choose_device
from edgescale.device.probe import Machine, Pressure, pressure, probe
from edgescale.device.profile import SCHEMA_VERSION, DeviceProfile, Noise
from edgescale.device.statistics import stalled_percent
from edgescale.errors import DeviceError, ProfileError
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family, load_family
from edgescale.inference.delegate import check_device, try_edge_tpu
from edgescale.inference.worker import WorkerSettings

log = logging.getLogger(__name__)

# Above these the tails of the latencies are other programs' time slices, not the model's.
_NOISY_BEFORE_PERCENT = 10.0
_NOISY_DURING_PERCENT = 25.0
FEWEST_RUNS = 5


def profile(  # noqa: PLR0913 - the public call: one argument for each flag of the verb
    family: Family | Path | str,
    *,
    device: str = "auto",
    runtime: str | None = None,
    threads: int | None = None,
    edgetpu_library: str | None = None,
    edgetpu_performance: str | None = None,
    variants: Sequence[str] | None = None,
    runs: int = 200,
    progress: Progress | None = None,
) -> DeviceProfile:
    """Measures each variant of a family on this machine, through the path that serves.

    Args:
        family: a loaded family or its folder.
        device: ``auto``, ``cpu``, ``usb``, ``pci``, ``usb:0``, ...
        runtime: a TFLite runtime by name; None takes the first that works.
        threads: threads of the interpreter on the CPU; None takes as many as measure best here.
        edgetpu_library: the Edge TPU library, where it is not the system's.
        edgetpu_performance: clock of the Edge TPU: low, medium, high or max.
        variants: names of the variants; None is all.
        runs: measured inferences per variant.
        progress: called with (runs done, runs in all).

    Raises:
        EdgescaleError: the device or runtime is not there, or nothing could be measured.
    """
    if isinstance(family, str | Path):
        family = load_family(family)
    settings = WorkerSettings(
        device=device,
        runtime=runtime,
        threads=threads,
        edgetpu_library=edgetpu_library,
        edgetpu_performance=edgetpu_performance,
    )
    plan = Plan(runs=runs)
    return profile_with(family, settings, variants=variants, plan=plan, progress=progress)


def profile_with(
    family: Family,
    settings: WorkerSettings,
    *,
    variants: Sequence[str] | None = None,
    plan: Plan | None = None,
    rig: Rig | None = None,
    progress: Progress | None = None,
) -> DeviceProfile:
    """Measures a family with the settings of the worker; see ``profile``."""
    plan, rig = plan or Plan(), rig or Rig()
    if plan.runs < FEWEST_RUNS:
        raise ProfileError(f"{plan.runs} runs tell nothing; measure at least {FEWEST_RUNS}")
    records = family.manifest.variants
    if variants is not None:
        if not variants:
            raise ValueError("no variant to measure: name at least one, or give None for all")
        records = tuple(family.variant(name) for name in variants)
    machine = probe()
    choice, resolved = resolve(records, settings, machine)
    before, start_s = pressure(), time.monotonic()
    measured = measure(family, records, settings=resolved, plan=plan, rig=rig, progress=progress)
    noise = judge_noise(before, pressure(), time.monotonic() - start_s, machine.usable_cores)
    if noise.noisy:
        log.warning("the machine was busy while it was measured; the latencies are pessimistic")
    return DeviceProfile(
        schema_version=SCHEMA_VERSION,
        edgescale_version=edgescale.__version__,
        time=rfc3339(datetime.now(timezone.utc)),
        family=family.manifest.name,
        machine=machine,
        device_asked=settings.device,
        device=choice.device,
        runtime=measured.runtime,
        runtime_version=measured.runtime_version,
        threads=settings.threads or 1,
        frame=FRAME_TEXT,
        rounds=plan.rounds,
        noise=noise,
        variants=measured.variants,
    )


def resolve(
    variants: Sequence[VariantRecord], settings: WorkerSettings, machine: Machine
) -> tuple[DeviceChoice, WorkerSettings]:
    """Turns ``auto`` into a device that works, and says in the log which and why.

    Raises:
        DeviceError: the device string is none.
    """
    choice = choose_device(check_device(settings.device), machine, variants)
    if settings.device == "auto":
        choice = _usable(choice, settings)
        log.info("device: %s, because %s", choice.device, choice.reason)
    return choice, replace(settings, device=choice.device)


def _usable(choice: DeviceChoice, settings: WorkerSettings) -> DeviceChoice:
    """Falls back to the CPU, as ``auto`` may, where the Edge TPU is there but cannot be used."""
    if choice.device == "cpu":
        return choice
    try:
        try_edge_tpu(choice.device, runtime=settings.runtime, library=settings.edgetpu_library)
    except DeviceError as problem:
        return DeviceChoice("cpu", f"{choice.reason}, but it cannot be used: {problem}")
    return choice


def judge_noise(before: Pressure, after: Pressure, wall_s: float, cores: int) -> Noise:
    """Says whether other work disturbed the measurement.

    PSI where the kernel has it; else a load average that alone fills the cores.
    """
    during = stalled_percent(before.total_us, after.total_us, wall_s)
    if before.avg10_percent is not None:
        noisy = before.avg10_percent > _NOISY_BEFORE_PERCENT
        noisy = noisy or (during is not None and during > _NOISY_DURING_PERCENT)
    else:
        noisy = before.load is not None and before.load >= cores
    return Noise(before.avg10_percent, during, before.load, after.load, noisy)


def rfc3339(time: datetime) -> str:
    """Formats a time in UTC to the second, e.g. ``2026-01-31T12:00:00Z``."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
