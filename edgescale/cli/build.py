"""``edgescale build``: a family from a recipe."""

import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from edgescale.builder.build import build_family
from edgescale.builder.compile_family import Compiling, log_of
from edgescale.builder.progress import BuildEvent, OnEvent
from edgescale.cli import show
from edgescale.cli.compiler_flags import CompilerFlags, compiler_flags
from edgescale.cli.options import terminable
from edgescale.errors import CompilerNotFound, CompilerUnusable
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.units import count, mib, millions, percent

log = logging.getLogger(__name__)
_BAR_COLUMNS = 65  # label, bar, position, percentage and time left
_SHORTEST_ITEM = 20


@click.command("build")
@click.argument("recipe", metavar="RECIPE")
@click.option("-o", "--out", "out", required=True, metavar="FAMILY",
              type=click.Path(path_type=Path), help="Folder of the family.")  # fmt: skip
@click.option("--data", "data_folder", metavar="FOLDER", type=click.Path(path_type=Path),
              help="Images to use in place of the recipe's data: a folder per class.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 1024), metavar="N",
              help="Variants built at a time.  [default: one per core]")  # fmt: skip
@click.option("--no-compile", is_flag=True,
              help="Leave the Edge TPU compiler alone, even where there is one.")  # fmt: skip
@compiler_flags
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(  # noqa: PLR0913 - one argument for each flag
    recipe: str,
    out: Path,
    data_folder: Path | None,
    jobs: int | None,
    no_compile: bool,
    compiler_flags: CompilerFlags,
    as_json: bool,
) -> None:
    """Build a family from a recipe.

    RECIPE is a recipe.toml, or the name of a shipped one (cluttered-digits, imagenet-lite). A
    build that was stopped goes on where it was; finished stages are skipped. Needs TensorFlow:
    pip install 'edgescale[build]'. Compiles for the Edge TPU where edgetpu_compiler is there; what
    is not compiled has its reason in the family, and 'edgescale compile' does it later.
    """
    compiling = _compiling(compiler_flags, no_compile)
    failed: list[BuildEvent] = []
    with terminable(), build_progress() as on_event:

        def told(event: BuildEvent) -> None:
            failed.extend([event] if (event.stage, event.state) == ("compile", "failed") else [])
            on_event(event)

        family = build_family(
            recipe, out, data_folder=data_folder, jobs=jobs, on_event=told, compiling=compiling
        )
    if as_json:
        show.json_object(_summary(family))
        return
    click.echo(show.table(_HEADINGS, [_row(variant) for variant in family.manifest.variants]))
    for reason in {variant.accuracy_reason for variant in family.manifest.variants} - {None}:
        click.echo(f"accuracy not measured: {reason}")
    asked = compiling.compiler is not None
    for line in (*_not_compiled(family, asked=asked), *_kept(family, failed)):
        click.echo(show.printable(line))
    click.echo(f"family '{family.manifest.name}' is in {out}")


def _compiling(flags: CompilerFlags, no_compile: bool) -> Compiling:
    """Finds the compiler; a build goes on without one, unless a flag names one that is not there.

    Raises:
        CompilerUnusable: there is no compiler where --compiler says.
    """
    if no_compile:
        return Compiling(None, "built with --no-compile")
    try:
        return flags.compiling()
    except CompilerUnusable as problem:
        if flags.compiler is not None:  # minutes of training must not precede this
            raise
        log.warning("%s; the family is built and not compiled", problem)
        # The warning names the command; a manifest travels and must not.
        return Compiling(None, "the Edge TPU compiler that is set up does not run; 'edgescale"
                               " compile' says why")  # fmt: skip
    except CompilerNotFound as problem:
        log.debug("%s", problem)
        return Compiling(None, "no Edge TPU compiler was found; 'edgescale compile' says how to"
                               " get it")  # fmt: skip


def _not_compiled(family: Family, *, asked: bool) -> Iterator[str]:
    """Says once for each reason which variants are not compiled, and where their logs are.

    Without a compiler asked in this build, a log would be of another day.
    """
    of: dict[str, list[VariantRecord]] = {}
    for variant in family.manifest.variants:
        if variant.compiled is None:
            of.setdefault(variant.compiled_reason or "no reason given", []).append(variant)
    for reason, variants in of.items():
        yield f"not compiled: {', '.join(variant.name for variant in variants)}: {reason}"
        for path in (log_of(family, variant) for variant in variants):
            if asked and path.is_file():
                yield f"all the compiler said is in {path}"


def _kept(family: Family, failed: Sequence[BuildEvent]) -> Iterator[str]:
    """Says which variants are still those of an earlier compile, since a new one failed."""
    for event in failed:
        if family.variant(event.variant).compiled is not None:
            yield f"{event.variant}: kept as compiled before; a new attempt failed: {event.said}"


@contextmanager
def build_progress() -> Iterator[OnEvent]:
    """Shows a progress bar on a terminal and one log line per stage elsewhere."""
    if not sys.stderr.isatty() or not log.isEnabledFor(logging.INFO):
        yield _log_line
        return
    with click.progressbar(length=1, label="build", file=sys.stderr, show_pos=True,
                           item_show_func=_fitting) as bar:  # fmt: skip

        def on_event(event: BuildEvent) -> None:
            bar.length = event.steps_total
            bar.update(event.steps_done - bar.pos, current_item=event.line())

        yield on_event


def _fitting(line: str | None) -> str | None:
    """Cuts a line to what a terminal has left beside the bar, which is redrawn in one line."""
    if line is None:
        return None
    return line[: max(_SHORTEST_ITEM, shutil.get_terminal_size().columns - _BAR_COLUMNS)]


def _log_line(event: BuildEvent) -> None:
    if event.state in ("finished", "skipped"):
        log.info("%s", event.line())
    else:
        log.debug("%s", event.line())


_HEADINGS = ("variant", "px", "parameters", "MACs", "x baseline", "asked", "int8 file",
             "float top-1", "int8 top-1", "n")  # fmt: skip


def _row(variant: VariantRecord) -> tuple[str, ...]:
    accuracy = variant.accuracy
    float_top1 = None if accuracy is None else accuracy.float_top1
    return (
        variant.name,
        str(variant.resolution),
        "-" if variant.parameters is None else count(variant.parameters),
        millions(variant.macs),
        "-" if variant.macs_ratio is None else f"{variant.macs_ratio:.2f}",
        "-" if variant.asked_macs_ratio is None else f"{variant.asked_macs_ratio:.2f}",
        mib(variant.model.size_bytes),
        "-" if float_top1 is None else percent(float_top1),
        "-" if accuracy is None else percent(accuracy.int8_top1),
        "-" if accuracy is None else str(accuracy.n),
    )


def _summary(family: Family) -> dict[str, Any]:
    record = family.manifest.to_dict()
    return {
        "folder": str(family.folder),
        "name": record["name"],
        "variants": [
            {key: variant[key] for key in _SUMMARY_KEYS} for variant in record["variants"]
        ],
    }


_SUMMARY_KEYS = ("name", "phi", "resolution", "parameters", "macs", "macs_ratio",
                 "asked_macs_ratio", "model", "accuracy", "accuracy_reason", "compiled",
                 "compiled_reason", "compilation")  # fmt: skip
