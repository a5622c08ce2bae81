"""Writes what a study found: ``report.md``, its two pictures and ``coefficients.json``.

Everything is computed from the records, and no clock is read, so that equal records give an equal
report.
"""

from collections import Counter
from collections.abc import Iterator
from math import fsum
from pathlib import Path
from statistics import fmean
from typing import Any

from edgescale.builder.coefficients_file import write_coefficients
from edgescale.family.store import write_bytes
from edgescale.search.plots import score_macs_png, surface_png
from edgescale.search.provenance import (
    chosen_trial,
    stored_coefficients,
    stored_weights,
    versions_of,
)
from edgescale.search.summary import name_of, seeds_of, spread, summary_lines
from edgescale.search.table import alias_lines, judge, markdown, table_lines
from edgescale.search.verdict import Verdict
from edgescale.search.view import StudyView
from edgescale.units import count

REPORT_FILE = "report.md"
SCORE_PICTURE, SURFACE_PICTURE = "score_macs.png", "surface.png"
COEFFICIENTS_FILE = "coefficients.json"
_MOST_POINTS_NAMED = 5


def write_report(view: StudyView, folder: Path) -> Verdict:
    """Writes report, pictures and coefficients into the study's folder; returns the verdict.

    Raises:
        SearchError: nothing can be compared yet, or matplotlib or scipy is not installed.
        ArtifactError: the folder cannot be written.
    """
    verdict = judge(view)
    pictures = {
        SCORE_PICTURE: score_macs_png(view, verdict),
        SURFACE_PICTURE: surface_png(view, verdict),
    }
    for name, content in pictures.items():
        write_bytes(folder / name, content)
    write_coefficients(folder / COEFFICIENTS_FILE, stored_coefficients(view, verdict, folder))
    write_bytes(folder / REPORT_FILE, "\n".join([*_page(view, verdict, folder), ""]).encode())
    return verdict


def _page(view: StudyView, verdict: Verdict, folder: Path) -> Iterator[str]:
    yield f"# Search of alpha, beta and gamma: {view.definition.get('recipe', 'no name')}"
    found = [*summary_lines(verdict), *_raised(view)]
    yield from _section("", (f"- {line}" for line in found))
    yield from _section("What was searched", _searched(view))
    yield from _section("Candidates", _candidates(view))
    yield from _section("Trials without a score", _unscored(view))
    yield from _section("Points left out", _left_out(view))
    yield from _section("Points of one network", alias_lines(view))
    yield from _section("Cost of the search", _cost(view))
    yield from _section("How to use it", _use(view, verdict, folder))


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    content = list(lines)
    if content:
        yield from ["", f"## {title}", ""] if title else [""]
        yield from content


def _searched(view: StudyView) -> Iterator[str]:
    told, space = view.definition, view.space
    baseline = told.get("baseline") or {}
    rows = [
        ("baseline", f"{baseline.get('name', '?')}, {baseline.get('resolution', '?')} px"),
        ("its score", _baseline_score(view)),
        ("task", f"{told.get('task', '?')}, data sha256 {str(told.get('data_digest', '?'))[:12]}"),
        ("images", f"{_number(told.get('train_images'))} to train on,"
                   f" {_number(told.get('validation_images'))} to score on"),
        ("strategy", f"{told.get('strategy', '?')}, step {told.get('step', '?')},"
                     f" tolerance {told.get('tolerance', '?')}"),
        ("phi", f"{told.get('phi', '?')}, Equation"
                f" {3 if told.get('equation', 'power') == 'power' else 4}"),
        ("rounding", f"{told.get('rounding', '?')}, resolution in steps of"
                     f" {told.get('resolution_step', '?')} px"),
        ("trials", f"seeds {_listed(told.get('seeds'))}, {told.get('epochs', '?')} epochs each,"
                   f" pruning: {told.get('prune') or 'none'}"),
        ("score", f"{view.scoring.metric}, {view.scoring.text}"),
        ("common cost", f"{count(space.target_macs)} MACs, each candidate within 5 %"),
        ("grid", f"{count(space.points)} points, {count(space.distinct)} distinct networks;"
                 f" {count(len(space.candidates))} candidates at the common cost,"
                 f" {count(len(space.left_out))} points left out"),
        ("tried", f"{len({trial.candidate for trial in view.records})} candidates,"
                  f" {len(view.records)} trials"),
    ]  # fmt: skip
    yield from markdown(("", ""), rows)


