"""``profile()``: measures a family on this machine and says under which conditions."""

from collections.abc import Sequence
from pathlib import Path

from edgescale.device.bench import Plan, Progress
from edgescale.device.choose import resolve
from edgescale.device.probe import probe
from edgescale.device.profile import MOST_LATENCIES, DeviceProfile
from edgescale.device.rig import Rig
from edgescale.device.session import Session
from edgescale.device.side_by_side import measure
from edgescale.errors import ProfileError
from edgescale.family.store import Family, load_family
from edgescale.inference.worker import WorkerSettings

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
    if not FEWEST_RUNS <= plan.runs <= MOST_LATENCIES:
        raise ProfileError(
            f"{plan.runs} runs cannot be measured; give {FEWEST_RUNS} to {MOST_LATENCIES}"
        )
    records = family.manifest.variants
    if variants is not None:
        if not variants:
            raise ValueError("no variant to measure: name at least one, or give None for all")
        records = tuple(family.variant(name) for name in variants)
    choice, _ = resolve(records, settings, probe())
    session = Session(family, settings, choice.device, records, rig)
    measured = measure(
        family,
        records,
        settings=session.settings,
        plan=plan,
        rig=rig,
        room=session.check_room,
        progress=progress,
    )
    # On an Edge TPU the variants take turns as wholes: two processes would kill each other there.
    return session.profile(measured, plan.rounds if choice.device == "cpu" else 1)
