"""``edgescale search``: alpha, beta and gamma for a task of one's own."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click

from edgescale.builder.build import cores
from edgescale.builder.class_folders import ClassFolders
from edgescale.builder.find_recipe import find_recipe
from edgescale.builder.tensorflow_setup import require_tensorflow
from edgescale.cli import show
from edgescale.cli.options import FiniteRange, terminable
from edgescale.cli.search_output import Progress, outcome, plan_record, print_outcome, print_plan
from edgescale.errors import DataError, EdgescaleError, SearchError
from edgescale.search.definition import (
    PRUNERS,
    STRATEGIES,
    Search,
    SearchOptions,
    plan_search,
)
from edgescale.search.engine import Engine
from edgescale.search.score import METRICS, parse_scoring
from edgescale.search.view import StudyView

log = logging.getLogger(__name__)
ENGINES = ("local", "ray")
_CLASSES_UNSEEN = 1000

EngineOf = Callable[[int | None], Engine]  # from the descriptor of the study's lock


@click.group("search")
def command() -> None:
    """Search alpha, beta, gamma on your own task."""


def _options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the flags that say what is searched."""
    for option in (
        click.option("--untrained-baseline", is_flag=True,
                     help="Search although no score of the baseline is known; recorded."),
        click.option("--train-baseline", is_flag=True,
                     help="Train the baseline (phi 0) too: its score is in the report."),
        click.option("--data", "data_folder", metavar="FOLDER",
                     type=click.Path(path_type=Path),
                     help="Images in place of the recipe's: a folder per class."),
        click.option("--prune", type=click.Choice(PRUNERS),
                     help="Stop weak trials of the first seed early; their candidates are reported,"
                          " never compared."),
        click.option("--epochs", type=click.IntRange(1, 10_000), metavar="N",
                     help="Of each training.  [default: the recipe's]"),
        click.option("--seeds", type=click.IntRange(1, 1_000), default=3, show_default=True,
                     metavar="K", help="Trainings of each candidate, paired by seed; more of them"
                                       " go on with a study that is there."),
        click.option("--trials", "candidates", type=click.IntRange(1), metavar="N",
                     help="Candidates that random and tpe try."),
        click.option("--metric", type=click.Choice(METRICS), default="accuracy",
                     show_default=True, help="What is scored on the validation images."),
        click.option("--score", default="final", show_default=True, metavar="KIND",
                     help="final, or mean:K or max:K of the last K epochs."),
        click.option("--phi", type=FiniteRange(0, 10, min_open=True), default=1.0,
                     show_default=True, help="Where the candidates are compared."),
        click.option("--tolerance", default="0.1", show_default=True,
                     help="Largest |alpha * beta^2 * gamma^2 - 2|."),
        click.option("--step", default="0.1", show_default=True, help="Of the grid."),
        click.option("--strategy", type=click.Choice(STRATEGIES), default="grid",
                     show_default=True, help="Which candidates of the grid are tried."),
    ):  # fmt: skip
        function = option(function)
    return function


@command.command("coefficients")
@click.option("--recipe", required=True, metavar="RECIPE",
              help="Baseline, data and training: a recipe.toml or a shipped name.")  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="STUDY",
              help="Folder of the study; one that is there is gone on with.")  # fmt: skip
@_options
@click.option("--engine", type=click.Choice(ENGINES), default="local", show_default=True,
              help="Where trials run.")  # fmt: skip
@click.option("--address", metavar="ADDRESS",
              help="Of the Ray cluster, e.g. 10.0.0.1:6379.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 1024), metavar="N",
              help="Trials at a time.  [default: one per core]")  # fmt: skip
