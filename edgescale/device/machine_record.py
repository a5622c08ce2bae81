"""The facts of a machine as a profile keeps them, read back strictly."""

from typing import Any

from edgescale.device.cgroup import MemoryLimit
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.probe import Machine
from edgescale.device.thermal import Temperature
from edgescale.family.fields import Fields

_MOST_BYTES = 2**63


def machine_from(fields: Fields) -> Machine:
    """Reads the facts of a machine; the error class is that of ``fields``."""
    record = Machine(
        host=fields.text("host", longest=300),
        system=fields.text("system", longest=300),
        architecture=fields.text("architecture", longest=100),
        board=_text(fields, "board"),
        cpu_model=_text(fields, "cpu_model"),
        cores=fields.integer("cores", low=1),
        usable_cores=fields.integer("usable_cores", low=1),
        cpu_quota_cores=_number(fields, "cpu_quota_cores"),
        governor=_text(fields, "governor"),
        memory_total_bytes=fields.integer("memory_total_bytes"),
        memory_available_bytes=fields.integer("memory_available_bytes"),
        memory_limits=tuple(_limit(item) for item in fields.tables("memory_limits", most=10_000)),
        edge_tpus=tuple(_edge_tpu(item) for item in fields.tables("edge_tpus")),
        swap_total_bytes=fields.optional_integer("swap_total_bytes"),
        swap_free_bytes=fields.optional_integer("swap_free_bytes"),
        cpu_max_mhz=_number(fields, "cpu_max_mhz"),
        temperatures=tuple(_temperature(item) for item in fields.tables("temperatures")),
    )
    fields.close()
    return record


def _limit(fields: Fields) -> MemoryLimit:
    record = MemoryLimit(
        group=fields.text("group", longest=5_000),
        limit_bytes=fields.integer("limit_bytes", high=_MOST_BYTES),
        used_bytes=fields.integer("used_bytes", high=_MOST_BYTES),
    )
    fields.close()
    return record


def _edge_tpu(fields: Fields) -> EdgeTpu:
    record = EdgeTpu(
        bus=fields.text("bus", choices=("usb", "pci")),
        path=fields.text("path", longest=300),
        speed_mbit_s=fields.optional_integer("speed_mbit_s"),
        temperature_c=fields.optional_number("temperature_c"),
        note=_text(fields, "note"),
        power_ma=fields.optional_integer("power_ma"),
        firmware_loaded=_boolean(fields, "firmware_loaded"),
        node=_text(fields, "node"),
        driver=_boolean(fields, "driver"),
        accessible=_boolean(fields, "accessible"),
        trip_points_c=fields.numbers("trip_points_c", most=16),
        owners=_integers(fields, "owners"),
    )
    fields.close()
    return record


def _temperature(fields: Fields) -> Temperature:
    record = Temperature(fields.text("name", longest=300), fields.number("celsius"))
    fields.close()
    return record


def _number(fields: Fields, key: str) -> float | None:
    value: float | None = fields.number(key, low=0) if fields.has(key) else fields.take(key)
    return value


def _boolean(fields: Fields, key: str) -> bool | None:
    value: bool | None = fields.boolean(key) if fields.has(key) else fields.take(key)
    return value


def _text(fields: Fields, key: str) -> str | None:
    value: str | None = fields.text(key, longest=300) if fields.has(key) else fields.take(key)
    return value


def _integers(fields: Fields, key: str) -> tuple[int, ...]:
    values: list[Any] = fields.items(key, most=100_000)
    if not all(type(value) is int and 0 <= value <= 2**53 for value in values):
        raise fields.refuse(key, "a list of whole numbers that are not negative")
    return tuple(values)
