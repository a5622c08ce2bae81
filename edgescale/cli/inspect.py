"""``edgescale inspect``: what a family or a ``.tflite`` file holds."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgescale.cli.show import json_object, printable, table
from edgescale.errors import ModelFileError
from edgescale.family.places import is_dir
from edgescale.units import count, mib, millions, percent

if TYPE_CHECKING:
    from edgescale.edgetpu.model_file import ModelFile, TensorSpec
    from edgescale.family.manifest import Accuracy, VariantRecord
    from edgescale.family.store import Family

SCHEMA_VERSION = 1  # of the record of a .tflite file
_MOST_SHOWN_LABELS = 5


@click.command("inspect")
@click.argument("path", metavar="FAMILY|FILE.tflite", type=Path)
@click.option("--layers", is_flag=True, help="List every layer of a .tflite file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(path: Path, layers: bool, as_json: bool) -> None:
    """Show what a family or a .tflite file holds."""
    if path.name == "manifest.json" or is_dir(path, ModelFileError):
        if layers:
            raise click.UsageError("--layers lists those of a .tflite file; give one of the family")
        from edgescale.family.store import load_family

        family = load_family(path)
        if as_json:
            json_object(family_record(family))
        else:
            click.echo(family_text(family))
        return
    from edgescale.edgetpu.model_file import read_model_file

    model = read_model_file(path)
    if as_json:
        json_object(model_record(path, model))
    else:
        click.echo(model_text(path, model, with_layers=layers))


def family_record(family: "Family") -> dict[str, Any]:
    """Returns the manifest's record with the folder it lies in."""
    return {"folder": str(family.folder), **family.manifest.to_dict()}


def family_text(family: "Family") -> str:
    """Returns the family as a heading, a table of its variants, and remarks."""
    manifest = family.manifest
    labels = [_short(printable(label)) for label in manifest.labels[:_MOST_SHOWN_LABELS]]
    more = ", ..." if len(manifest.labels) > len(labels) else ""
    headings = ("variant", "phi", "size", "MACs", "weights", "activations", "file", "top-1 int8",
                "top-1 float", "n", "compiled")  # fmt: skip
    lines = [
        f"{manifest.name}: {manifest.provenance}, {len(manifest.variants)} variants,"
        f" {count(len(manifest.labels))} labels ({'; '.join(labels)}{more})",
        "",
        table(headings, [_variant_row(variant) for variant in manifest.variants]),
        "",
        *(f"{variant.name}: {_preparation_text(variant)}" for variant in manifest.variants),
    ]
    lines += [
        f"{variant.name}: no accuracy ({printable(variant.accuracy_reason or 'no reason given')})"
        for variant in manifest.variants
        if variant.accuracy is None
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


def model_record(path: Path, model: "ModelFile") -> dict[str, Any]:
    """Returns everything known of a model file as plain values."""
    return {"schema_version": SCHEMA_VERSION, "file": str(path), "size_bytes": path.stat().st_size,
            **asdict(model)}  # fmt: skip


def model_text(path: Path, model: "ModelFile", *, with_layers: bool) -> str:
    """Returns a model file as text: what it is, its tensors, its operators."""
    compiled = "yes (its weights and MACs are inside the Edge TPU's operator)"
    facts = [
        ("file", f"{printable(str(path))} ({mib(path.stat().st_size)})"),
        ("compiled for the Edge TPU", compiled if model.compiled else "no"),
        ("MACs", count(model.macs)),
        ("weights", mib(model.weight_bytes)),
        ("peak activations", mib(model.peak_activation_bytes)),
        ("scores", "softmax" if model.ends_in_softmax else "logits or unknown"),
        *(("input", _tensor_text(spec)) for spec in model.inputs),
        *(("output", _tensor_text(spec)) for spec in model.outputs),
        *(("per-channel dense weights", printable(name)) for name in model.per_channel_dense),
    ]
    width = max(len(name) for name, _ in facts)
    operators = [
        (printable(operator.name), str(operator.version), str(operator.count))
        for operator in model.operators
    ]
    lines = [f"{name:<{width}}  {text}" for name, text in facts]
    lines += ["", table(("operator", "version", "count"), operators)]
    if with_layers:
        lines += ["", _layers_table(model)]
    return "\n".join(lines)


def _tensor_text(spec: "TensorSpec") -> str:
    shape = "x".join(str(size) for size in spec.shape) or "scalar"
    quantised = "not quantised"
    if spec.scales:
        zero_point = spec.zero_points[0] if spec.zero_points else 0
        quantised = f"scale {spec.scales[0]:.6g}, zero point {zero_point}"
    return f"{printable(spec.name)} {spec.dtype} {shape}, {quantised}"


def _layers_table(model: "ModelFile") -> str:
    headings = ("layer", "input", "output", "kernel", "stride", "activation", "MACs", "weights")
    rows = [
        (
            printable(layer.name),
            "x".join(map(str, layer.input_shape)),
            "x".join(map(str, layer.output_shape)),
            str(layer.kernel),
            str(layer.stride),
            layer.activation,
            count(layer.macs),
            count(layer.weights),
        )
        for layer in model.layers
    ]
    return table(headings, rows)
