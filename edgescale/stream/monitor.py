"""What a live run looks like now, kept for whoever watches it: page, metrics, MQTT.

The run notes a few numbers per frame and goes on. They are counted a batch at a time, since code
that runs once per frame finds its caches cold and costs several times as much; percentiles, rates
and texts are worked out in the thread of the one who asks.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone

from edgescale.inference.runtime import installed_version
from edgescale.stream.event import Event
from edgescale.stream.flight import FrameResult
from edgescale.stream.histogram import Histogram
from edgescale.stream.rate import RecentRate
from edgescale.stream.run_facts import RunFacts
from edgescale.stream.snapshot import STAGES, EventRecord, Snapshot, SourceStatus
from edgescale.stream.source_record import SourceRecord
from edgescale.stream.sources.source_spec import SourceState

_MOST_EVENTS = 50  # of visits, and of all others: labels that flutter push out no outage
_VISITS = ("entered", "left")
_LATENCIES = 512  # of the last results, for the percentiles of now
_BATCH = 32
_Noted = tuple[SourceRecord, int, float, float, float, float, float, float, float]
_WHY = ("switched", "moved")  # events that say why another variant serves


class Monitor:
    """Follows one live run; all methods may be called from any thread.

    Memory is bounded, however long the run: by the number of sources, each with its newest picture.

    Args:
        clock: in seconds, monotonic.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun_s = clock()
        self._changed = threading.Condition()
        self._watchers = 0
        self._facts = RunFacts()
        self._why = ""
        self._noted: deque[_Noted] = deque()  # and not counted yet
        self._stages = tuple(Histogram() for _ in STAGES)
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES)
        self._rate = RecentRate()
        self._sources: dict[str, SourceRecord] = {}
        self._events: list[EventRecord] = []
        self._last: FrameResult | None = None
        self._runtime = ("", "")  # name, and with its version

    def follow(self, facts: RunFacts) -> None:
        """Takes what is known of the run beside its results; the last call counts."""
        with self._changed:
            self._facts, self._why = facts, facts.why

    def observe(self, result: FrameResult, output_ms: float) -> None:
        """Counts a result.

        Args:
            result: as the outputs got it.
            output_ms: how long it took to hand it to all of them.
        """
        record = self._sources.get(result.source) or self._record(result.source)
        record.last = self._last = result
        noted = (
            *(record, result.dropped, self._clock(), result.latency_ms),
            *(result.decode_ms, result.wait_ms, result.prepare_ms, result.infer_ms, output_ms),
        )
        self._noted.append(noted)
        if len(self._noted) >= _BATCH:
            self._count()
        if self._watchers:
            with self._changed:
                self._changed.notify_all()

    def event(self, event: Event) -> None:
        """Takes what happened beside the results."""
        source = str(event.details.get("source", ""))
        record = EventRecord(_now(), event.kind, event.text, source)
        with self._changed:
            visit = event.kind in _VISITS
            alike = [one for one in self._events if (one.kind in _VISITS) == visit]
            if len(alike) == _MOST_EVENTS:
                self._events.remove(alike[0])
            self._events.append(record)
            if event.kind in _WHY:
                self._why = event.text
            elif visit:
                self._record(source).tell(event)

    def latest(self, source: str) -> FrameResult | None:
        """Returns the last result of a source, None before the first."""
        found = self._sources.get(source)
        return None if found is None else found.last

    def wait_newer(self, source: str, index: int | None, timeout_s: float) -> FrameResult | None:
        """Waits for a result of a source whose index is another; None in time without one.

        Args:
            source: its name.
            index: of the result that is known; None takes any.
            timeout_s: longest wait.
        """
        found: FrameResult | None = None

        def there() -> bool:
            nonlocal found
            record = self._sources.get(source)
            found = None if record is None else record.last
            return found is not None and found.index != index

        with self._changed:
            self._watchers += 1
            try:
                return found if self._changed.wait_for(there, timeout_s) else None
            finally:
                self._watchers -= 1

    def snapshot(self) -> Snapshot:
        """Returns the run as it is now; takes about a millisecond."""
        facts = self._facts
        # Asked for before the lock is taken: they have locks of their own.
        sources, sinks = facts.sources(), facts.sinks()
        variants, celsius = facts.variants(), facts.temperature_c()
        with self._changed:
            self._count()
            now_s, last = self._clock(), self._last
            return Snapshot(
                time=_now(),
                uptime_s=now_s - self._begun_s,
                family=facts.family,
                variant="" if last is None else last.variant,
                device="" if last is None else last.device,
                runtime=self._runtime_of(last),
                why=self._why,
                budget=facts.budget,
                limit_ms=facts.limit_ms,
                variants=variants,
                latency_ms=self._percentiles(),
                fps=self._rate.fps(now_s),
                stages=tuple(
                    one.stage(name) for name, one in zip(STAGES, self._stages, strict=True)
                ),
                sources=tuple(self._status(one, now_s) for one in sources),
                sinks=sinks,
                events=tuple(self._events),
                temperature_c=celsius,
            )

    def _count(self) -> None:
        """Counts what was noted, in order."""
        with self._changed:
            while self._noted:
                record, dropped, now_s, latency_ms, *stages_ms = self._noted.popleft()
                record.count(dropped, now_s)
                self._rate.add(now_s)
                self._latencies_ms.append(latency_ms)
                for stage, time_ms in zip(self._stages, stages_ms, strict=True):
                    stage.add(time_ms)

    def _record(self, source: str) -> SourceRecord:
        with self._changed:
            found = self._sources.get(source)
            if found is None:
                found = self._sources[source] = SourceRecord()
            return found

    def _status(self, state: SourceState, now_s: float) -> SourceStatus:
        return self._record(state.name).status(state, now_s)

    def _percentiles(self) -> tuple[float, float, float] | None:
        ordered = sorted(self._latencies_ms)
        if not ordered:
            return None
        last = len(ordered) - 1
        return ordered[round(0.5 * last)], ordered[round(0.95 * last)], ordered[round(0.99 * last)]

    def _runtime_of(self, last: FrameResult | None) -> str:
        if last is None:
            return ""
        if self._runtime[0] != last.runtime:
            text = f"{last.runtime} {installed_version(last.runtime) or ''}".strip()
            self._runtime = (last.runtime, text)
        return self._runtime[1]


def _now() -> str:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return now.replace("+00:00", "Z")
