"""Flags that several verbs share, and what they do alike: progress and SIGTERM."""

import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from edgescale.cli.show import on_terminal

Command = TypeVar("Command", bound=Callable[..., Any])


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


FAMILY = click.argument("family", type=click.Path(path_type=Path))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
PROFILES = click.option(
    "--profiles",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the device profiles (else EDGESCALE_DEVICES, else the user's state folder).",
)


def device_options(command: Command) -> Command:
    """Adds the flags that say where and with what a model runs."""
    for option in (
        click.option(
            "--edgetpu-library", metavar="FILE", help="The Edge TPU library (else the system's)."
        ),
        click.option(
            "--threads",
            type=click.IntRange(1, 256),
            default=1,
            show_default=True,
            help="Threads of the interpreter on the CPU.",
        ),
        click.option(
            "--runtime",
            metavar="NAME",
            help="ai_edge_litert, tflite_runtime or tensorflow (else the first that works).",
        ),
        click.option(
            "--device",
            default="auto",
            show_default=True,
            help="auto, cpu, usb, pci, usb:<N>, pci:<N> or :<N>.",
        ),
    ):
        command = option(command)
    return command


def budget_options(command: Command) -> Command:
    """Adds the limits of a budget."""
    for option in (
        click.option(
            "--memory-budget",
            type=float,
            callback=above_zero,
            metavar="MIB",
            help="Most memory of worker (peak) and main process together, in MiB (2^20 bytes), as"
            " measured: without video decoder and frames.",
        ),
        click.option(
            "--min-fps",
            type=float,
            callback=above_zero,
            metavar="F",
            help="Fewest frames per second.",
        ),
        click.option(
            "--latency-budget",
            type=float,
            callback=above_zero,
            metavar="MS",
            help="Largest p95 time from a decoded frame to its answer, in milliseconds, of one"
            " 640x480 frame in flight; a file keeps two, so its answers are up to twice as old.",
        ),
    ):
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
