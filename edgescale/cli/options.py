"""Flags that several verbs share, and what they do alike: progress and SIGTERM."""

import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from edgescale.cli.show import on_terminal
from edgescale.inference.worker import EDGETPU_PERFORMANCE, WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.units import MIB

Command = Callable[..., Any]


def above_zero(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuses zero, negative numbers, infinity and NaN as wrong usage; None is no limit."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise click.BadParameter(f"{value:g} is not a number above zero", ctx, param)
    return value


class FiniteRange(click.FloatRange):
    """A range of numbers; NaN, which no comparison refuses, is not in it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Returns the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number:g} is not a finite number", param, ctx)
        return number


def _library_file(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    """Returns the path of a library that lies here; a bare name is left to the system's loader."""
    return f"./{name}" if name and "/" not in name and Path(name).is_file() else name


EDGETPU_LIBRARY = click.option(
    "--edgetpu-library",
    metavar="FILE",
    callback=_library_file,
    help="The Edge TPU library (else the system's).",
)
FAMILY = click.argument("family", type=click.Path(path_type=Path))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
PROFILES = click.option(
    "--profiles",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the device profiles (else EDGESCALE_DEVICES, else the user's state folder).",
)


def device_options(command: Command) -> Command:
    """Adds the flags that say where and with what a model runs, given on as ``settings``."""

    @wraps(command)
    def with_settings(**flags: Any) -> Any:
        names = ("device", "runtime", "threads", "edgetpu_library", "edgetpu_performance")
        settings = WorkerSettings(**{name: flags.pop(name) for name in names})
        return command(settings=settings, **flags)

    return _with_options(
        with_settings,
        click.option(
            "--device",
            default="auto",
            show_default=True,
            help="auto, cpu, usb, pci, usb:<N>, pci:<N> or :<N>.",
        ),
        click.option(
            "--runtime",
            metavar="NAME",
            help="ai_edge_litert, tflite_runtime or tensorflow (else the first that works).",
        ),
        click.option(
            "--threads",
            type=click.IntRange(1, 256),
            help="Threads of the interpreter on the CPU (else as many as measure best here).",
        ),
        EDGETPU_LIBRARY,
        click.option(
            "--edgetpu-performance",
            type=click.Choice(EDGETPU_PERFORMANCE),
            help="Clock of the Edge TPU (else the library's own, max).",
        ),
    )


def budget_options(command: Command) -> Command:
    """Adds the limits of a budget, given on as ``budget``."""

    @wraps(command)
    def with_budget(**flags: Any) -> Any:
        memory_mib = flags.pop("memory_budget")
        budget = Budget(
            latency_ms=flags.pop("latency_budget"),
            percentile=int(flags.pop("percentile")),
            min_fps=flags.pop("min_fps"),
            memory_bytes=None if memory_mib is None else memory_mib * MIB,
            min_accuracy=flags.pop("min_accuracy"),
            on_chip_only=flags.pop("on_chip_only"),
        )
        return command(budget=budget, **flags)

    return _with_options(
        with_budget,
        click.option(
            "--latency-budget",
            type=float,
            callback=above_zero,
            metavar="MS",
            help="Largest p95 time from a decoded frame to its answer, in milliseconds, of one"
            " 640x480 frame in flight; a file keeps two, so its answers are up to twice as old.",
        ),
        click.option(
            "--percentile",
            type=click.Choice(["95", "99"]),
            default="95",
            show_default=True,
            help="The percentile of the latency that the budget holds; 99 takes longer to prove.",
        ),
        click.option(
            "--min-fps",
            type=float,
            callback=above_zero,
            metavar="F",
            help="Fewest frames per second.",
        ),
        click.option(
            "--memory-budget",
            type=float,
            callback=above_zero,
            metavar="MIB",
            help="Most memory (PSS) of worker and main process together, in MiB (2^20 bytes), as"
            " measured: without video decoder and frames.",
        ),
        click.option(
            "--min-accuracy",
            type=FiniteRange(0, 1),
            metavar="SHARE",
            help="Lowest int8 top-1 accuracy on the family's held-out images, 0 to 1.",
        ),
        click.option(
            "--on-chip-only/--no-on-chip-only",
            default=False,
            help="Edge TPU: only variants whose weights all stay in the chip's memory.",
        ),
    )


def _with_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Adds options in the order in which the help shows them."""
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Gives a callback that draws a bar on stderr, or None where that is no terminal.

    The bar appears with the first step: often nothing has to be measured at all.
    """
    if not on_terminal():
        yield None
        return
    with ExitStack() as stack:
        bars: list[Any] = []

        def show(done: int, total: int) -> None:
            if not bars:
                bar = click.progressbar(length=total, label=label, file=sys.stderr)
                bars.append(stack.enter_context(bar))
            bars[0].update(done - bars[0].pos)
            if done >= total:
                stack.close()

        yield show


@contextmanager
def terminable() -> Iterator[None]:
    """Turns SIGTERM and a closed terminal into an orderly exit: workers and files are closed.

    The status is 128 plus the signal, as shells report it. A signal that is ignored stays so:
    ``nohup`` means it.
    """

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
