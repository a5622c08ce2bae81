"""Results and events as plain dicts, for JSON lines, webhooks and whoever else sends them."""

from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from edgescale.stream.event import Event

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

SCHEMA_VERSION = 1  # fields are added under the same number; one that changes or goes raises it


def result_record(result: "FrameResult", source: str = "") -> dict[str, Any]:
    """Returns one frame's result.

    Args:
        result: of a frame.
        source: what to call its source where the result does not.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "time": result.time,
        "source": result.source or source,
        "variant": result.variant,
        "device": result.device,
        "runtime": result.runtime,
        "index": result.index,
        "position_s": result.position_s,
        "name": result.name,
        "age_ms": round(result.age_ms, 3),
        "latency_ms": round(result.latency_ms, 3),
        "invoke_ms": round(result.invoke_ms, 3),
        "decode_ms": round(result.decode_ms, 3),
        "wait_ms": round(result.wait_ms, 3),
        "prepare_ms": round(result.prepare_ms, 3),
        "dropped": result.dropped,
        "predictions": [asdict(prediction) for prediction in result.predictions],
    }


def event_record(event: Event, source: str = "", *, time: str | None = None) -> dict[str, Any]:
    """Returns what happened beside the results.

    Args:
        event: its details become fields, its own source among them.
        source: what it concerns where the event does not say.
        time: RFC 3339 UTC, when it happened; None is now.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "event": event.kind,
        "time": time or utc_now(),
        "source": source,
        "text": event.text,
        **event.details,
    }


def utc_now() -> str:
    """Returns the time as RFC 3339 UTC, to the millisecond."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return now.replace("+00:00", "Z")
