"""Reads a profile's file back into a ``DeviceProfile``.

It is read as strictly as a manifest: it may come from another machine or another version. An older
schema is refused, not upgraded: its figures were measured in another way, and to measure anew takes
less than a minute.
"""

from pathlib import Path

from edgescale.device.machine_record import machine_from
from edgescale.device.profile import (
    MOST_LATENCIES,
    SCHEMA_VERSION,
    DeviceProfile,
    Measurement,
    Noise,
    ThreadTrial,
    parse_time,
)
from edgescale.device.statistics import Quantiles
from edgescale.errors import ProfileError
from edgescale.family.fields import Fields
from edgescale.family.store import read_json

_LONGEST_MS = 1e7
_MOST_VARIANTS = 256
_MOST_TRIALS = 64
_MOST_FLAGS = 100


def read_profile(path: Path) -> DeviceProfile:
    """Reads a profile file.

    Raises:
        ProfileError: unreadable, or not a profile that this version understands.
    """
    return profile_from_dict(read_json(path, ProfileError), str(path))


def profile_from_dict(record: object, where: str = "profile") -> DeviceProfile:
    """Reads a profile from parsed JSON.

    Raises:
        ProfileError: another schema version, unknown or missing key, wrong type, out of bounds.
    """
    fields = Fields(record, where, ProfileError)
    _check_schema(fields, where)
    profile = DeviceProfile(
        schema_version=SCHEMA_VERSION,
        edgescale_version=fields.text("edgescale_version", longest=100),
        time=_time(fields),
        family=fields.text("family", longest=100),
        models=_models(fields),
        machine=machine_from(fields.table("machine")),
        device_asked=fields.text("device_asked", longest=100),
        device=fields.text("device", longest=100),
        runtime=fields.text("runtime", longest=100),
        runtime_version=fields.text("runtime_version", longest=100),
        threads=fields.integer("threads", low=1, high=10_000),
        threads_asked=_integer(fields, "threads_asked", low=1),
        threads_tried=tuple(
            _trial(item) for item in fields.tables("threads_tried", most=_MOST_TRIALS)
        ),
        edgetpu_library=fields.optional_text("edgetpu_library"),
        edgetpu_library_sha256=_text(fields, "edgetpu_library_sha256", 64),
        edgetpu_performance=_text(fields, "edgetpu_performance"),
        frame=fields.text("frame", longest=200),
        rounds=fields.integer("rounds", low=1, high=MOST_LATENCIES),
        noise=_noise(fields.table("noise")),
        variants=tuple(
            _measurement(item) for item in fields.tables("variants", most=_MOST_VARIANTS)
        ),
        stale=fields.optional_text("stale"),
    )
    fields.close()
    return profile


def _check_schema(fields: Fields, where: str) -> None:
    version = fields.integer("schema_version", low=1)
    if version > SCHEMA_VERSION:
        made_by = fields.text("edgescale_version", "a newer version", longest=100)
        raise ProfileError(
            f"{where}: schema version {version} is newer than this edgescale reads"
            f" ({SCHEMA_VERSION}); install edgescale {made_by} or newer, or profile again"
        )
    if version < SCHEMA_VERSION:
        raise ProfileError(
            f"{where}: schema version {version} is of an older edgescale, which measured in another"
            " way; profile again"
        )


def _time(fields: Fields) -> str:
    text: str = fields.text("time", longest=100)
    if parse_time(text) is None:
        raise fields.refuse("time", "an RFC 3339 time in UTC, e.g. 2026-01-31T12:00:00Z")
    return text


def _models(fields: Fields) -> tuple[tuple[str, str], ...]:
    pairs = fields.items("models", most=_MOST_VARIANTS)
    good = all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(isinstance(text, str) and len(text) <= 100 for text in pair)
        for pair in pairs
    )
    if not good:
        raise fields.refuse("models", "a list of pairs, a variant's name and a sha256")
    return tuple((name, sha256) for name, sha256 in pairs)


def _trial(fields: Fields) -> ThreadTrial:
    record = ThreadTrial(
        threads=fields.integer("threads", low=1, high=10_000),
        median_ms=fields.number("median_ms", low=0, high=_LONGEST_MS),
    )
    fields.close()
    return record


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
        latencies_ms=_latencies(fields, wanted),
        invoke_ms=_quantiles(fields, "invoke_ms", wanted),
        pipelined_fps=_number(fields, "pipelined_fps"),
        worker_pss_bytes=_integer(fields, "worker_pss_bytes", wanted),
        worker_peak_rss_bytes=_integer(fields, "worker_peak_rss_bytes", wanted),
        main_pss_bytes=_integer(fields, "main_pss_bytes", wanted),
        predicted_worker_peak_bytes=_integer(fields, "predicted_worker_peak_bytes"),
    )
    fields.close()
    return record


def _latencies(fields: Fields, wanted: bool) -> tuple[float, ...]:
    values: tuple[float, ...] = fields.numbers("latencies_ms", most=MOST_LATENCIES)
    # Zero would be a clock that stands still, and no rate could be had of it.
    if not all(0 < value <= _LONGEST_MS for value in values) or bool(values) != wanted:
        raise fields.refuse("latencies_ms", "times above zero where, and only where, it ran")
    return values


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
        governor=_text(fields, "governor"),
        temperature_before_c=fields.optional_number("temperature_before_c"),
        temperature_after_c=fields.optional_number("temperature_after_c"),
        cpu_mhz_before=_number(fields, "cpu_mhz_before"),
        cpu_mhz_after=_number(fields, "cpu_mhz_after"),
        autocorrelation_max=fields.optional_number("autocorrelation_max"),
        flags=fields.texts("flags", most=_MOST_FLAGS),
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
