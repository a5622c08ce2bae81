"""Coefficients as a file: found once by a search, reused for any number of variants.

The file says where they come from, and a family built with them carries that in its manifest.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgescale.errors import ArchitectureError, RecipeError
from edgescale.family.fields import Fields
from edgescale.family.store import read_json, write_json
from edgescale.scaling.coefficients import EQUATIONS, Coefficients
from edgescale.scaling.variant import LARGEST_PHI, SearchedNetwork

SCHEMA_VERSION = 1
_LARGEST_SIDE = 10_000  # pixels
LARGEST_PROVENANCE_BYTES = 64 * 2**10  # it is copied into every manifest


@dataclass(frozen=True)
class StoredCoefficients:
    """Coefficients, where they come from as JSON values, and the network a search trained."""

    coefficients: Coefficients
    provenance: Mapping[str, Any]
    searched: SearchedNetwork | None = None


def write_coefficients(path: Path, stored: StoredCoefficients) -> None:
    """Writes a file that ``read_coefficients`` reads.

    Raises:
        ArtifactError: it cannot be written.
    """
    write_json(
        path,
        {
            "schema_version": SCHEMA_VERSION,
            **asdict(stored.coefficients),
            **({} if stored.searched is None else {"searched": asdict(stored.searched)}),
            "provenance": dict(stored.provenance),
        },
    )


def read_coefficients(path: Path) -> StoredCoefficients:
    """Reads coefficients and their provenance.

    Raises:
        RecipeError: unreadable, not such a file, or coefficients outside their equation's range.
    """
    fields = Fields(read_json(path, RecipeError), path.name, RecipeError)
    version = fields.integer("schema_version")
    if version != SCHEMA_VERSION:
        raise RecipeError(
            f"{path.name}: schema version {version} is not known, only {SCHEMA_VERSION}; use the"
            " edgescale that wrote it"
        )
    provenance = fields.take("provenance")
    Fields(provenance, f"{path.name}.provenance", RecipeError)
    if len(json.dumps(provenance)) > LARGEST_PROVENANCE_BYTES:
        raise RecipeError(
            f"{path.name}.provenance: larger than {LARGEST_PROVENANCE_BYTES // 2**10} KiB; leave"
            " out what need not travel with every family"
        )
    try:
        coefficients = Coefficients(
            alpha=fields.number("alpha"),
            beta=fields.number("beta"),
            gamma=fields.number("gamma"),
            equation=fields.text("equation", choices=EQUATIONS),
        )
    except ArchitectureError as problem:
        raise RecipeError(f"{path.name}: {problem}") from problem
    searched = _searched(fields.optional_table("searched"))
    fields.close()
    return StoredCoefficients(coefficients, provenance, searched)


def _searched(fields: Fields | None) -> SearchedNetwork | None:
    if fields is None:
        return None
    searched = SearchedNetwork(
        phi=fields.number("phi", low=-LARGEST_PHI, high=LARGEST_PHI),
        resolution=fields.integer("resolution", low=1, high=_LARGEST_SIDE),
        architecture_digest=fields.text("architecture_digest", longest=64),
    )
    fields.close()
    return searched
