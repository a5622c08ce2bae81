"""The flags of ``edgescale plan`` that say what is scaled, how, and within which limits.

Files and numbers become a ``Baseline``, ``ScalingRules`` and ``Limits`` here and nowhere else.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgescale.architecture.baseline import BASELINES, Baseline, find_baseline
from edgescale.architecture.rounding import ROUNDINGS
from edgescale.cli.options import Command
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import DEFAULTS, EQUATIONS, Coefficients
from edgescale.scaling.variant import ScalingRules
from edgescale.units import parse_bytes, parse_count

_OF_SCALING = ("coefficients_file", "alpha", "beta", "gamma", "equation", "rounding",
               "resolution_step", "trim", "fix_stem_head")  # fmt: skip


def _amount(parse: Callable[[str], int]) -> Callable[..., int | None]:
    """Returns the callback that reads a flag with its unit; what it cannot read is wrong usage."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
        try:
            return None if value is None else parse(value)
        except ValueError as problem:
            raise click.BadParameter(str(problem), ctx, param) from problem

    return read


def limit_options(command: Command) -> Command:
    """Adds the limits; their names are those of ``Limits``."""
    for option in (
        click.option("--max-params", "parameters", metavar="COUNT",
                     callback=_amount(parse_count), help="Most trainable parameters."),
        click.option("--max-macs", "macs", metavar="COUNT",
                     callback=_amount(parse_count),
                     help="Most MACs of one image, e.g. 600M; 1 MAC = 2 operations."),
        click.option("--max-file-bytes", "file_bytes", metavar="SIZE",
                     callback=_amount(parse_bytes),
                     help="Largest .tflite file, as predicted."),
        click.option("--max-bytes", "weight_bytes", metavar="SIZE",
                     callback=_amount(parse_bytes),
                     help="Most int8 weights and biases, e.g. 4000000, 4MB (10^6) or 4MiB (2^20);"
                     " the largest phi that keeps all limits given is planned."),
    ):  # fmt: skip
        command = option(command)
    return command


def _defaults(index: int) -> str:
    power, linear = (DEFAULTS[equation][index] for equation in EQUATIONS)
    return f"{power:g}; linear: {linear:g}"


def scaling_options(command: Command) -> Command:
    """Adds what ``baseline_of`` and ``rules_of`` take."""
    for option in (
        click.option("--trim/--no-trim", default=True, show_default=True,
                     help="Move the resolution to the promised MACs."),
        click.option("--resolution-step", default=8, show_default=True,
                     type=click.IntRange(1, 512), help="Grid of input sizes in pixels."),
        click.option("--rounding", default="nearest", show_default=True,
                     type=click.Choice(ROUNDINGS), help="Of repeats; reference is the paper's."),
        click.option("--equation", type=click.Choice(EQUATIONS), show_default="power",
                     help="power: alpha^phi (Eq. 3); linear: 1 + alpha*phi (Eq. 4)."),
        click.option("--gamma", type=float, show_default=_defaults(2),
                     help="Resolution coefficient."),
        click.option("--beta", type=float, show_default=_defaults(1), help="Width coefficient."),
        click.option("--alpha", type=float, show_default=_defaults(0), help="Depth coefficient."),
        click.option("--coefficients", "coefficients_file", type=click.Path(path_type=Path),
                     metavar="FILE", help="coefficients.json of a search, in place of the four"
                     " flags that follow."),
        click.option("--fix-stem-head", is_flag=True,
                     help="Keep stem, head and the repeats of the first and last stage."),
        click.option("--baseline", "baseline_name", default="efficientnet-edgetpu",
                     show_default=True, metavar="NAME|FILE",
                     help=f"Network to scale: {', '.join(sorted(BASELINES))}, or a .toml file."),
    ):  # fmt: skip
        command = option(command)
    return command


def refuse_flags_of_scaling(*, all_of_them: bool) -> None:
    """Refuses flags that change how phi scales, beside networks that are as published.

    Args:
        all_of_them: nothing is scaled by a phi; else only what would change a published network.

    Raises:
        UsageError: names the first such flag.
    """
    ctx = click.get_current_context()
    for param in ctx.command.params:
        given = ctx.get_parameter_source(str(param.name)) == click.core.ParameterSource.COMMANDLINE
        if given and param.name in (_OF_SCALING if all_of_them else ("fix_stem_head",)):
            flag = "/".join((*param.opts, *param.secondary_opts))
            raise click.UsageError(f"--variants are as published; leave {flag} out", ctx)


def baseline_of(name_or_file: str, *, fix_stem_head: bool) -> Baseline:
    """Returns the baseline of the flags; a name that ends in ``.toml`` is a file.

    Raises:
        ArchitectureError: there is none of this name, or the file describes no network.
    """
    if name_or_file.endswith(".toml"):
        from edgescale.builder.baseline_file import read_baseline

        baseline = read_baseline(Path(name_or_file))
    elif name_or_file not in BASELINES and os.path.lexists(name_or_file):
        raise ArchitectureError(
            f"baseline '{name_or_file}' is there, but the name of a baseline's file must end in"
            " .toml; rename it"
        )
    else:
        baseline = find_baseline(name_or_file)
    return replace(baseline, fix_stem_head=baseline.fix_stem_head or fix_stem_head)


def rules_of(
    *,
    coefficients_file: Path | None,
    equation: str | None,
    alpha: float | None,
    beta: float | None,
    gamma: float | None,
    **grid: Any,
) -> ScalingRules:
    """Returns the rules of the flags.

    Raises:
        UsageError: coefficients both from a file and from flags.
        ArchitectureError: coefficients out of the equation's range.
    """
    if coefficients_file is None:
        coefficients = Coefficients.of(equation or "power", alpha=alpha, beta=beta, gamma=gamma)
        return ScalingRules(coefficients, **grid)
    if any(flag is not None for flag in (equation, alpha, beta, gamma)):
        raise click.UsageError(
            "--coefficients brings --equation, --alpha, --beta and --gamma; give the file or them"
        )
    from edgescale.builder.coefficients_file import read_coefficients

    stored = read_coefficients(coefficients_file)
    return ScalingRules(stored.coefficients, searched=stored.searched, **grid)
