"""What a page that watches is sent: the state once a second, answers in between, the past once.

Server-sent events: a name and one line of JSON. Nothing here is HTML, and the page puts each text
in as text.
"""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgescale.inference.classifier import Prediction
from edgescale.stream.snapshot import Snapshot, StageLatency

HISTORY_S = 300.0
_SHORTEST_STEP_S = 0.5
_DIGITS = 3


class History:
    """The last five minutes for the charts of a page that is opened now."""

    def __init__(self) -> None:
        self._points: deque[list[Any]] = deque()

    def add(self, snapshot: Snapshot) -> None:
        """Adds a point, unless the last one is younger than half a second."""
        now_s = snapshot.uptime_s
        if self._points and now_s - self._points[-1][0] < _SHORTEST_STEP_S:
            return
        self._points.append(_point(snapshot))
        while now_s - self._points[0][0] > HISTORY_S:
            self._points.popleft()

    def points(self) -> list[list[Any]]:
        """Returns [uptime_s, fps, p50_ms, p95_ms, variant] of each, the oldest first."""
        return list(self._points)


def state_message(snapshot: Snapshot) -> bytes:
    """Returns a snapshot for the page: without the buckets, which it does not draw."""
    record = asdict(snapshot)
    record["stages"] = [_stage(stage) for stage in snapshot.stages]
    return _message("state", record)


def past_message(points: Sequence[Sequence[Any]], *, sign_out: bool) -> bytes:
    """Returns what a page needs once: the points so far, and whether it can sign out."""
    return _message("past", {"points": points, "seconds": HISTORY_S, "sign_out": sign_out})


def answer_message(source: str, predictions: Sequence[Prediction]) -> bytes:
    """Returns the newest answer of a source."""
    return _message(
        "answer", {"source": source, "predictions": [asdict(one) for one in predictions]}
    )


def end_message() -> bytes:
    """Returns the last message of a run: it ended, and was not cut off."""
    return _message("end", {})


def _point(snapshot: Snapshot) -> list[Any]:
    p50_ms, p95_ms = snapshot.latency_ms[:2] if snapshot.latency_ms else (None, None)
    return [
        round(snapshot.uptime_s, _DIGITS),
        _rounded(snapshot.fps),
        _rounded(p50_ms),
        _rounded(p95_ms),
        snapshot.variant,
    ]


def _stage(stage: StageLatency) -> dict[str, Any]:
    record = asdict(stage)
    del record["buckets"]
    return record


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _message(name: str, record: dict[str, Any]) -> bytes:
    """In ASCII, since a foreign label may be half a character and may hold a line break."""
    return f"event: {name}\ndata: {json.dumps(record, allow_nan=False)}\n\n".encode("ascii")
