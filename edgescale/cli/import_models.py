"""``edgescale import``: makes a family of existing ``.tflite`` models."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgescale.cli.options import FiniteRange, terminable
from edgescale.cli.show import on_terminal

if TYPE_CHECKING:
    from edgescale.inference.labelled import LabelledImage


@click.command("import")
@click.argument("files", metavar="FILE.tflite...", nargs=-1, required=True, type=Path)
@click.option(
    "--labels",
    "labels_file",
    metavar="FILE",
    required=True,
    type=Path,
    help="Labels, one a line: 'label', 'id label' or 'id:label'.",
)
@click.option(
    "--label-offset",
    metavar="N",
    type=click.IntRange(0, 1000),
    help="Outputs before the first label (1 where output 0 is the background).",
)
@click.option(
    "--mean", type=FiniteRange(-1e6, 1e6), help="Of the input; default: so that raw bytes go in."
)
@click.option("--std", type=FiniteRange(1e-6, 1e6), help="Of the input; default: the same.")
@click.option(
    "--crop",
    type=FiniteRange(0.01, 1.0),
    default=0.875,
    show_default=True,
    help="Fraction of the picture kept by the centre crop.",
)
@click.option(
    "--evaluate",
    "evaluate_on",
    metavar="DIR",
    type=Path,
    help="Measure accuracy on a folder per class, or on DIR/labels.csv.",
)
@click.option("--runtime", help="Use this interpreter: ai_edge_litert, tflite_runtime, tensorflow.")
@click.option(
    "-o",
    "--output",
    "out",
    metavar="FAMILY",
    required=True,
    type=Path,
    help="Folder of the new family.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def command(  # noqa: PLR0913 - one argument per option
    files: tuple[Path, ...],
    labels_file: Path,
    label_offset: int | None,
    mean: float | None,
    std: float | None,
    crop: float,
    evaluate_on: Path | None,
    runtime: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Make a family of existing models.

    A CPU model and the `_edgetpu` twin compiled from it become one variant. Every model is run
    once; accuracy is null unless --evaluate is given.
    """
    from edgescale.cli.inspect import family_record, family_text
    from edgescale.cli.show import json_object
    from edgescale.inference.import_models import ImportSettings, import_family

    settings = ImportSettings(
        label_offset=label_offset,
        mean=mean,
        std=std,
        crop_fraction=crop,
        evaluate_on=evaluate_on,
        runtime=runtime,
    )
    with terminable():
        family = import_family(files, labels_file, out, settings=settings, watch=_with_progress)
    if as_json:
        json_object(family_record(family))
    else:
        click.echo(family_text(family))


def _with_progress(name: str, images: "Sequence[LabelledImage]") -> "Iterable[LabelledImage]":
    if not on_terminal():
        return images
    return _bar(name, images)


def _bar(name: str, images: "Sequence[LabelledImage]") -> "Iterable[LabelledImage]":
    with click.progressbar(images, label=f"evaluate {name}", file=sys.stderr) as bar:
        yield from bar
