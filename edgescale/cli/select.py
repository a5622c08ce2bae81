"""``edgescale select``: the largest variant that fits a budget, and why not each of the others."""

from dataclasses import asdict
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
from edgescale.device.profile import DeviceProfile
from edgescale.errors import NothingFits
from edgescale.family.store import load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.choice import Selection, choose, rejections_to_list
from edgescale.selection.explanation import Rejection, budget_text
from edgescale.selection.sequential import RULES, Trial
from edgescale.units import mib, milliseconds

SCHEMA_VERSION = 2


@click.command()
@FAMILY
@budget_options
@click.option("--explain", is_flag=True, help="Show every step that led to the choice.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.svg",
    help="Draw size or accuracy over latency, with the budget's line.",
)
@device_options
@PROFILES
@AS_JSON
def command(  # noqa: PLR0913 - one argument for each flag
    family: Path,
    budget: Budget,
    explain: bool,
    plot: Path | None,
    settings: WorkerSettings,
    profiles: Path | None,
    as_json: bool,
) -> None:
    """Choose the largest variant of FAMILY that fits the budget on this machine.

    Larger is more accurate where the family's held-out images prove it, else more MACs. What the
    stored profile lacks is measured now. Latency is of one frame of 640x480 in flight; memory is
    without the decoder and frames of a video. Exit status 3: nothing fits.
    """
    loaded = load_family(family)
    try:
        with terminable(), progress_bar("measuring") as progress:
            selection, profile = choose(
                loaded, settings, budget, folder=profiles, progress=progress
            )
    except NothingFits as problem:
        _show_nothing(problem, loaded.manifest.name, budget, as_json)
        raise
    if plot is not None:
        from edgescale.cli.select_plot import write_plot

        write_plot(plot, loaded, selection, profile)
    if as_json:
        show.json_object(_conditions(profile) | selection.to_dict())
        return
    click.echo(selection_text(selection))
    if explain:
        click.echo(f"\n{explanation_text(selection, profile)}")


def selection_text(selection: Selection) -> str:
    """Returns the choice with its figures, and every rejection with its reason."""
    entry = selection.measurement
    found = entry.latency_ms
    parts = [] if found is None else [f"p{selection.budget.percentile} {_tail(selection)}"]
    parts += [f"{entry.fps or 0:.1f} fps", mib(entry.memory_bytes), _size(selection)]
    fits = f"fits ({budget_text(selection.budget)}): {', '.join(parts)}, n = {entry.n}"
    rows = [(selection.chosen.name, "chosen", fits), *_rejection_rows(selection.rejections)]
    return _left_table(("variant", "", "why"), rows)


def explanation_text(selection: Selection, profile: DeviceProfile) -> str:
    """Returns the steps that led to the choice, one a line."""
    names = " < ".join(variant.name for variant in selection.order.variants)
    looks = ", ".join(f"{name} {milliseconds(ms)}" for name, ms in selection.looks.items())
    lines = [
        f"measured on: {profile.device}, {profile.runtime} {profile.runtime_version},"
        f" {profile.threads} thread(s), {profile.time}",
        *(f"doubtful: {flag}" for flag in profile.noise.flags),
        f"larger means: {selection.order.text}",
        f"order: {names}",
        f"medians of the first runs: {looks}",
    ]
    tested = [(selection.chosen.name, selection.trials)]
    tested += [(one.variant, one.trials) for one in selection.rejections]
    for name, trials in tested:
        lines += [f"tested {name}: {_trial_text(trial, selection.budget)}" for trial in trials]
    if selection.budget.latency_ms is not None:
        rule = RULES[selection.budget.percentile]
        lines.append(
            f"the test: sequential, {100 * rule.wrong:g} % wrong at {100 * rule.allowed:g} % and at"
            f" {100 * rule.clear:g} % of the runs over the limit; {rule.fewest_runs} to"
            f" {rule.most_runs} runs"
        )
    below = [variant.name for variant, _ in selection.ladder[:-1]]
    lines.append(f"may step down to: {', '.join(reversed(below)) or 'nothing'}")
    return "\n".join(map(show.printable, lines))


def _trial_text(trial: Trial, budget: Budget) -> str:
    if trial.exceedances is None:
        return f"{trial.state} after {trial.n} runs: at least {budget.min_fps:.4g} fps"
    return (
        f"{trial.state} after {trial.n} runs: {trial.exceedances} over"
        f" {milliseconds(budget.latency_ms or 0)}"
    )


def _tail(selection: Selection) -> str:
    found = selection.measurement.latency_ms
    if found is None:
        return "?"
    return milliseconds(found.p95 if selection.budget.percentile == 95 else found.p99)


def _size(selection: Selection) -> str:
    accuracy = selection.chosen.accuracy
    macs = f"{selection.chosen.macs / 1e6:,.2f} M MACs"
    if accuracy is None:
        return macs
    return f"int8 top-1 {100 * accuracy.int8_top1:.1f} % (n = {accuracy.n}), {macs}"


def _rejection_rows(rejections: tuple[Rejection, ...]) -> list[tuple[str, str, str]]:
    return [(one.variant, "rejected", show.printable(one.text)) for one in rejections]


def _left_table(headings: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    lines = [headings, *rows]
    first, second = (max(len(line[column]) for line in lines) for column in (0, 1))
    return "\n".join(f"{a:<{first}}  {b:<{second}}  {c}".rstrip() for a, b, c in lines)


def _show_nothing(problem: NothingFits, family: str, budget: Budget, as_json: bool) -> None:
    if as_json:
        show.json_object(
            {
                "schema_version": SCHEMA_VERSION,
                "family": family,
                "chosen": None,
                "budget": asdict(budget),
                "rejections": rejections_to_list(problem.rejections),
            }
        )
    elif problem.rejections:
        click.echo(_left_table(("variant", "", "why"), _rejection_rows(problem.rejections)))


def _conditions(profile: DeviceProfile) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "family": profile.family,
        "device": profile.device,
        "runtime": profile.runtime,
        "runtime_version": profile.runtime_version,
        "threads": profile.threads,
        "profiled": profile.time,
        "noisy": profile.noise.noisy,
        "noise_flags": list(profile.noise.flags),
    }