@click.option("--dry-run", is_flag=True,
              help="Show candidates, cost and expected hours; write nothing.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def coefficients(
    out: Path | None, engine: str, address: str | None, jobs: int | None, **flags: Any
) -> None:
    """Search alpha, beta and gamma: train candidates of equal cost, compare them honestly.

    A search that was stopped goes on where it was. The report says which candidates are tied; the
    published 1.2/1.1/1.15 are kept unless one beats them at 95 %. Needs: pip install
    'edgescale[search]'.
    """
    dry_run, as_json = flags.pop("dry_run"), flags.pop("as_json")
    options = _search_options(**flags)
    if address is not None and engine != "ray":
        raise click.UsageError("--address is for --engine ray")
    if dry_run:
        with closing(_engine(engine, jobs, address)(None)) as chosen:
            # More processes than cores take turns; a cluster has a core for each of its slots.
            able = chosen.slots if engine == "ray" else min(chosen.slots, cores())
            _dry_run(options, chosen.slots, able, as_json)
        return
    if out is None:
        raise click.UsageError("Missing option '-o' / '--out'")
    with terminable():
        _search(options, out, lambda: _engine(engine, jobs, address), as_json)


def _search_options(**flags: Any) -> SearchOptions:
    trained, untrained = flags.pop("train_baseline"), flags.pop("untrained_baseline")
    if trained and untrained:
        raise click.UsageError("--train-baseline and --untrained-baseline exclude each other")
    if (flags["strategy"] == "grid") != (flags["candidates"] is None):
        raise click.UsageError("--trials is needed by --strategy random and tpe, and by them alone")
    return SearchOptions(
        recipe=find_recipe(flags.pop("recipe")),
        scoring=parse_scoring(flags.pop("score"), flags.pop("metric")),
        baseline="trained" if trained else "untrained" if untrained else "published",
        **flags,
    )


def _search(
    options: SearchOptions, out: Path, choose: Callable[[], EngineOf], as_json: bool
) -> None:
    """Runs the study and its report; every way out ends the engine and its trials."""
    from edgescale.search.report import write_report
    from edgescale.search.storage import require_search
    from edgescale.search.study import run_study, searching

    require_search()
    require_tensorflow()
    search = plan_search(options)
    if isinstance(search.data, ClassFolders):
        search.data.check_images()
    engine_of = choose()
    with searching(out) as lock, _resumable(out), closing(engine_of(lock)) as engine:
        progress = Progress(search, engine.slots)
        view = run_study(search, out, engine, progress.ended)
        failure = _failure(search, view)
        if failure is not None and not _can_judge(view):
            raise failure
        verdict = write_report(view, out)
    if as_json:
        show.json_object(outcome(view, verdict, out))
    else:
        print_outcome(view, verdict, out)
    if failure is not None:
        raise failure


def _can_judge(view: StudyView) -> bool:
    """Says whether the published coefficients have a score to compare with."""
    incumbent = view.space.incumbent.identity
    return any(r.candidate == incumbent and r.score is not None for r in view.records)


def _failure(search: Search, view: StudyView) -> SearchError | None:
    records = view.records + view.baseline_scores
    failed = [record for record in records if record.state == "failed"]
    if not failed:
        return None
    return SearchError(
        f"{len(failed)} of {search.trials} trials failed, first {failed[0].identity}:"
        f" {failed[0].said}; search again to try them once more"
    )


def _engine(name: str, jobs: int | None, address: str | None) -> EngineOf:
    """Returns what makes the engine; a cluster that is not there is found before a file is made."""
    if name == "ray":
        from edgescale.search.ray_engine import connect

        cluster = connect(address, jobs)
        return lambda lock: cluster
    from edgescale.search.local import LocalEngine

    return lambda lock: LocalEngine(jobs or cores(), lock)


@contextmanager
def _resumable(out: Path) -> Iterator[None]:
    """Says how to go on where the search is interrupted."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        log.warning("%s: the search was stopped; the same command goes on where it was", out)
        raise


def _dry_run(options: SearchOptions, slots: int, able: int, as_json: bool) -> None:
    search, hours, why = _looked_at(options, able)
    record = plan_record(search, hours, why, slots)
    if as_json:
        show.json_object(record)
    else:
        print_plan(search, record)


def _looked_at(options: SearchOptions, slots: int) -> tuple[Search, Any, str | None]:
    """Returns the search and what it takes, or why that is not known."""
    from edgescale.search.estimate import estimate

    try:
        search = plan_search(options)
    except DataError as problem:
        search = plan_search(options, classes=_CLASSES_UNSEEN)
        return search, None, f"{problem} (counted with {_CLASSES_UNSEEN} classes)"
    try:
        return search, estimate(search, slots), None
    except EdgescaleError as problem:
        return search, None, str(problem)
