"""Whether a search may go on with the study that is there: the same one, or one with more seeds.

Whoever asks for another search in the same folder is told what differs.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgescale.errors import SearchError

log = logging.getLogger(__name__)
_MOST_DIFFERENCES = 3
_MAY_DIFFER = ("seeds", "seeds_before", "versions")  # each in its own way


def continued(
    stored: Mapping[str, Any], asked: Mapping[str, Any], folder: Path
) -> Mapping[str, Any]:
    """Returns what a study is from here on: as it was stored, or with more seeds.

    ``seeds_before`` then lists how many there were earlier: who raises them after a look at the
    outcome no longer has the confidence that one look would have. Versions are not compared here.

    Raises:
        SearchError: the study is another one, naming what differs; or fewer seeds are asked for.
    """
    found = list(_differences(_compared(stored), _compared(asked)))
    if found:
        more = f" and {len(found) - _MOST_DIFFERENCES} more" * (len(found) > _MOST_DIFFERENCES)
        raise SearchError(
            f"{folder}: holds another search, which differs in"
            f" {'; '.join(found[:_MOST_DIFFERENCES])}{more}; ask for the same to go on with it, or"
            " choose another --out"
        )
    there, wanted = len(stored.get("seeds", ())), len(asked["seeds"])
    if wanted < there:
        raise SearchError(
            f"{folder}: its search has {there} seeds; ask for as many with --seeds {there}, or for"
            " more, or choose another --out"
        )
    if wanted == there:
        return stored
    log.warning("%s: seeds are raised from %d to %d; after a look at the outcome, 95 %% no longer"
                " holds strictly, and the report says so", folder, there, wanted)  # fmt: skip
    before = [*stored.get("seeds_before", []), there]
    return {**stored, "seeds": asked["seeds"], "seeds_before": before}


def check_versions(stored: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """Refuses to train further trials of a study with other versions than its first ones.

    Raises:
        SearchError: naming them.
    """
    found = list(_differences(stored.get("versions", {}), asked["versions"]))
    if found:
        raise SearchError(
            f"{folder}: trials are missing, and scores compare only between equal versions:"
            f" {'; '.join(found)}; install those, or choose another --out"
        )


def _compared(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key not in _MAY_DIFFER}


def _differences(
    stored: Mapping[str, Any], asked: Mapping[str, Any], at: str = ""
) -> Iterator[str]:
    for key in [*stored, *(key for key in asked if key not in stored)]:
        old, new = stored.get(key), asked.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{at}{key}.")
        elif old != new:
            yield f"{at}{key} ({_short(old)} there, {_short(new)} asked)"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
