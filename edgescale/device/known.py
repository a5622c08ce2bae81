"""Known devices: what datasheets and published sources say, each value with where it is from.

They describe hardware that is not here; nothing in them is measured by edgescale, and nothing
measured is ever replaced by them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgescale.errors import DeviceError
from edgescale.family.fields import Fields, did_you_mean
from edgescale.family.shipped import shipped
from edgescale.family.store import read_json

KINDS = ("datasheet", "published", "measured")


@dataclass(frozen=True)
class KnownValue:
    """One fact about a device; value, kind and source are all None where nobody verified it."""

    name: str
    value: str | float | bool | None
    kind: str | None
    source: str | None


@dataclass(frozen=True)
class KnownLatency:
    """How long a network takes on a device, as somebody published or measured it.

    ``baseline`` and ``variant`` name it among our networks; both are None where it is none of them.
    """

    network: str
    baseline: str | None
    variant: str | None
    input_side: int
    latency_ms: float
    kind: str
    source: str


@dataclass(frozen=True)
class LatencyCalibration:
    """Which constants predict a device: ``link`` names them, ``remark`` says what is to be known.

    ``same_host`` says whether they were fitted to this host or are borrowed from another one.
    Without a link nothing near it was ever published, and the remark says why.
    """

    link: str | None
    same_host: bool | None
    remark: str | None


@dataclass(frozen=True)
class KnownDevice:
    """A device or host by its name, with the facts known of it; ``names`` are what users type."""

    id: str
    name: str
    names: tuple[str, ...]
    edge_tpu: bool
    latency_calibration: LatencyCalibration
    values: tuple[KnownValue, ...]
    latencies: tuple[KnownLatency, ...]

    @property
    def short_name(self) -> str:
        """The name to call it by in a column."""
        return self.names[0]


def find_device(name: str, folder: Path | None = None) -> KnownDevice:
    """Returns the device of this id or short name.

    Raises:
        DeviceError: there is none; the message names the nearest, or all short names.
    """
    by_name: dict[str, KnownDevice] = {}
    for device in known_devices(folder):
        by_name |= dict.fromkeys((*device.names, device.id), device)
    wanted = name.strip().lower()
    if wanted in by_name:
        return by_name[wanted]
    near = did_you_mean(wanted, by_name)
    if not near.startswith(", did"):
        near = did_you_mean("", {device.short_name for device in by_name.values()})
    raise DeviceError(f"device '{name[:60]}' is not known{near}")


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
            names=_names(fields),
            edge_tpu=fields.boolean("edge_tpu"),
            latency_calibration=_calibration(fields.table("latency_calibration")),
            values=tuple(_values(fields.table("values"))),
            latencies=tuple(_latency(latency) for latency in fields.tables("latencies")),
        )
        fields.close()
        yield device


def _names(fields: Fields) -> tuple[str, ...]:
    names: tuple[str, ...] = fields.texts("names")
    if not names:
        raise fields.refuse("names", "one short name at least")
    return names


def _calibration(fields: Fields) -> LatencyCalibration:
    link, remark = fields.optional_text("link"), fields.optional_text("remark")
    same_host = fields.boolean("same_host") if link else fields.take("same_host")
    if link is None and same_host is not None:
        raise fields.refuse("same_host", "null where there is no link")
    if not same_host and remark is None:
        wanted = "the reason why no latency is predicted"
        if link is not None:
            wanted = "whose constants they are"
        raise fields.refuse("remark", wanted)
    fields.close()
    return LatencyCalibration(link, same_host, remark)


def _latency(fields: Fields) -> KnownLatency:
    latency = KnownLatency(
        network=fields.text("network"),
        baseline=fields.optional_text("baseline"),
        variant=fields.optional_text("variant"),
        input_side=fields.integer("input_side", low=1),
        latency_ms=fields.number("latency_ms", low=1e-6),
        kind=fields.text("kind", choices=KINDS),
        source=fields.text("source"),
    )
    if (latency.baseline is None) != (latency.variant is None):
        raise fields.refuse("variant", "a baseline and its variant, or null for both")
    fields.close()
    return latency


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
