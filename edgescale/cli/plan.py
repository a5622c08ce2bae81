"""``edgescale plan``: what scaling gives for phis or a budget, without training or TensorFlow."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import click

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.file_size import file_bytes
from edgescale.cli import show
from edgescale.cli.forecast_table import layers_table
from edgescale.cli.plan_devices import (
    Devices,
    device_options,
    devices_of,
    predictions,
)
from edgescale.cli.scaling_options import (
    baseline_of,
    limit_options,
    refuse_flags_of_scaling,
    rules_of,
    scaling_options,
)
from edgescale.errors import ArchitectureError
from edgescale.scaling.solve import Limits, Solution, in_words, phi_from_times, solve
from edgescale.scaling.variant import LARGEST_PHI, ScalingRules, Variant, published, scale
from edgescale.units import count, mib, millions, share

_COUNTED = tuple(field.name for field in fields(Limits) if field.name != "latency")
_DEFAULT_PHIS = "-2,-1,0,1,2,3"
_OPERATIONS_PER_MAC = 2


@click.command("plan")
@click.option("--phi", "phis", metavar="LIST", help="Phis, e.g. --phi=-2,-1,0,0.5,1,2.")
@click.option("--times", metavar="LIST",
              help="In place of --phi: N times larger, e.g. 4,32; phi is log2 N.")  # fmt: skip
@click.option("--variants", "names", metavar="LIST",
              help="Published names, e.g. s,m,l or lite0 or b0.")  # fmt: skip
@click.option("--classes", default=1000, show_default=True, type=click.IntRange(2, 100_000))
@limit_options
@device_options
@scaling_options
@click.option("--architecture", "architecture_file", type=click.Path(path_type=Path),
              metavar="FILE", help="Write the one variant planned as JSON: layers, connections,"
              " operations, shapes.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(architecture_file: Path | None, as_json: bool, with_layers: bool, **flags: Any) -> None:
    """Show what scaling gives: size and cost of each phi, without training.

    With a limit (--max-...) phi is solved: the largest, in steps of 0.001, whose network keeps it.
    """
    asked = _asked(**flags)
    planned = _planned(asked)
    if with_layers:
        _refuse_many(planned.variants, asked.devices)
    if architecture_file is not None:
        _write_architecture(architecture_file, planned.variants)
    if as_json:
        show.json_object(_plan_record(asked, planned, with_layers=with_layers))
    else:
        click.echo(_plan_text(asked, planned, with_layers=with_layers))


@dataclass(frozen=True)
class _Asked:
    baseline: Baseline
    rules: ScalingRules
    classes: int
    phis: tuple[float, ...]
    names: tuple[str, ...]
    limits: Limits
    devices: Devices


@dataclass(frozen=True)
class _Planned:
    variants: tuple[Variant, ...]
    solution: Solution | None


def _planned(asked: _Asked) -> _Planned:
    baseline, classes, rules = asked.baseline, asked.classes, asked.rules
    variants = [scale(baseline, phi, classes=classes, rules=rules) for phi in asked.phis]
    variants += [published(baseline, name, classes=classes) for name in asked.names]
    if not asked.limits.given:
        return _Planned(tuple(variants), None)
    solution = solve(baseline, asked.limits, classes=classes, rules=rules)
    return _Planned((*variants, solution.variant), solution)


def _asked(
    *, phis: str | None, times: str | None, names: str | None, classes: int, **flags: Any
) -> _Asked:
    most_ms, device_names = flags.pop("max_latency_ms"), flags.pop("device_names")
    limits = Limits(**{name: flags.pop(name) for name in _COUNTED})
    if phis is not None and times is not None:
        raise click.UsageError("--phi and --times both name phis; give one of them")
    if phis is times is names is None and not limits.given and most_ms is None:
        phis = _DEFAULT_PHIS
    numbers, factors = _numbers(phis or "", "--phi"), _numbers(times or "", "--times")
    words = _words(names or "")
    limited = bool(limits.given) or most_ms is not None
    if not (numbers or factors or words or limited):
        raise click.UsageError("--phi, --times and --variants name nothing; give e.g. --phi=-1,0,1")
    for flag, every in (("--phi", numbers), ("--times", factors), ("--variants", words)):
        _refuse_twice(every, flag)
    if words:
        refuse_flags_of_scaling(all_of_them=not (numbers or factors or limited))
    fixed = flags.pop("fix_stem_head")
    baseline = baseline_of(flags.pop("baseline_name"), fix_stem_head=fixed)
    rules = rules_of(**flags)
    equation = rules.coefficients.equation
    numbers += tuple(phi_from_times(factor, equation) for factor in factors)
    devices = devices_of(device_names, baseline, classes)
    limits = replace(limits, latency=devices.limit(most_ms))
    return _Asked(baseline, rules, classes, numbers, words, limits, devices)


def _refuse_many(variants: Sequence[Variant], devices: Devices) -> None:
    if len(variants) != 1 or len(devices.given) != 1:
        raise click.UsageError(
            f"--layers shows one network on one device, and {len(variants)} on"
            f" {len(devices.given)} are planned; name one --device and one phi, one variant or a"
            " limit"
        )


def _refuse_twice(every: Sequence[object], flag: str) -> None:
    for value in every:
        if every.count(value) > 1:
            raise click.UsageError(f"{flag} names {value} twice; name it once")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str, flag: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in _words(text))
    except ValueError as problem:
        raise ArchitectureError(
            f"{flag} '{text}' is not a list of numbers; write it like {flag}=0.5,1,2"
        ) from problem


def _write_architecture(path: Path, variants: Sequence[Variant]) -> None:
    from edgescale.family.store import write_json

    if len(variants) != 1:
        raise click.UsageError(
            f"--architecture writes one network, and {len(variants)} are planned; name one phi,"
            " one variant or a limit"
        )
    if not path.parent.is_dir():
        raise ArchitectureError(f"{path}: there is no folder {path.parent}; make it first")
    write_json(path, variants[0].architecture.to_record())


def _plan_text(asked: _Asked, planned: _Planned, *, with_layers: bool) -> str:
    variants, solution = planned.variants, planned.solution
    parts = [
        show.table(_HEADINGS, [_row(variant) for variant in variants]),
        f"1 MAC = {_OPERATIONS_PER_MAC} operations",
    ]
    if asked.devices.given:
        parts.append(predictions(asked.devices, variants))
    if with_layers:
        (one,) = asked.devices.forecasts(variants[0].architecture)
        parts.append(layers_table(one))
    if solution is not None:
        parts.append(_sentence(asked.limits, solution))
    return "\n".join(parts)


def _plan_record(asked: _Asked, planned: _Planned, *, with_layers: bool) -> dict[str, Any]:
    baseline, rules, solution = asked.baseline, asked.rules, planned.solution
    return {
        "baseline": baseline.name,
        "fix_stem_head": baseline.fix_stem_head,
        "classes": asked.classes,
        **asdict(rules.coefficients),
        "rounding": rules.rounding,
        "resolution_step": rules.resolution_step,
        "trim": rules.trim,
        "operations_per_mac": _OPERATIONS_PER_MAC,
        "devices": asked.devices.records(),
        "variants": [
            {
                **_record(variant, baseline),
                "latencies": asked.devices.latencies(variant, with_layers=with_layers),
            }
            for variant in planned.variants
        ],
        "solution": solution and _solution_record(asked.limits, solution),
    }


def _sentence(limits: Limits, solution: Solution) -> str:
    """Says how much of the budget is used and what the next plateau costs."""
    variant, after = solution.variant, solution.next
    needs = limits.amounts(variant.architecture, variant.cost)
    more = {} if after is None else limits.amounts(after.architecture, after.cost)
    used = " and ".join(
        f"{share(needs[name], limit)} of {in_words({name: limit}, more)}"
        for name, limit in limits.given.items()
    )
    if after is not None:
        further = f"the next plateau, phi {after.phi:g}, needs {in_words(more, limits.given)}"
    elif variant.phi == LARGEST_PHI:
        further = f"phi ends at {LARGEST_PHI:g}"
    else:
        further = "larger networks are beyond what can be trained"
    lines = [f"phi {variant.phi:g} uses {used}; {further}"]
    if solution.broken:
        ranges = ", ".join(
            f"{low:g}" + f" to {high:g}" * (low != high) for low, high in solution.broken
        )
        lines.append(f"smaller is not always faster: phi {ranges} would not keep to it")
    return "\n".join(lines)


def _solution_record(limits: Limits, solution: Solution) -> dict[str, Any]:
    variant, after = solution.variant, solution.next
    return {
        "phi": variant.phi,
        "limits": limits.given,
        "needs": limits.amounts(variant.architecture, variant.cost),
        "used": dict(solution.used),
        "next": after
        and {"phi": after.phi, "needs": limits.amounts(after.architecture, after.cost)},
        "broken": [{"low_phi": low, "high_phi": high} for low, high in solution.broken],
    }


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


def _record(variant: Variant, baseline: Baseline) -> dict[str, Any]:
    built = baseline.plan_only is None
    return {
        "name": variant.name,
        "digest": variant.architecture.digest,
        "phi": variant.phi,
        "depth_coefficient": variant.depth_coefficient,
        "width_coefficient": variant.width_coefficient,
        "resolution": variant.resolution,
        "dropout": variant.dropout,
        "parameters": variant.cost.parameters,
        "total_parameters": variant.cost.total_parameters,
        "macs": variant.cost.macs,
        "macs_ratio": variant.macs_ratio,
        "asked_macs_ratio": variant.asked_macs_ratio,
        "weight_bytes": variant.cost.weight_bytes,
        "file_bytes": file_bytes(variant.architecture) if built else None,
        "peak_activation_bytes": variant.cost.peak_activation_bytes,
    }
