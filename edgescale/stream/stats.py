"""What a run came to: frames, rate, drops and outages, of each source and of all together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgescale.stream.snapshot import SinkStatus
from edgescale.stream.sources.source_spec import SourceState

_MOST_COUNTED = 100_000  # as many labels as a family may have
_FEWEST_FOR_RATE = 10  # two are in flight, so the first results come at once


def rate(stamps: int, span_s: float) -> float | None:
    """Returns the rate of stamps that span a time; N of them are N - 1 intervals, one has none."""
    return (stamps - 1) / span_s if stamps > 1 and span_s > 0 else None


@dataclass
class SourceStats:
    """One source, or all of them together; memory does not grow with the length of the run.

    Attributes:
        frames: results.
        dropped: frames that nobody saw.
        first_s: monotonic clock at the first result.
        last_s: at the last one.
        top1: how often each label was best.
        outages: how often it was lost.
        outage_s: for how long in all.
    """

    frames: int = 0
    dropped: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    top1: Counter[str] = field(default_factory=Counter)
    outages: int = 0
    outage_s: float = 0.0

    def count(self, label: str | None, now_s: float) -> None:
        """Counts one result; the label is None where the model was not sure."""
        if self.frames == 0:
            self.first_s = now_s
        self.frames, self.last_s = self.frames + 1, now_s
        if label is not None and (label in self.top1 or len(self.top1) < _MOST_COUNTED):
            self.top1[label] += 1

    @property
    def fps(self) -> float | None:
        """Returns the rate from the first result to the last, None for a handful of frames."""
        if self.frames < _FEWEST_FOR_RATE:
            return None
        return rate(self.frames, self.last_s - self.first_s)

    @property
    def most_frequent(self) -> tuple[str, int] | None:
        """Returns the label that was top-1 most often, with its count."""
        return next(iter(self.top1.most_common(1)), None)


@dataclass
class RunStats(SourceStats):
    """All sources together, and each by its name.

    Attributes:
        sources: in the order of their first results; those without any come last.
        sinks: what each output took and lost; complete at the end of the run.
    """

    sources: dict[str, SourceStats] = field(default_factory=dict)
    sinks: tuple[SinkStatus, ...] = ()

    def add(self, label: str | None, *, dropped: int, now_s: float, source: str = "") -> None:
        """Counts one result.

        Args:
            label: the best one; None where the model was not sure.
            dropped: frames of this source so far that nobody saw.
            now_s: monotonic clock.
            source: its name.
        """
        self.count(label, now_s)
        one = self.sources.get(source)
        if one is None:
            one = self.sources[source] = SourceStats()
        one.count(label, now_s)
        self.dropped += dropped - one.dropped
        one.dropped = dropped

    def end(self, states: Sequence[SourceState], sinks: Sequence[SinkStatus]) -> None:
        """Takes what sources and outputs say at the end of the run."""
        self.sinks = tuple(sinks)
        for state in states:
            one = self.sources.setdefault(state.name, SourceStats())
            one.dropped, one.outages, one.outage_s = state.dropped, state.outages, state.outage_s
        every = self.sources.values()
        self.dropped = sum(one.dropped for one in every)
        self.outages = sum(one.outages for one in every)
        self.outage_s = sum(one.outage_s for one in every)
