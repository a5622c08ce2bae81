"""Known devices: what datasheets and published sources say, each value with where it is from.

They describe hardware that is not here; nothing in them is measured by edgescale, and nothing
measured is ever replaced by them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgescale.errors import DeviceError
from edgescale.family.fields import Fields
from edgescale.family.shipped import shipped
from edgescale.family.store import read_json

KINDS = ("datasheet", "published", "source code", "measured")


@dataclass(frozen=True)
class KnownValue:
    """One fact about a device; value, kind and source are all None where nobody verified it."""

    name: str
    value: str | float | bool | None
    kind: str | None
    source: str | None


@dataclass(frozen=True)
class KnownDevice:
    """A device by its name, with the facts known of it."""

    id: str
    name: str
    values: tuple[KnownValue, ...]


def known_devices(folder: Path | None = None) -> Iterator[KnownDevice]:
    """Yields the shipped device files in the order of their names.

    Raises:
        DeviceError: a file that is not such a record.
    """
    for path in sorted((folder or shipped("devices")).glob("*.json")):
        fields = Fields(read_json(path, DeviceError), path.name, DeviceError)
        fields.integer("schema_version", low=1, high=1)
        device = KnownDevice(
            id=fields.text("id", choices=(path.stem,)),
            name=fields.text("name"),
            values=tuple(_values(fields.table("values"))),
        )
        fields.close()
        yield device


def _values(fields: Fields) -> Iterator[KnownValue]:
    for name in fields.names():
        value = fields.table(name)
        known = value.has("value")
        yield KnownValue(
            name=name,
            value=value.take("value"),
            kind=value.text("kind", choices=KINDS) if known else value.take("kind"),
            source=value.text("source") if known else value.take("source"),
        )
        value.close()
    fields.close()
