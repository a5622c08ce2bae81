"""What the monitor keeps of one source: counters, rates, the last result and who is there."""

from edgescale.stream.event import Event
from edgescale.stream.flight import FrameResult
from edgescale.stream.rate import RecentRate
from edgescale.stream.snapshot import SourceStatus
from edgescale.stream.sources.source_spec import SourceState


class SourceRecord:
    """One source; not thread-safe, its owner has a lock.

    Attributes:
        last: its last result, None before the first.
    """

    def __init__(self) -> None:
        self.last: FrameResult | None = None
        self._rate, self._capture_rate = RecentRate(), RecentRate()
        self._present: dict[str, None] = {}  # in the order in which they entered

    def count(self, dropped: int, now_s: float) -> None:
        """Counts a result; what was captured is what was served and what was dropped."""
        self._rate.add(now_s)
        self._capture_rate.add(now_s, self._rate.count + dropped)

    def tell(self, event: Event) -> None:
        """Takes ``entered`` or ``left``."""
        label = str(event.details["label"])
        if event.kind == "entered":
            self._present[label] = None
        else:
            self._present.pop(label, None)

    def status(self, state: SourceState, now_s: float) -> SourceStatus:
        """Returns all of it, with what the source says of itself."""
        last = self.last
        return SourceStatus(
            name=state.name,
            live=state.live,
            state=state.state,
            reason=state.reason,
            frames=self._rate.count,
            dropped=state.dropped,
            fps=self._rate.fps(now_s),
            capture_fps=self._capture_rate.fps(now_s),
            outages=state.outages,
            outage_s=state.outage_s,
            size_px=None if last is None else (last.image.shape[1], last.image.shape[0]),
            age_ms=None if last is None else last.age_ms,
            predictions=() if last is None else last.predictions,
            present=tuple(self._present),
        )
