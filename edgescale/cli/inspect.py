"""``edgescale inspect``: what a family or a ``.tflite`` file holds, compiled or not."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgescale.cli.show import json_object, printable, table
from edgescale.errors import ModelFileError
from edgescale.family.places import is_dir
from edgescale.units import count, mib, millions, percent

if TYPE_CHECKING:
    from edgescale.cli.inspect_file import FileContent
    from edgescale.device.forecast import Forecast
    from edgescale.edgetpu.package import CompiledModel
    from edgescale.family.manifest import Accuracy, VariantRecord
    from edgescale.family.store import Family

_MOST_SHOWN_LABELS = 5
_NEVER_PREDICTED = ("squeeze-and-excite", "swish")  # rules of the lint


@click.command("inspect")
@click.argument("path", metavar="FAMILY|FILE.tflite", type=Path)
@click.option("--layers", is_flag=True, help="List every layer of a .tflite file.")
@click.option("--device", "device_names", metavar="LIST", multiple=True,
              help="Predict latency and on-chip memory of a .tflite file, not yet compiled, on e.g."
              " usb3,dev-board; 'edgescale devices --known' lists them.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(path: Path, layers: bool, device_names: tuple[str, ...], as_json: bool) -> None:
    """Show what a family or a .tflite file holds."""
    if path.name == "manifest.json" or is_dir(path, ModelFileError):
        for given, flag in ((layers, "--layers"), (device_names, "--device")):
            if given:
                raise click.UsageError(f"{flag} is for a .tflite file; give one of the family")
        from edgescale.family.store import load_family

        family = load_family(path)
        if as_json:
            json_object(family_record(family))
        else:
            click.echo(family_text(family))
        return
    from edgescale.cli.inspect_file import file_record, file_text, read_file

    content = read_file(path)
    forecasts = _forecasts(content, device_names)
    if as_json:
        from edgescale.cli.forecast_table import forecast_record

        predicted = [forecast_record(one, with_layers=layers) for one in forecasts]
        json_object({**file_record(content), "latencies": predicted})
        return
    click.echo(file_text(content, with_layers=layers))
    if forecasts:
        from edgescale.cli.forecast_table import forecast_table, layers_table

        if layers and len(forecasts) == 1:
            click.echo(layers_table(forecasts[0]))
        click.echo(forecast_table([(printable(path.name), one) for one in forecasts]))


def _forecasts(content: "FileContent", device_names: Sequence[str]) -> "list[Forecast]":
    """Predicts a file on each device; only what the Edge TPU runs wholly can be predicted."""
    if not device_names:
        return []
    from edgescale.cli.forecast_table import devices_named
    from edgescale.device.forecast import forecast
    from edgescale.edgetpu.lint import lint_of

    devices = devices_named(device_names)
    if content.compiled is not None:
        raise ModelFileError(
            f"{content.path}: compiled, which hides its layers, so nothing is predicted; give the"
            " file it was compiled from"
        )
    report = lint_of(content.path, content.graphs)
    for finding in report.errors:
        raise ModelFileError(
            f"{content.path}: nothing is predicted, because it would not run wholly on the Edge TPU"
            f" ({finding.rule}: {finding.where}); 'edgescale lint' says what to mend"
        )
    for finding in report.warnings:
        if finding.rule in _NEVER_PREDICTED:
            raise ModelFileError(
                f"{content.path}: nothing is predicted, because the prediction rests on networks"
                f" without such layers ({finding.rule}: {finding.where}); leave --device out"
            )
    return [forecast(device, content.model.layers) for device in devices]


def family_record(family: "Family") -> dict[str, Any]:
    """Returns the manifest's record with the folder it lies in and what compiled files hold."""
    return {
        "folder": str(family.folder),
        **family.manifest.to_dict(),
        "edgetpu": {name: _compiled_record(found) for name, found in _compiled(family).items()},
    }


