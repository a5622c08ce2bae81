"""``edgescale plan``: what scaling gives for a list of phi, without training or TensorFlow."""

from typing import Any

import click

from edgescale.architecture.baseline import BASELINES, find_baseline
from edgescale.architecture.rounding import ROUNDINGS
from edgescale.cli import show
from edgescale.errors import ArchitectureError
from edgescale.scaling.coefficients import DEFAULTS, EQUATIONS, Coefficients
from edgescale.scaling.variant import ScalingRules, Variant, published, scale
from edgescale.units import count, mib, millions

_DEFAULT_PHIS = "-2,-1,0,1,2,3"


def _defaults(index: int) -> str:
    power, linear = (DEFAULTS[equation][index] for equation in EQUATIONS)
    return f"{power:g}; linear: {linear:g}"


@click.command("plan")
@click.option("--baseline", "baseline_name", default="efficientnet-edgetpu", show_default=True,
              type=click.Choice(sorted(BASELINES)), help="Network to scale.")  # fmt: skip
@click.option("--phi", "phis", metavar="LIST", help="Phis, e.g. --phi=-2,-1,0,0.5,1,2.")
@click.option("--variants", "names", metavar="LIST", help="Published names, e.g. s,m,l or lite0.")
@click.option("--classes", default=1000, show_default=True, type=click.IntRange(2, 100_000))
@click.option("--alpha", type=float, show_default=_defaults(0), help="Depth coefficient.")
@click.option("--beta", type=float, show_default=_defaults(1), help="Width coefficient.")
@click.option("--gamma", type=float, show_default=_defaults(2), help="Resolution coefficient.")
@click.option("--equation", default="power", show_default=True, type=click.Choice(EQUATIONS),
              help="power: alpha^phi (Eq. 3); linear: 1 + alpha*phi (Eq. 4).")  # fmt: skip
@click.option("--rounding", default="nearest", show_default=True, type=click.Choice(ROUNDINGS))
@click.option("--resolution-step", default=8, show_default=True, type=click.IntRange(1, 512),
              help="Grid of input sizes in pixels.")  # fmt: skip
@click.option("--trim/--no-trim", default=True, show_default=True,
              help="Move the resolution to the promised MACs.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    baseline_name: str,
    phis: str | None,
    names: str | None,
    classes: int,
    as_json: bool,
    **rules: Any,
) -> None:
    """Show what scaling gives: size and cost of each phi, without training."""
    baseline = find_baseline(baseline_name)
    if phis is None and names is None:
        phis = _DEFAULT_PHIS
    scaling = _rules(**rules)
    variants = [
        scale(baseline, phi, classes=classes, rules=scaling) for phi in _numbers(phis or "")
    ]
    variants += [published(baseline, name, classes=classes) for name in _words(names or "")]
    if not variants:
        raise click.UsageError("--phi and --variants name nothing; give e.g. --phi=-1,0,1")
    if as_json:
        show.json_object({"baseline": baseline.name, "classes": classes,
                          "variants": [_record(variant) for variant in variants]})  # fmt: skip
    else:
        click.echo(show.table(_HEADINGS, [_row(variant) for variant in variants]))


def _rules(
    *, alpha: float | None, beta: float | None, gamma: float | None, equation: str, **grid: Any
) -> ScalingRules:
    return ScalingRules(Coefficients.of(equation, alpha=alpha, beta=beta, gamma=gamma), **grid)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in _words(text)]
    except ValueError as problem:
        raise ArchitectureError(
            f"--phi '{text}' is not a list of numbers; write it like --phi=-1,0,0.5,1"
        ) from problem


_HEADINGS = ("variant", "depth", "width", "px", "parameters", "MACs", "x baseline", "asked",
             "int8 weights", "peak activations")  # fmt: skip


def _row(variant: Variant) -> tuple[str, ...]:
    return (
        variant.name,
        f"{variant.depth_coefficient:.3f}",
        f"{variant.width_coefficient:.3f}",
        str(variant.resolution),
        count(variant.cost.parameters),
        millions(variant.cost.macs),
        f"{variant.macs_ratio:.2f}",
        f"{variant.asked_macs_ratio:.2f}",
        mib(variant.cost.weight_bytes),
        mib(variant.cost.peak_activation_bytes),
    )


def _record(variant: Variant) -> dict[str, Any]:
    return {
        "name": variant.name,
        "phi": variant.phi,
        "depth_coefficient": variant.depth_coefficient,
        "width_coefficient": variant.width_coefficient,
        "resolution": variant.resolution,
        "parameters": variant.cost.parameters,
        "macs": variant.cost.macs,
        "macs_ratio": variant.macs_ratio,
        "asked_macs_ratio": variant.asked_macs_ratio,
        "weight_bytes": variant.cost.weight_bytes,
        "peak_activation_bytes": variant.cost.peak_activation_bytes,
    }