def _baseline_score(view: StudyView) -> str:
    scores = [trial.score for trial in view.baseline_scores if trial.score is not None]
    if scores:
        return (
            f"{spread(fmean(scores), None)} {view.scoring.metric}, trained in this search"
            f" ({seeds_of(len(scores))}, {count(view.baseline_scores[0].macs)} MACs)"
        )
    published = view.definition.get("baseline_trained")
    if published:
        return (
            f"{100 * published['score']:.2f} % {published['metric']} on {published['task']}"
            f" ({published['source']})"
        )
    if view.definition.get("baseline_is") == "trained":
        return "none: its own trials did not finish"
    return "none: the baseline was not trained (--untrained-baseline)"


def _candidates(view: StudyView) -> Iterator[str]:
    yield "A score is the mean over the seeds ± their standard deviation. Differences are in points"
    yield "and paired by seed, with two intervals: *to the best*, each pair by itself, tells who is"
    yield "tied with it; *gain on the published*, for all challengers together and therefore wider,"
    yield "decides whether these are kept. With *seeds needed* the paired t test of a candidate and"
    yield "the best would find a difference like the measured one in 80 % of searches."
    yield ""
    yield from table_lines(view)
    yield ""
    yield f"![Score against realised MACs]({SCORE_PICTURE})"
    yield ""
    yield f"![Scores over alpha and beta]({SURFACE_PICTURE})"


def _unscored(view: StudyView) -> Iterator[str]:
    trials = [trial for trial in (*view.records, *view.baseline_scores) if trial.score is None]
    for trial in sorted(trials, key=lambda one: (one.candidate, one.seed, one.number)):
        said = " ".join(trial.said.split())
        yield (
            f"- {name_of(trial.coefficients)}, seed {trial.seed}: {trial.state} after"
            f" {len(trial.validation_accuracy)} of {trial.epochs} epochs"
            + (f" ({said})" if said else "")
        )


def _left_out(view: StudyView) -> Iterator[str]:
    reasons = Counter(one.reason for one in view.space.left_out)
    for reason, number in reasons.most_common():
        points = [one.coefficients for one in view.space.left_out if one.reason == reason]
        names = ", ".join(name_of(point) for point in points[:_MOST_POINTS_NAMED])
        more = ", ..." if number > _MOST_POINTS_NAMED else ""
        yield f"- {names}{more}: {reason}"


def _cost(view: StudyView) -> Iterator[str]:
    trials = [*view.records, *view.baseline_scores]
    cpu_s, wall_s = fsum(one.cpu_s for one in trials), fsum(one.wall_s for one in trials)
    yield f"- {cpu_s / 60:.1f} CPU-minutes in {count(len(trials))} trials; one after the other they"
    yield f"  would have taken {wall_s / 60:.1f} minutes"
    yield f"- begun again after a process had died: {sum(one.retries for one in trials)}"
    for label, values in (
        ("engine", {one.engine for one in trials}),
        ("host", {one.host for one in trials}),
    ):
        yield f"- {label}: {', '.join(sorted(values))}"
    versions = versions_of(trials)
    yield f"- versions: {', '.join(f'{name} {version}' for name, version in versions.items())}"


def _raised(view: StudyView) -> Iterator[str]:
    before = view.definition.get("seeds_before")
    if before:
        yield (
            "The number of seeds was raised after the scores of fewer had been seen (before:"
            f" {_listed(before)}), so the 95 % no longer hold strictly."
        )


def _use(view: StudyView, verdict: Verdict, folder: Path) -> Iterator[str]:
    trial = chosen_trial(view, verdict)
    candidate = next(one for one in view.space.candidates if one.identity == verdict.chosen)
    network = f"{candidate.identity}, {candidate.variant.resolution} px"
    yield f"`{COEFFICIENTS_FILE}` beside this report holds the chosen coefficients and where they"
    yield "come from; any number of sizes follows from it without further training:"
    yield from ["", "```console", f"$ edgescale plan --coefficients {COEFFICIENTS_FILE}", "```", ""]
    yield "or in a recipe:"
    yield from ["", "```toml", "[scaling]", f'coefficients = "{COEFFICIENTS_FILE}"', "```", ""]
    yield f"A build at phi {candidate.phi:g} of the same baseline and classes is the very candidate"
    yield f"({network}); every other phi follows the law."
    yield ""
    weights = stored_weights(trial, folder)
    if weights is None:
        yield f"The weights of its best trial, {trial}, are not in the folder of the search, so a"
        yield "build trains from scratch."
        return
    yield "To go on from its weights instead of training from scratch, name them in that recipe."
    yield "The path begins in the folder of the search, which need not be that of this report:"
    yield from ["", "```toml", "[weights]", 'from = "file"', f'file = "{weights["file"]}"', "```"]


def _number(value: Any) -> str:
    return count(value) if isinstance(value, int) else "?"


def _listed(values: Any) -> str:
    values = values if isinstance(values, list) else [values]
    return ", ".join("?" if value is None else str(value) for value in values)
