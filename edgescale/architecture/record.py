"""Reads ``architecture.json``: what it says of a network must be what its blocks make.

Whoever builds or counts from a record relies on its layers, so a changed file must not pass.
"""

from typing import Any

from edgescale.architecture.block import parse_block
from edgescale.architecture.network import SCHEMA_VERSION, Architecture, laid_out
from edgescale.errors import ArchitectureError
from edgescale.layer import Layer


def architecture_from_dict(record: object, where: str = "architecture.json") -> Architecture:
    """Reads what ``Architecture.to_record`` wrote, or ``to_dict``: older files hold no more.

    Raises:
        ArchitectureError: it is not such a record, or of a newer schema; its layers are not those
            that its blocks make, or its digest is of another network.
    """
    try:
        return _from_record(record, where)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise ArchitectureError(f"{where}: not the record of a network ({problem!r})") from problem


def _from_record(record: Any, where: str) -> Architecture:
    version = record.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise ArchitectureError(
            f"{where}: schema version {version!r:.20} is not known, only {SCHEMA_VERSION}; use the"
            " edgescale that wrote it"
        )
    written = _written(record)
    network = laid_out(written)
    if network != written:
        raise ArchitectureError(
            f"{where}: its layers are not those that its blocks make; it was changed or damaged"
        )
    if record.get("digest", network.digest) != network.digest:
        raise ArchitectureError(
            f"{where}: its digest is of another network; it was changed or damaged"
        )
    return network


def _written(record: Any) -> Architecture:
    layers = (
        {**layer, **{key: tuple(layer[key]) for key in ("inputs", "input_shape", "output_shape")}}
        for layer in record["layers"]
    )
    return Architecture(
        resolution=_at_least_1(record["resolution"]),
        classes=_at_least_1(record["classes"]),
        activation=str(record["activation"]),
        stem_filters=_at_least_1(record["stem_filters"]),
        blocks=tuple(parse_block(text) for text in record["blocks"]),
        head_filters=_at_least_1(record["head_filters"]),
        layers=tuple(Layer(**layer) for layer in layers),
    )


def _at_least_1(number: Any) -> int:
    if int(number) < 1:
        raise ValueError(f"{number} is not at least 1")
    return int(number)
