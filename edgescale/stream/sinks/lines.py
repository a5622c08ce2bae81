"""One line per result or event, for a person or as JSON, on stdout or into a file.

Each line is flushed: who reads it acts on it now, and a pipe to ``head`` ends the run.
"""

import json
import os
from typing import TYPE_CHECKING, Any, TextIO

from edgescale.errors import ReaderLeft, SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.sinks.annotate import NOT_SURE
from edgescale.stream.sinks.records import event_record, result_record
from edgescale.units import milliseconds, printable

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

_QUEUE_SIZE = 16


class TextSink:
    """Writes a readable line for each result and event; see ``outputs.Sink``.

    Args:
        stream: where the results go; flushed at the end and not closed.
        notes: where the events go; None puts them among the results.
        several: whether to begin a line with its source.
    """

    name = "text"
    queue_size = _QUEUE_SIZE

    def __init__(
        self, stream: TextIO, *, notes: TextIO | None = None, several: bool = False
    ) -> None:
        self._stream, self._notes, self._several = stream, notes or stream, several

    def result(self, result: "FrameResult") -> None:
        """Writes a result.

        Raises:
            SinkFailed: it cannot be written; ``ReaderLeft`` where the reader went away.
        """
        line = result_line(result)
        _put(self._stream, f"{result.source}: {line}" if self._several else line)

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Writes an event; raises as ``result`` does."""
        _put(self._notes, f"{event.kind}: {event.text}")

    def tick(self) -> None:
        """Does nothing: every line is flushed."""

    def close(self) -> None:
        """Does nothing: the stream belongs to the caller."""


class JsonSink:
    """Writes one JSON object for each result and event; see ``outputs.Sink``.

    Args:
        stream: as with ``TextSink``.
        source: what to call a source where result or event do not.
    """

    name = "json"
    queue_size = _QUEUE_SIZE

    def __init__(self, stream: TextIO, *, source: str = "") -> None:
        self._stream, self._source = stream, source

    def result(self, result: "FrameResult") -> None:
        """Writes a result.

        Raises:
            SinkFailed: it cannot be written; ``ReaderLeft`` where the reader went away.
        """
        self._put(result_record(result, self._source))

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Writes an event; raises as ``result`` does."""
        self._put(event_record(event, self._source))

    def tick(self) -> None:
        """Does nothing: every line is flushed."""

    def close(self) -> None:
        """Does nothing: the stream belongs to the caller."""

    def _put(self, record: dict[str, Any]) -> None:
        # In ASCII: foreign text may be half a character.
        _put(self._stream, json.dumps(record, allow_nan=False))


def result_line(result: "FrameResult") -> str:
    """Returns e.g. ``frame 3 at 0.10 s: cat 0.75 (12.3 ms)``, labels not yet printable."""
    place = f"frame {result.index}"
    if result.name is not None:
        place = result.name
    elif result.position_s is not None:
        place += f" at {result.position_s:.2f} s"
    found = "; ".join(f"{one.label} {one.score:.2f}" for one in result.predictions) or NOT_SURE
    return f"{place}: {found} ({milliseconds(result.age_ms)})"


def _put(stream: TextIO, line: str) -> None:
    encoding = stream.encoding or "utf-8"  # an old terminal may know few characters
    text = printable(line).encode(encoding, "replace").decode(encoding)
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except BrokenPipeError as problem:
        _silence(stream)
        raise ReaderLeft("who read the results went away") from problem
    except (OSError, ValueError) as problem:
        _silence(stream)
        why = getattr(problem, "strerror", None) or str(problem)
        raise SinkFailed(
            f"the results cannot be written ({why}); look at where they are sent"
        ) from problem


def _silence(stream: TextIO) -> None:
    """Leads a stream nowhere: what it still holds would fail again when Python ends."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
    except (OSError, ValueError):  # not a file of the system
        pass
