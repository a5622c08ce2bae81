"""The facts of a machine as a profile keeps them, read back strictly."""

from edgescale.device.cgroup import MemoryLimit
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.probe import Machine
from edgescale.family.fields import Fields


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
        memory_limits=tuple(_limit(item) for item in fields.tables("memory_limits")),
        edge_tpus=tuple(_edge_tpu(item) for item in fields.tables("edge_tpus")),
    )
    fields.close()
    return record


def _limit(fields: Fields) -> MemoryLimit:
    record = MemoryLimit(
        group=fields.text("group", longest=5_000),
        limit_bytes=fields.integer("limit_bytes", high=2**63),
        used_bytes=fields.integer("used_bytes", high=2**63),
    )
    fields.close()
    return record


def _edge_tpu(fields: Fields) -> EdgeTpu:
    record = EdgeTpu(
        bus=fields.text("bus", choices=("usb", "pci")),
        path=fields.text("path", longest=300),
        speed_mbit_s=_integer(fields, "speed_mbit_s"),
        temperature_c=fields.number("temperature_c", None)
        if fields.has("temperature_c")
        else fields.take("temperature_c"),
        note=_text(fields, "note"),
    )
    fields.close()
    return record


def _number(fields: Fields, key: str, wanted: bool = False) -> float | None:
    if not wanted and not fields.has(key):
        fields.take(key)
        return None
    value: float = fields.number(key, low=0)
    return value


def _integer(fields: Fields, key: str, wanted: bool = False, *, low: int = 0) -> int | None:
    if not wanted and not fields.has(key):
        fields.take(key)
        return None
    value: int = fields.integer(key, low=low)
    return value


def _text(fields: Fields, key: str, longest: int = 300) -> str | None:
    value: str | None = fields.text(key, longest=longest) if fields.has(key) else fields.take(key)
    return value
