"""``edgescale lint``: whether a model will run wholly on an Edge TPU, said before compiling it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgescale.cli.show import json_object, printable
from edgescale.errors import EdgescaleError, ModelFileError
from edgescale.family.places import is_dir

if TYPE_CHECKING:
    from edgescale.edgetpu.lint import Finding, LintReport

SCHEMA_VERSION = 1
_MOST_SHOWN = 10  # findings of one rule; --json has all of them


@dataclass(frozen=True)
class Linted:
    """A file and what was found in it, or why it cannot be read."""

    path: Path
    report: "LintReport | None"
    unreadable: str | None = None

    def failed(self, *, strict: bool) -> bool:
        """Whether the file ends in exit code 1."""
        if self.report is None:
            return True
        return bool(self.report.findings if strict else self.report.errors)


@click.command("lint")
@click.argument("paths", metavar="FILE.tflite|FAMILY...", type=Path, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
@click.pass_context
def command(context: click.Context, paths: tuple[Path, ...], as_json: bool, strict: bool) -> None:
    """Say which operators of a model an Edge TPU will not take, and what to do about it.

    Ends with 1 if a file has errors or cannot be read, with 0 if it has none or only warnings.
    """
    found = [item for path in paths for item in _lints(path)]
    alone = found[0] if len(paths) == len(found) == 1 and paths[0] == found[0].path else None
    if alone is not None and alone.unreadable is not None:
        raise ModelFileError(alone.unreadable)
    if as_json:
        records = [_record(item) for item in found]
        shown = records[0] if alone else {"files": records}
        json_object({"schema_version": SCHEMA_VERSION, **shown})
    else:
        _show(found)
    context.exit(int(any(item.failed(strict=strict) for item in found)))


def _show(found: list[Linted]) -> None:
    """Prints a paragraph for each file; what cannot be read goes to stderr."""
    shown = 0
    for item in found:
        if item.report is None:
            click.echo(printable(f"error: {item.unreadable}"), err=True)
            continue
        if shown:
            click.echo()
        click.echo(_text(item.path, item.report))
        shown += 1


def _lints(path: Path) -> Iterator[Linted]:
    """Judges a file, or the models of a family as they were before they were compiled.

    What cannot be read is said in its place, so that the others are judged all the same.
    """
    try:
        files = _files(path)
    except EdgescaleError as problem:
        yield Linted(path, None, str(problem))
        return
    yield from map(_lint, files)


def _files(path: Path) -> list[Path]:
    if path.name != "manifest.json" and not is_dir(path, ModelFileError):
        return [path]
    from edgescale.family.store import load_family

    family = load_family(path, verify=False)
    return [family.path(variant.model) for variant in family.manifest.variants]


def _lint(path: Path) -> Linted:
    from edgescale.edgetpu.lint import lint_file

    try:
        return Linted(path, lint_file(path))
    except EdgescaleError as problem:
        return Linted(path, None, str(problem))


def _record(item: Linted) -> dict[str, Any]:
    report = item.report
    if report is None:
        return {"file": str(item.path), "unreadable": item.unreadable}
    return {
        "file": str(item.path),
        "findings": [asdict(finding) for finding in report.findings],
        "counts": {
            "errors": len(report.errors),
            "warnings": len(report.warnings),
            "operators_on_edgetpu": report.ops_on_edgetpu,
            "operators_on_cpu": report.ops_on_cpu,
        },
        "first_cut": report.first_cut,
        "fully_mapped": report.fully_mapped,
    }


def _text(path: Path, report: "LintReport") -> str:
    lines = [f"{path}: {_verdict(report)}"]
    if report.first_cut is not None:
        lines.append(f"first cut: {report.first_cut}")
    lines.extend(_finding_lines(report.findings))
    return "\n".join(printable(line) for line in lines)


def _verdict(report: "LintReport") -> str:
    if any(finding.rule == "already-compiled" for finding in report.findings):
        return "already compiled for the Edge TPU"
    total = report.ops_on_edgetpu + report.ops_on_cpu
    counts = (
        f"{report.ops_on_edgetpu} of {total} operators should map to the Edge TPU,"
        f" {report.ops_on_cpu} to the CPU"
    )
    if not report.findings:
        return f"clean; {counts}"
    errors, warnings = len(report.errors), len(report.warnings)
    return f"{_plural(errors, 'error')}, {_plural(warnings, 'warning')}; {counts}"


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _finding_lines(findings: Iterable["Finding"]) -> Iterator[str]:
    """Yields two lines a finding, and one for what is left out where a rule is broken often."""
    shown: dict[str, int] = {}
    for finding in findings:
        shown[finding.rule] = shown.get(finding.rule, 0) + 1
        if shown[finding.rule] <= _MOST_SHOWN:
            yield f"{finding.level}: {finding.rule}: {finding.where}: {finding.what}"
            yield f"    mend: {finding.mend}"
    for rule, number in shown.items():
        if number > _MOST_SHOWN:
            yield f"... and {number - _MOST_SHOWN} more of {rule} (--json lists them)"
