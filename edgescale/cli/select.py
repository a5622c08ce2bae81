"""``edgescale select``: the largest variant that fits a budget, and why not each of the others."""

from pathlib import Path
from typing import Any

import click

from edgescale.cli import show
from edgescale.cli.options import (
    AS_JSON,
    FAMILY,
    PROFILES,
    budget_options,
    device_options,
    progress_bar,
    terminable,
)
from edgescale.device.fresh import fresh_profile
from edgescale.device.profile import DeviceProfile
from edgescale.errors import NothingFits
from edgescale.family.store import load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.choice import Selection, rejections_to_list, select
from edgescale.selection.explanation import Rejection, budget_text
from edgescale.units import mib, milliseconds

SCHEMA_VERSION = 1


@click.command()
@FAMILY
@budget_options
@device_options
@PROFILES
@AS_JSON
def command(
    family: Path,
    budget: Budget,
    settings: WorkerSettings,
    profiles: Path | None,
    as_json: bool,
) -> None:
    """Choose the variant of FAMILY with most MACs that fits the budget on this machine.

    Measures first where no fresh profile is stored. Latency is of one frame of 640x480 in flight;
    memory is without the decoder and frames of a video. Exit status 3: nothing fits.
    """
    loaded = load_family(family)
    with terminable(), progress_bar("measuring") as progress:
        profile = fresh_profile(loaded, settings, folder=profiles, progress=progress)
    try:
        selection = select(loaded, profile, budget)
    except NothingFits as problem:
        _show_nothing(problem, profile, budget, as_json)
        raise
    if as_json:
        show.json_object(_record(profile, selection.to_dict()))
    else:
        click.echo(selection_text(selection))


def selection_text(selection: Selection) -> str:
    """Returns the choice with its figures, and every rejection with its reason."""
    entry = selection.measurement
    p95 = milliseconds(entry.latency_ms.p95) if entry.latency_ms else "?"
    why = (
        f"largest that fits ({budget_text(selection.budget)}): p95 {p95}, {entry.fps or 0:.1f} fps,"
        f" {mib(entry.memory_bytes)}, {selection.chosen.macs / 1e6:,.2f} M MACs"
    )
    rows = [(selection.chosen.name, "chosen", why), *_rejection_rows(selection.rejections)]
    return _left_table(("variant", "", "why"), rows)


def _rejection_rows(rejections: tuple[Rejection, ...]) -> list[tuple[str, str, str]]:
    return [(one.variant, "rejected", show.printable(one.text)) for one in rejections]


def _left_table(headings: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    lines = [headings, *rows]
    first, second = (max(len(line[column]) for line in lines) for column in (0, 1))
    return "\n".join(f"{a:<{first}}  {b:<{second}}  {c}".rstrip() for a, b, c in lines)


def _show_nothing(
    problem: NothingFits, profile: DeviceProfile, budget: Budget, as_json: bool
) -> None:
    if as_json:
        selection = Budget.__dataclass_fields__
        record = {
            "chosen": None,
            "budget": {name: getattr(budget, name) for name in selection},
            "rejections": rejections_to_list(problem.rejections),
        }
        show.json_object(_record(profile, record))
    else:
        click.echo(_left_table(("variant", "", "why"), _rejection_rows(problem.rejections)))


def _record(profile: DeviceProfile, selection: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "family": profile.family,
        "device": profile.device,
        "runtime": profile.runtime,
        "runtime_version": profile.runtime_version,
        "profiled": profile.time,
        "noisy": profile.noise.noisy,
        **selection,
    }
