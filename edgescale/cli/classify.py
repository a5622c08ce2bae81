"""``edgescale classify``: frames in, answers out, until source or user ends it."""

import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edgescale.cli.classify_options import (
    CONFIG,
    GroupedCommand,
    refused_as_usage,
    source_options,
    specs_of,
)
from edgescale.cli.classify_output_flags import output_options, settings_of
from edgescale.cli.classify_outputs import add_sinks
from edgescale.cli.classify_summary import summary_text
from edgescale.cli.options import (
    FAMILY,
    PROFILES,
    FiniteRange,
    budget_options,
    device_options,
    progress_bar,
    terminable,
)
from edgescale.family.store import load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.stream.config.config import LiveConfig
from edgescale.stream.event import Event
from edgescale.stream.pipeline import Pipeline
from edgescale.stream.presence import PresenceLimits

log = logging.getLogger(__name__)

_LIMITS = PresenceLimits()
_LONGEST_S = 4_000_000  # 46 days; a thread of a 32-bit system waits no longer
_BUDGET = (
    "latency_budget",
    "min_fps",
    "memory_budget",
    "min_accuracy",
    "on_chip_only",
    "percentile",
)


def _number(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuses NaN, which lies in every range."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is not in the range 0<=x<=1.", ctx, param)
    return value


@click.command(cls=GroupedCommand)
@FAMILY
@CONFIG
@source_options
@click.option("--variant", metavar="NAME", help="Run this variant instead of selecting one.")
@click.option(
    "--adapt/--no-adapt",
    default=False,
    help="Change the variant while running, so that the latency budget holds under heat and load.",
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
    help="Leave out predictions with a lower score; a frame without any is 'not sure'.",
)
@click.option(
    "--smooth",
    type=FiniteRange(0, 3600, min_open=True),
    metavar="SECONDS",
    help="Average the scores over time, exponentially with this time constant.",
)
@click.option(
    "--enter",
    type=FiniteRange(0, 1, min_open=True),
    metavar="SCORE",
    help=f"A label enters (an event) once its score stays at or above this ({_LIMITS.enter});"
    " each of these three flags asks for events, as do outputs that need them.",
)
@click.option(
    "--leave",
    type=FiniteRange(0, 1, min_open=True),
    metavar="SCORE",
    help=f"It leaves once its score stays below this ({_LIMITS.leave}, or --enter if lower).",
)
@click.option(
    "--presence-time",
    type=FiniteRange(0, 3600),
    metavar="SECONDS",
    help=f"Either must hold for so long without a break ({_LIMITS.duration_s:g}).",
)
@output_options
@click.option("--max-frames", type=click.IntRange(1), metavar="N", help="Stop after N frames.")
@click.option(
    "--duration",
    type=FiniteRange(0, _LONGEST_S, min_open=True),
    metavar="SECONDS",
    help="Stop after so many seconds.",
)
@budget_options
@device_options
@PROFILES
def command(
    family: Path,
    config: LiveConfig,
    budget: Budget,
    settings: WorkerSettings,
    profiles: Path | None,
    **flags: Any,
) -> None:
    """Classify cameras, streams, videos or images with a variant of FAMILY.

    Without --variant the largest variant that fits the budget is selected by its profile on this
    machine; where no fresh profile is stored, it is measured first. A file gives every frame, a
    camera or stream the newest; several sources share the model fairly. A file keeps two frames in
    flight, so its answers are up to twice as old as the latency that was budgeted. A worker that
    dies is started again, with --device auto on another device where that does not help; a stream
    that is lost is opened again. Ctrl-C ends the run and keeps what was saved.
    """
    model = _model(flags, budget)
    with refused_as_usage():
        outputs = settings_of(config.outputs, flags)
        specs = specs_of(
            config,
            flags["sources"],
            {field: flags[field] for field in ("roi", "rotate", "max_fps")},
            {
                "size": flags["camera_size"],
                "fps": flags["camera_fps"],
                "pixel_format": flags["camera_format"],
            },
        )
    presence = _presence(flags, wanted=outputs.want_presence)
    with ExitStack() as stack:
        stack.enter_context(terminable())
        pipeline = Pipeline(
            load_family(family),
            specs,
            **model,
            device=settings.device,
            runtime=settings.runtime,
            threads=settings.threads,
            edgetpu_library=settings.edgetpu_library,
            edgetpu_performance=settings.edgetpu_performance,
            top_k=flags["top_k"],
            threshold=flags["threshold"],
            smooth_s=flags["smooth"],
            presence=presence,
            max_frames=flags["max_frames"],
            duration_s=flags["duration"],
            profiles=profiles,
            progress=stack.enter_context(progress_bar("measuring")),
            on_event=None if outputs.lines == "none" else _shown_already,
        )
        add_sinks(pipeline, outputs, specs)
        stack.enter_context(_summary(pipeline))
        stack.enter_context(pipeline).run()


def _model(flags: dict[str, Any], budget: Budget) -> dict[str, Any]:
    """Returns what chooses the variant; a flag wins over what excludes it in the configuration.

    Raises:
        click.UsageError: flags that exclude each other.
    """
    variant, adapt = flags["variant"], flags["adapt"]
    if _given("variant"):
        if not any(map(_given, _BUDGET)):
            budget = Budget()
        adapt = adapt and _given("adapt")
    elif any(map(_given, _BUDGET)) or _given("adapt"):
        variant = None
    if variant is not None and budget != Budget():
        raise click.UsageError("--variant names the variant, a budget selects one; give either")
    if adapt and variant is not None:
        raise click.UsageError("--adapt changes the variant, --variant fixes it; give either")
    if adapt and budget.latency_ms is None:
        raise click.UsageError("--adapt keeps a latency budget; give one with --latency-budget")
    return {"variant": variant, "adapt": adapt, "budget": None if variant else budget}


def _given(flag: str) -> bool:
    """Says whether the command line, not the configuration, asks for it; ``--no-...`` does not."""
    ctx = click.get_current_context()
    stands_there = ctx.get_parameter_source(flag) is ParameterSource.COMMANDLINE
    return stands_there and ctx.params[flag] is not False


def _presence(flags: dict[str, Any], *, wanted: bool) -> PresenceLimits | None:
    """Returns when a label enters and leaves; None where nobody asks.

    Raises:
        click.UsageError: limits that no score could satisfy.
    """
    enter, leave, duration_s = flags["enter"], flags["leave"], flags["presence_time"]
    if enter is leave is duration_s is None and not wanted:
        return None
    enter, usual = (_LIMITS.enter, ", its default") if enter is None else (enter, "")
    if leave is None:
        leave = min(_LIMITS.leave, enter)
    if leave > enter:
        raise click.UsageError(
            f"--leave {leave:g} is above --enter {enter:g}{usual}; lower it, or raise --enter"
        )
    return PresenceLimits(enter, leave, _LIMITS.duration_s if duration_s is None else duration_s)


def _shown_already(event: Event) -> None:
    """The lines on stdout and stderr show it, in order with the results."""
    log.debug("%s: %s", event.kind, event.text)


@contextmanager
def _summary(pipeline: Pipeline) -> Iterator[None]:
    """Says on stderr what the run came to, however it ended; an error before it began says all."""
    clean = False
    try:
        yield
        clean = True
    finally:
        if clean or pipeline.stats.frames:
            click.echo(summary_text(pipeline.stats), err=True)
