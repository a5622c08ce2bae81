"""``edgescale classify``: frames in, one line per frame out, until source or user ends it."""

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import click

from edgescale.cli import show
from edgescale.cli.options import (
    FAMILY,
    PROFILES,
    budget_options,
    device_options,
    progress_bar,
    terminable,
)
from edgescale.family.store import load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.stream.annotate import NOT_SURE, annotate
from edgescale.stream.event import Event
from edgescale.stream.pipeline import FrameResult, classify
from edgescale.stream.sink import VideoSink, event_record, result_record
from edgescale.stream.stats import RunStats
from edgescale.units import milliseconds


def _number(ctx: click.Context, param: click.Parameter, value: float) -> float:
    """Refuses NaN, which lies in every range."""
    if math.isnan(value):
        raise click.BadParameter("nan is not in the range 0<=x<=1.", ctx, param)
    return value


@click.command()
@FAMILY
@click.option(
    "--source",
    required=True,
    metavar="0|/dev/video0|FILE|FOLDER",
    help="A camera, a video file, an image, or a folder of images.",
)
@click.option("--variant", metavar="NAME", help="Run this variant instead of selecting one.")
@click.option(
    "--adapt",
    is_flag=True,
    help="Change the variant while running, so that the latency budget holds under heat and load.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per frame, and per event."
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="OUT.mkv",
    help="Write the annotated frames as video (.mkv or .avi).",
)
@click.option(
    "--top-k",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="Predictions per frame.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    callback=_number,
    default=0.0,
    show_default=True,
    help="Leave out predictions with a lower score.",
)
@click.option("--max-frames", type=click.IntRange(1), metavar="N", help="Stop after N frames.")
@budget_options
@device_options
@PROFILES
def command(  # noqa: PLR0913 - one argument for each flag
    family: Path,
    source: str,
    variant: str | None,
    adapt: bool,
    as_json: bool,
    save: Path | None,
    top_k: int,
    threshold: float,
    max_frames: int | None,
    budget: Budget,
    settings: WorkerSettings,
    profiles: Path | None,
) -> None:
    """Classify a camera, a video or a folder of images with a variant of FAMILY.

    Without --variant the largest variant that fits the budget is selected by its profile on this
    machine; where no fresh profile is stored, it is measured first. A file gives every frame, a
    camera the newest. A file keeps two frames in flight, so its answers are up to twice as old as
    the latency that was budgeted. A worker that dies is started again, with --device auto on
    another device where that does not help. Ctrl-C ends the run and keeps what was saved.
    """
    if variant is not None and budget != Budget():
        raise click.UsageError("--variant names the variant, a budget selects one; give either")
    if adapt and variant is not None:
        raise click.UsageError("--adapt changes the variant, --variant fixes it; give either")
    if adapt and budget.latency_ms is None:
        raise click.UsageError("--adapt keeps a latency budget; give one with --latency-budget")
    loaded = load_family(family)
    with ExitStack() as stack:
        stack.enter_context(terminable())
        sink = stack.enter_context(VideoSink(save, source=source)) if save else None
        stats = stack.enter_context(_summary())
        results = classify(
            loaded,
            source,
            variant=variant,
            device=settings.device,
            runtime=settings.runtime,
            threads=settings.threads,
            edgetpu_library=settings.edgetpu_library,
            edgetpu_performance=settings.edgetpu_performance,
            top_k=top_k,
            threshold=threshold,
            max_frames=max_frames,
            budget=None if variant else budget,
            adapt=adapt,
            profiles=profiles,
            progress=stack.enter_context(progress_bar("measuring")),
            on_event=partial(_show_event, source=source, as_json=as_json),
        )
        for result in stack.enter_context(closing(results)):
            # Saved first: a line that was printed stands for a frame that was saved.
            if sink is not None:
                sink.write(annotate(result.image, result.predictions), fps=result.source_fps)
            if not _printed(_json_line(result, source) if as_json else _text_line(result)):
                break
            label = result.predictions[0].label if result.predictions else None
            stats.add(label, dropped=result.dropped, now_s=time.monotonic())


@contextmanager
def _summary() -> Iterator[RunStats]:
    """Counts the run and says on stderr what it came to, however it ended."""
    stats = RunStats()
    try:
        yield stats
    finally:
        if stats.frames:
            click.echo(summary_text(stats), err=True)


def summary_text(stats: RunStats) -> str:
    """Returns frames, rate, drops and the most frequent top-1 in one line."""
    rate = "" if stats.fps is None else f", {stats.fps:.1f} fps"
    text = f"{stats.frames} frames{rate}, {stats.dropped} dropped"
    if stats.most_frequent is None:
        return f"{text}, never sure"
    label, times = stats.most_frequent
    return f"{text}, most often {show.printable(label)} ({times} of {stats.frames})"


def _printed(line: str) -> bool:
    """Prints a line; False where the reader went away, as ``| head`` does, which is no error."""
    try:
        click.echo(line)
    except BrokenPipeError:
        # What is still buffered would raise again when Python flushes it on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _show_event(event: Event, *, source: str, as_json: bool) -> None:
    """Prints what happened beside the results: as JSON among theirs, else on stderr."""
    if as_json:
        _printed(json.dumps(event_record(event, source), allow_nan=False))
    else:
        click.echo(show.printable(f"{event.kind}: {event.text}"), err=True)


def _json_line(result: FrameResult, source: str) -> str:
    return json.dumps(result_record(result, source), allow_nan=False)


def _text_line(result: FrameResult) -> str:
    place = f"frame {result.index}"
    if result.name is not None:
        place = result.name
    elif result.position_s is not None:
        place += f" at {result.position_s:.2f} s"
    found = "; ".join(f"{one.label} {one.score:.2f}" for one in result.predictions) or NOT_SURE
    return show.printable(f"{place}: {found} ({milliseconds(result.age_ms)})")
