"""``edgescale doctor``: why an Edge TPU (or any inference) does not work here, and what to do."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgescale.cli.options import AS_JSON, EDGETPU_LIBRARY, terminable
from edgescale.cli.show import json_object, printable

if TYPE_CHECKING:
    from edgescale.device.doctor_finding import Finding

SCHEMA_VERSION = 1


@click.command("doctor")
@click.argument("path", metavar="[FAMILY|MODEL.tflite]", type=Path, required=False)
@EDGETPU_LIBRARY
@click.option(
    "--runtime",
    metavar="NAME",
    help="ai_edge_litert, tflite_runtime or tensorflow (else the first that works).",
)
@AS_JSON
@click.pass_context
def command(
    context: click.Context,
    path: Path | None,
    edgetpu_library: str | None,
    runtime: str | None,
    as_json: bool,
) -> None:
    """Name what keeps an Edge TPU or a TFLite runtime from working, with the mend.

    Give a compiled model or a family to check that it fits what is installed, too. Ends with 1 if
    a finding is an error, with 0 if there are none or only warnings.
    """
    from edgescale.device.doctor import examine
    from edgescale.device.doctor_gather import Asked

    asked = Asked(path, edgetpu_library, runtime)
    with terminable():
        findings = examine(asked, notice=lambda text: click.echo(text, err=True))
    errors = sum(one.level == "error" for one in findings)
    warnings = sum(one.level == "warning" for one in findings)
    if as_json:
        counts = {"errors": errors, "warnings": warnings}
        shown = [asdict(one) for one in findings]
        json_object({"schema_version": SCHEMA_VERSION, "counts": counts, "findings": shown})
    else:
        click.echo("\n\n".join(_text(one) for one in findings))
    context.exit(int(errors > 0))


def _text(finding: "Finding") -> str:
    lines = [f"{finding.level}: {finding.what}"]
    lines += [f"    seen: {line}" for line in finding.evidence]
    if finding.mend is not None:
        lines.append(f"    mend: {finding.mend}")
    return "\n".join(printable(line) for line in lines)
