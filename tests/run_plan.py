"""``edgescale plan`` run as a user types it: what it says, and what it says as JSON."""

import json
from typing import Any

from click.testing import CliRunner

from edgescale.cli.plan import command


def said(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def plan(*arguments: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(said(*arguments, "--json"))
    return record
