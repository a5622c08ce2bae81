"""``edgescale select``: the largest variant that fits a budget, and why not each of the others."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
from edgescale.family.store import Family, load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.choice import Selection, choose, rejections_to_list
from edgescale.selection.explanation import Rejection, budget_text
from edgescale.selection.order import Order
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
    if budget.latency_ms is None and budget.percentile != Budget().percentile:
        raise click.UsageError("--percentile is of --latency-budget; give both")
    if plot is not None:
        check_plot(plot)
    loaded = load_family(family)
    try:
        with terminable(), progress_bar("measuring") as progress:
            selection, profile = choose(
                loaded, settings, budget, folder=profiles, progress=progress
            )
    except NothingFits as problem:
        found = Outcome(
            budget, None, (), problem.rejections, problem.order, problem.looks, problem.profile
        )
        _show(found, loaded, as_json, explain, plot)
        raise
    found = Outcome(
        budget,
        selection,
        selection.trials,
        selection.rejections,
        selection.order,
        selection.looks,
        profile,
    )
    _show(found, loaded, as_json, explain, plot)


def check_plot(path: Path) -> None:
    """Finds out before anything is measured whether the drawing can be kept.

    Raises:
        click.UsageError: another format, or a folder that is not there.
    """
    if path.suffix.lower() != ".svg":
        raise click.UsageError(f"--plot writes SVG; name a file that ends in .svg, not '{path}'")
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"--plot '{path}': there is no such folder; make it first")


@dataclass(frozen=True)
class Outcome:
    """What a choice came to, whether or not a variant fits; ``selection`` is None where none does.

    ``order`` and ``profile`` are None where nothing was looked at.
    """

    budget: Budget
    selection: Selection | None
    trials: tuple[Trial, ...]
    rejections: tuple[Rejection, ...]
    order: Order | None
    looks: Mapping[str, float]
    profile: DeviceProfile | None


def _show(found: Outcome, family: Family, as_json: bool, explain: bool, plot: Path | None) -> None:
    if as_json:
        show.json_object(_record(found, family.manifest.name))
    else:
        rows = [(one.variant, one.state, show.printable(one.text)) for one in found.rejections]
        if found.selection is not None:
            name, text = found.selection.chosen.name, chosen_text(found.selection)
            rows.insert(0, (name, "chosen", text))
        click.echo(_left_table(("variant", "", "why"), rows))
        if explain:
            click.echo(f"\n{explanation_text(found)}")
    if plot is not None and found.profile is not None:
        from edgescale.cli.select_plot import write_plot

        chosen = None if found.selection is None else found.selection.chosen.name
        states = {one.variant: one.state for one in found.rejections}
        write_plot(plot, family, found.profile, found.budget, chosen, states)


def chosen_text(selection: Selection) -> str:
    """Returns the figures of the choice."""
    entry = selection.measurement
    parts = (
        [] if entry.latency_ms is None else [f"p{selection.budget.percentile} {_tail(selection)}"]
    )
    parts += [f"{entry.fps or 0:.1f} fps", mib(entry.memory_bytes), _size(selection)]
    return f"fits ({budget_text(selection.budget)}): {', '.join(parts)}, n = {entry.n}"


def explanation_text(found: Outcome) -> str:
    """Returns the steps that led to the choice, one a line."""
    lines = []
    if found.profile is not None:
        profile = found.profile
        lines.append(
            f"measured on: {profile.device}, {profile.runtime} {profile.runtime_version},"
            f" {profile.threads} thread(s), {profile.time}"
        )
        lines += [f"doubtful: {flag}" for flag in profile.noise.flags]
    if found.order is not None:
        lines.append(f"larger means: {found.order.text}")
        lines.append(f"order: {' < '.join(one.name for one in found.order.variants) or 'nothing'}")
    if found.looks:
        looks = ", ".join(f"{name} {milliseconds(ms)}" for name, ms in found.looks.items())
        lines.append(f"medians when looked at: {looks}")
    tested = [(one.variant, one.trials) for one in found.rejections]
    if found.selection is not None:
        tested.insert(0, (found.selection.chosen.name, found.trials))
    for name, trials in tested:
        lines += [f"tested {name}: {_trial_text(trial, found.budget)}" for trial in trials]
    if found.budget.latency_ms is not None:
        rule = RULES[found.budget.percentile]
        lines.append(
            f"the test: {rule.fewest_runs} to {rule.most_runs} runs; a variant with"
            f" {100 * rule.allowed:g} % of its runs over the limit passes once in"
            f" {1 / rule.wrong:.0f} times, one with {100 * rule.clear:g} % fails as rarely (more"
            " often where slow runs come in stretches)"
        )
    if found.selection is not None:
        below = [variant.name for variant, _ in found.selection.ladder[:-1]]
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


def _left_table(headings: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    lines = [headings, *rows]
    first, second = (max(len(line[column]) for line in lines) for column in (0, 1))
    return "\n".join(f"{a:<{first}}  {b:<{second}}  {c}".rstrip() for a, b, c in lines)


def _record(found: Outcome, family: str) -> dict[str, Any]:
    record: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "family": family}
    if found.profile is not None:
        profile = found.profile
        record |= {
            "device": profile.device,
            "runtime": profile.runtime,
            "runtime_version": profile.runtime_version,
            "threads": profile.threads,
            "profiled": profile.time,
            "noisy": profile.noise.noisy,
            "noise_flags": list(profile.noise.flags),
        }
    if found.selection is not None:
        return record | found.selection.to_dict()
    order = found.order
    return record | {
        "chosen": None,
        "state": "nothing fits",
        "budget": asdict(found.budget),
        "order": [] if order is None else [variant.name for variant in order.variants],
        "ordered_by": None if order is None else order.text,
        "looks_ms": dict(found.looks),
        "rejections": rejections_to_list(found.rejections),
    }
