"""What ``edgescale search`` shows: its plan, a line for each trial, the outcome."""

import logging
from pathlib import Path
from typing import Any

import click

from edgescale.cli import show
from edgescale.search.definition import Search
from edgescale.search.estimate import Estimate
from edgescale.search.provenance import chosen_trial, stored_weights
from edgescale.search.report import COEFFICIENTS_FILE, REPORT_FILE
from edgescale.search.summary import gain, name_of, seeds_text, spread, summary_lines
from edgescale.search.trial import TrialRecord
from edgescale.search.verdict import Verdict
from edgescale.search.view import StudyView
from edgescale.units import count, percent

log = logging.getLogger(__name__)
_MOST_LEFT_OUT = 5


class Progress:
    """Logs each trial as it ends, with the time the others are expected to take."""

    def __init__(self, search: Search, slots: int) -> None:
        self._total, self._slots = search.trials, slots
        self._later_seeds = len(search.seeds) - 1
        self._ended: set[str] = set()
        self._taken_s: list[float] = []
        self._told = 0

    def ended(self, record: TrialRecord, new: bool) -> None:
        """Takes one trial; those of an earlier search are only counted."""
        self._ended.add(record.identity)
        if record.state == "pruned":
            self._total -= self._later_seeds  # of a candidate that is not trained further
        self._taken_s.append(record.wall_s)
        if new:
            self._told += 1
            earlier = len(self._ended) - self._told
            if self._told == 1 and earlier:
                log.info("%d of %d trials are there already", earlier, self._total)
            log.info("%d of %d: %s", len(self._ended), self._total, self._line(record))

    def _line(self, record: TrialRecord) -> str:
        who = "baseline" if record.phi == 0 else name_of(record.coefficients)
        said = record.said if record.score is None else f"score {percent(record.score)}"
        left = max(0, self._total - len(self._ended))
        each_s = sum(self._taken_s) / len(self._taken_s)
        rest_s = each_s * left / min(self._slots, max(1, left))
        return (
            f"{who} seed {record.seed} {record.state}, {said}, {record.cpu_s:.0f} CPU-s,"
            f" about {rest_s / 60:.0f} min left"
        )


def plan_record(
    search: Search, found: Estimate | None, why: str | None, slots: int
) -> dict[str, Any]:
    """Returns what a dry run found; hours are null where they are not known, with the reason."""
    space = search.space
    return {
        "points": space.points,
        "distinct": space.distinct,
        "target_macs": space.target_macs,
        "candidates": [
            {
                "identity": candidate.identity,
                "alpha": candidate.coefficients.alpha,
                "beta": candidate.coefficients.beta,
                "gamma": candidate.coefficients.gamma,
                "aliases": [name_of(alias) for alias in candidate.aliases],
                "incumbent": candidate.incumbent,
                "resolution": candidate.variant.resolution,
                "macs": candidate.variant.cost.macs,
                "parameters": candidate.variant.cost.parameters,
            }
            for candidate in search.chosen
        ],
        "left_out": [
            {"coefficients": name_of(point.coefficients), "reason": point.reason}
            for point in space.left_out
        ],
        "seeds": len(search.seeds),
        "epochs": search.epochs,
        "trials": search.trials,
        "jobs": slots,
        "seconds_per_trial": None if found is None else found.trial_s,
        "hours": None if found is None else found.hours,
        "cpu_hours": None if found is None else found.cpu_hours,
        "hours_reason": why,
    }


def print_plan(search: Search, record: dict[str, Any]) -> None:
    """Prints a dry run."""
    rows = [
        (
            name_of(candidate.coefficients) + (" (published)" if candidate.incumbent else ""),
            str(candidate.variant.resolution),
            count(candidate.variant.cost.macs),
            count(candidate.variant.cost.parameters),
            ", ".join(name_of(alias) for alias in candidate.aliases) or "-",
        )
        for candidate in search.chosen
    ]
    click.echo(show.table(("candidate", "px", "MACs", "parameters", "also"), rows))
    click.echo(
        f"{record['points']} points, {record['distinct']} networks before the cost was made"
        f" equal, {len(search.space.candidates)} candidates, {len(record['left_out'])} points left"
        " out"
    )
    for point in record["left_out"][:_MOST_LEFT_OUT]:
        click.echo(f"left out: {point['coefficients']}: {point['reason']}")
    if len(record["left_out"]) > _MOST_LEFT_OUT:
        click.echo(f"and {len(record['left_out']) - _MOST_LEFT_OUT} more (--json lists all)")
    click.echo(
        f"{record['trials']} trials of {record['epochs']} epochs, {record['jobs']} at a time"
    )
    if record["hours"] is None:
        click.echo(f"hours are not known: {record['hours_reason']}")
    else:
        click.echo(
            f"about {record['hours']:.2g} hours, {record['cpu_hours']:.2g} CPU-hours"
            f" ({record['seconds_per_trial']:.0f} s a trial, measured here on some steps)"
        )


def outcome(view: StudyView, verdict: Verdict, out: Path) -> dict[str, Any]:
    """Returns the outcome as plain JSON values."""
    every = view.records + view.baseline_scores
    return {
        "folder": str(out),
        "definition": dict(view.definition),
        "trials": {state: sum(record.state == state for record in every)
                   for state in ("finished", "pruned", "failed")},
        "cpu_s": sum(record.cpu_s for record in every),
        "verdict": verdict.to_dict(),
        "coefficients": str(out / COEFFICIENTS_FILE),
        "weights": None if (weights := _weights(view, verdict, out)) is None else str(weights),
    }  # fmt: skip


def print_outcome(view: StudyView, verdict: Verdict, out: Path) -> None:
    """Prints the table, the verdict and how to go on."""
    rows = [
        (
            name_of(one.coefficients)
            + (" (published)" if one.candidate == verdict.incumbent else ""),
            count(one.macs),
            spread(one.mean, one.sd),
            "-" if one.to_best is None else gain(one.to_best),
            seeds_text(one.seeds_needed),
        )
        for one in verdict.standings
    ]
    headings = ("candidate", "MACs", view.scoring.metric, "to the best", "seeds to separate")
    click.echo(show.table(headings, rows))
    for line in summary_lines(verdict):
        click.echo(line)
    click.echo(f"The report is {out / REPORT_FILE}. To go on, in a recipe:")
    click.echo(f'[scaling]\ncoefficients = "{(out / COEFFICIENTS_FILE).absolute()}"')
    weights = _weights(view, verdict, out)
    if weights is None:
        trial = chosen_trial(view, verdict)
        click.echo(f"The weights of its best trial {trial} are not there; a build starts anew.")
    else:
        click.echo(f'[weights]\nfrom = "file"\nfile = "{weights.absolute()}"')


def _weights(view: StudyView, verdict: Verdict, out: Path) -> Path | None:
    """Returns the file to go on from; None where it was removed."""
    found = stored_weights(chosen_trial(view, verdict), out)
    return None if found is None else out / found["file"]
