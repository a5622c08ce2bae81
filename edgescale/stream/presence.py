"""Who entered and who left: from scores that flicker to two events for each visit.

A label enters once its score has stayed at or above one limit for a minimum time, and leaves once
it has stayed below a lower one for as long; a single frame that breaks the stay begins it anew. So
neither a score that trembles around a limit nor a single wrong frame rings a bell. Nobody knows who
is there while no picture comes: an outage ends every visit at the last picture before it, and so
does a step back in time, where one file ends and the next begins.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from edgescale.inference.classifier import Prediction
from edgescale.stream.event import Event

_SHORTEST_OUTAGE_S = 1.0
_OUTAGE = 4  # times the usual time between two frames, since some sources give few


@dataclass(frozen=True)
class PresenceLimits:
    """When a label counts as there.

    Attributes:
        enter: score that it must have in every frame to enter, above 0 and at most 1.
        leave: score that it must be below in every frame to leave, above 0 and at most ``enter``.
        duration_s: seconds that either must hold without a break until it is told.
    """

    enter: float = 0.6
    leave: float = 0.4
    duration_s: float = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError where no score could satisfy the limits."""
        if not 0 < self.leave <= self.enter <= 1:
            raise ValueError(
                f"presence needs 0 < leave <= enter <= 1, got leave {self.leave} and enter"
                f" {self.enter}"
            )
        if not 0 <= self.duration_s < float("inf"):
            raise ValueError(f"presence needs a duration in seconds, got {self.duration_s}")


class Presence:
    """Follows the labels of every source; memory is bounded by what is there or about to be."""

    def __init__(self, limits: PresenceLimits) -> None:
        self._limits = limits
        self._sources: dict[str, dict[str, _Visit]] = {}
        self._times: dict[str, _Times] = {}

    def observe(self, source: str, predictions: Iterable[Prediction], at_s: float) -> list[Event]:
        """Takes the scores of one frame and returns what they mean, in the order of the labels.

        Args:
            source: its name.
            predictions: the top-k before any threshold; what is not among them scores 0.
            at_s: when it was, in seconds of one clock per source.
        """
        times = self._times.setdefault(source, _Times())
        shortest_s = max(self._limits.duration_s, _SHORTEST_OUTAGE_S)
        gone = self._end(source) if times.had_outage(at_s, shortest_s) else []
        visits = self._sources.setdefault(source, {})
        scores = {one.label: one.score for one in predictions}
        for label, score in scores.items():
            if score >= self._limits.enter and label not in visits:
                visits[label] = _Visit(at_s)
        return gone + [
            event
            for label in tuple(visits)
            if (event := self._seen(source, label, scores.get(label, 0.0), at_s)) is not None
        ]

    def close(self) -> list[Event]:
        """The run ends: returns ``left`` for all that are there still."""
        return [event for source in tuple(self._sources) for event in self._end(source)]

    def _end(self, source: str) -> list[Event]:
        """Ends all visits at the last frame, or before it where they had ended."""
        return [
            _event("left", source, label, visit.score, visit.until_s - visit.since_s)
            for label, visit in self._sources.pop(source, {}).items()
            if visit.told
        ]

    def _seen(self, source: str, label: str, score: float, at_s: float) -> Event | None:
        visits = self._sources[source]
        visit, limits = visits[label], self._limits
        visit.score, visit.last_s = score, at_s
        if not visit.told:
            if score < limits.enter:
                del visits[label]
            elif at_s - visit.since_s >= limits.duration_s:
                visit.told = True
                return _event("entered", source, label, score, at_s - visit.since_s)
            return None
        if score >= limits.leave:
            visit.gone_s = None
            return None
        visit.gone_s = at_s if visit.gone_s is None else visit.gone_s
        if at_s - visit.gone_s < limits.duration_s:
            return None
        del visits[label]
        return _event("left", source, label, score, visit.gone_s - visit.since_s)


@dataclass
class _Visit:
    """A label that is about to enter, is there once ``told``, or was until ``gone_s``."""

    since_s: float
    told: bool = False
    gone_s: float | None = None
    score: float = 0.0
    last_s: float = 0.0

    @property
    def until_s(self) -> float:
        return self.last_s if self.gone_s is None else self.gone_s


@dataclass
class _Times:
    """When the last frame of a source was, and the intervals before it."""

    last_s: float | None = None
    intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=5))

    def had_outage(self, at_s: float, shortest_s: float) -> bool:
        """Takes the time of a frame; says whether pictures were missing or a new file began."""
        last_s, self.last_s = self.last_s, at_s
        if last_s is None:
            return False
        interval_s, known = at_s - last_s, self.intervals_s
        if 0 <= interval_s <= shortest_s:
            known.append(interval_s)
            return False
        usual_s = median(known) if known else 0.0
        if interval_s < 0:
            return -interval_s > usual_s / 2  # less is a file's unsteady clock
        known.append(interval_s)
        return interval_s > _OUTAGE * usual_s


def _event(kind: str, source: str, label: str, score: float, duration_s: float) -> Event:
    where = f" {source}" if source else ""
    text = f"'{label}' entered{where} with score {score:.2f}"
    if kind == "left":
        text = f"'{label}' left{where} after {duration_s:.1f} s"
    details = {
        "source": source,
        "label": label,
        "score": round(score, 4),
        "duration_s": round(duration_s, 3),
    }
    return Event(kind, text, details)
