"""The device profile: what was measured of one family on one machine, and under which conditions.

A figure without its machine, runtime and noise is worthless, so they are one record. A profile is
read as strictly as a manifest: it may come from another machine or another version.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edgescale.device.machine_record import machine_from
from edgescale.device.probe import Machine
from edgescale.device.statistics import Quantiles
from edgescale.errors import ProfileError
from edgescale.family.fields import Fields
from edgescale.family.store import read_json

SCHEMA_VERSION = 1
_LONGEST_MS = 1e7
_MOST_VARIANTS = 256


@dataclass(frozen=True)
class Noise:
    """How busy the machine was: PSI ``some`` for the CPU in per cent, load average, a verdict."""

    psi_before_percent: float | None
    psi_during_percent: float | None
    load_before: float | None
    load_after: float | None
    noisy: bool


@dataclass(frozen=True)
class Measurement:
    """One variant's figures; all of them None where ``error`` says why there are none.

    ``latency_ms`` runs from a decoded frame in memory to its top-k result, one frame in flight,
    through the process that also serves; ``invoke_ms`` is the interpreter alone. ``fps`` is n over
    the sum of those latencies.
    """

    variant: str
    model_sha256: str
    error: str | None
    error_kind: str | None = None  # the class of the error
    load_ms: float | None = None
    first_inference_ms: float | None = None
    warmup_runs: int | None = None
    n: int | None = None
    latency_ms: Quantiles | None = None
    invoke_ms: Quantiles | None = None
    fps: float | None = None
    worker_peak_rss_bytes: int | None = None
    main_rss_bytes: int | None = None

    @property
    def memory_bytes(self) -> int:
        """The worker's peak and what the main process held while it measured, together.

        To serve a stream takes more: a video decoder and its frames come on top.
        """
        return (self.worker_peak_rss_bytes or 0) + (self.main_rss_bytes or 0)


@dataclass(frozen=True)
class DeviceProfile:
    """A family measured on a machine."""

    schema_version: int
    edgescale_version: str
    time: str  # RFC 3339, UTC
    family: str
    machine: Machine
    device_asked: str
    device: str
    runtime: str
    runtime_version: str
    threads: int
    frame: str  # the picture that was measured with
    rounds: int  # blocks that alternate between the variants; 1 is one variant after the other
    noise: Noise
    variants: tuple[Measurement, ...]

    def measurement(self, variant: str) -> Measurement | None:
        """Returns the figures of one variant, None where it was not measured."""
        return next((entry for entry in self.variants if entry.variant == variant), None)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain dicts and lists, ready for JSON; ``profile_from_dict`` reverses it."""
        return asdict(self)


def read_profile(path: Path) -> DeviceProfile:
    """Reads a profile file.

    Raises:
        ProfileError: unreadable, or not a profile that this version understands.
    """
    return profile_from_dict(read_json(path, ProfileError), str(path))


def profile_from_dict(record: object, where: str = "profile") -> DeviceProfile:
    """Reads a profile from parsed JSON.

    Raises:
        ProfileError: wrong schema version, unknown or missing key, wrong type, out of bounds.
    """
    fields = Fields(record, where, ProfileError)
    version = fields.integer("schema_version", low=1)
    if version > SCHEMA_VERSION:
        made_by = fields.text("edgescale_version", "a newer version", longest=100)
        raise ProfileError(
            f"{where}: schema version {version} is newer than this edgescale reads"
            f" ({SCHEMA_VERSION}); install edgescale {made_by} or newer, or profile again"
        )
    profile = DeviceProfile(
        schema_version=version,
        edgescale_version=fields.text("edgescale_version", longest=100),
        time=_time(fields),
        family=fields.text("family", longest=100),
        machine=machine_from(fields.table("machine")),
        device_asked=fields.text("device_asked", longest=100),
        device=fields.text("device", longest=100),
        runtime=fields.text("runtime", longest=100),
        runtime_version=fields.text("runtime_version", longest=100),
        threads=fields.integer("threads", low=1, high=10_000),
        frame=fields.text("frame", longest=200),
        rounds=fields.integer("rounds", low=1, high=10_000),
        noise=_noise(fields.table("noise")),
        variants=tuple(
            _measurement(item) for item in fields.tables("variants", most=_MOST_VARIANTS)
        ),
    )
    fields.close()
    return profile


def _time(fields: Fields) -> str:
    text: str = fields.text("time", longest=100)
    if parse_time(text) is None:
        raise fields.refuse("time", "an RFC 3339 time in UTC, e.g. 2026-01-31T12:00:00Z")
    return text


def parse_time(text: str) -> datetime | None:
    """Parses an RFC 3339 time in UTC; None where it is none."""
    # Python 3.10's fromisoformat does not know the "Z".
    try:
        time = datetime.fromisoformat(text.removesuffix("Z") + "+00:00")
    except ValueError:
        return None
    return time if text.endswith("Z") else None


def _measurement(fields: Fields) -> Measurement:
    error = _text(fields, "error", 10_000)
    wanted = error is None
    record = Measurement(
        variant=fields.text("variant", longest=100),
        model_sha256=fields.text("model_sha256", longest=64),
        error=error,
        error_kind=_text(fields, "error_kind"),
        load_ms=_number(fields, "load_ms", wanted),
        first_inference_ms=_number(fields, "first_inference_ms", wanted),
        warmup_runs=_integer(fields, "warmup_runs", wanted),
        n=_integer(fields, "n", wanted, low=1),
        latency_ms=_quantiles(fields, "latency_ms", wanted),
        invoke_ms=_quantiles(fields, "invoke_ms", wanted),
        fps=_number(fields, "fps", wanted),
        worker_peak_rss_bytes=_integer(fields, "worker_peak_rss_bytes", wanted),
        main_rss_bytes=_integer(fields, "main_rss_bytes", wanted),
    )
    fields.close()
    return record


def _quantiles(fields: Fields, key: str, wanted: bool) -> Quantiles | None:
    table = fields.table(key) if wanted else fields.optional_table(key)
    if table is None:
        return None
    names = ("min", "median", "p95", "p99")
    values = [table.number(name, low=0, high=_LONGEST_MS) for name in names]
    table.close()
    if values != sorted(values):
        raise fields.refuse(key, "min <= median <= p95 <= p99")
    return Quantiles(*values)


def _noise(fields: Fields) -> Noise:
    record = Noise(
        psi_before_percent=_number(fields, "psi_before_percent"),
        psi_during_percent=_number(fields, "psi_during_percent"),
        load_before=_number(fields, "load_before"),
        load_after=_number(fields, "load_after"),
        noisy=fields.boolean("noisy"),
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
