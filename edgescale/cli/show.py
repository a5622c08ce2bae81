"""What every verb prints with: one aligned table, one JSON object."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from edgescale.family.fields import without_credentials
from edgescale.units import printable

__all__ = ["json_object", "on_terminal", "printable", "shown", "table"]


def shown(text: str) -> str:
    """Returns one line of a message for the terminal: no control characters, no credentials."""
    return without_credentials(printable(text))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligns rows under headings; the first column is text, the others lean to the right."""
    lines = [list(headings), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def json_object(record: dict[str, Any]) -> None:
    """Prints one JSON object on stdout; in ASCII, since foreign text may be half a character."""
    click.echo(json.dumps(record, indent=2, allow_nan=False))


def on_terminal() -> bool:
    """Says whether stderr is there (``2>&-`` closes it) and a terminal, for progress bars."""
    return bool(sys.stderr) and sys.stderr.isatty()