def _compiled_record(found: "CompiledModel | str") -> dict[str, Any]:
    from edgescale.cli.inspect_compiled import totals_record

    return {"unreadable": found} if isinstance(found, str) else totals_record(found)


def _compiled(family: "Family") -> "dict[str, CompiledModel | str]":
    """Returns what each compiled twin holds, or the sentence that says why it cannot be read."""
    twins = {
        variant.name: variant.compiled
        for variant in family.manifest.variants
        if variant.compiled is not None
    }
    if not twins:
        return {}
    from edgescale.edgetpu.package import read_compiled

    found: dict[str, CompiledModel | str] = {}
    for name, artifact in twins.items():
        try:
            found[name] = read_compiled(family.path(artifact))
        except ModelFileError as problem:
            found[name] = str(problem)
    return found


def family_text(family: "Family") -> str:
    """Returns the family as a heading, a table of its variants, and remarks."""
    manifest = family.manifest
    labels = [_short(printable(label)) for label in manifest.labels[:_MOST_SHOWN_LABELS]]
    more = ", ..." if len(manifest.labels) > len(labels) else ""
    headings: tuple[str, ...] = (
        "variant", "phi", "size", "MACs", "weights", "activations", "file", "top-1 int8",
        "top-1 float", "n", "compiled",
    )  # fmt: skip
    compiled = _compiled(family)
    rows = [_variant_row(variant) for variant in manifest.variants]
    if compiled:
        headings += ("on-chip", "streamed")
        rows = [
            row + _compiled_cells(compiled.get(variant.name))
            for row, variant in zip(rows, manifest.variants, strict=True)
        ]
    lines = [
        f"{manifest.name}: {manifest.provenance}, {len(manifest.variants)} variants,"
        f" {count(len(manifest.labels))} labels ({'; '.join(labels)}{more})",
        "",
        table(headings, rows),
        "",
        *(f"{variant.name}: {_preparation_text(variant)}" for variant in manifest.variants),
    ]
    lines += [
        f"{variant.name}: no accuracy ({printable(variant.accuracy_reason or 'no reason given')})"
        for variant in manifest.variants
        if variant.accuracy is None
    ]
    lines += [
        f"{name}: its compiled file cannot be used ({printable(found)})"
        for name, found in compiled.items()
        if isinstance(found, str)
    ]
    return "\n".join(lines)


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:23]}\N{HORIZONTAL ELLIPSIS}"


def _variant_row(variant: "VariantRecord") -> tuple[str, ...]:
    accuracy = variant.accuracy
    return (
        variant.name,
        "-" if variant.phi is None else f"{variant.phi:g}",
        f"{variant.preparation.height}x{variant.preparation.width}",
        millions(variant.macs),
        mib(variant.weight_bytes),
        mib(variant.peak_activation_bytes),
        mib(variant.model.size_bytes),
        "-" if accuracy is None else percent(accuracy.int8_top1),
        _float_top1(accuracy),
        "-" if accuracy is None else count(accuracy.n),
        "no" if variant.compiled is None else mib(variant.compiled.size_bytes),
    )


def _compiled_cells(found: "CompiledModel | str | None") -> tuple[str, str]:
    if found is None or isinstance(found, str):
        return ("-", "-") if found is None else ("?", "?")
    return mib(found.on_chip_bytes), mib(found.streamed_bytes)


def _float_top1(accuracy: "Accuracy | None") -> str:
    if accuracy is None or accuracy.float_top1 is None:
        return "-"
    return percent(accuracy.float_top1)


def _preparation_text(variant: "VariantRecord") -> str:
    facts = variant.preparation
    return (
        f"centre crop {facts.crop_fraction:g}, {facts.height}x{facts.width} RGB {facts.dtype},"
        f" (x - {facts.mean:g}) / {facts.std:g}, scale {facts.scale:.6g}, zero point"
        f" {facts.zero_point}; {count(variant.outputs)} outputs ({variant.scores}), label offset"
        f" {variant.label_offset}"
    )
