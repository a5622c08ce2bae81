"""All that is open while a run goes on: outputs, sources, worker; opened in order, closed in turn.

``Pipeline`` is what users see of it; here is what must hold whatever ends a run: every output is
finished, every thread joined, and what went wrong is raised once.
"""

import logging
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgescale.device.bench import Progress
from edgescale.errors import ReaderLeft, SinkFailed
from edgescale.family.store import Family, load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.explanation import budget_text
from edgescale.stream.event import Event, OnEvent
from edgescale.stream.flight import FrameResult, run
from edgescale.stream.heat import Heat
from edgescale.stream.live_run import LiveRun
from edgescale.stream.monitor import Monitor
from edgescale.stream.place import Wish, first_place
from edgescale.stream.refinement import Refinement
from edgescale.stream.run_facts import RunFacts
from edgescale.stream.sinks.outputs import Outputs, Sink
from edgescale.stream.sources.source import open_sources
from edgescale.stream.sources.source_spec import Source, SourceSpec
from edgescale.stream.stats import RunStats

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What the user asked for; attributes as the arguments of ``Pipeline``.

    Raises:
        ValueError: what no run could satisfy.
    """

    family: Family | Path | str
    sources: tuple[SourceSpec, ...]
    settings: WorkerSettings
    variant: str | None
    budget: Budget | None
    adapt: bool
    max_frames: int | None
    duration_s: float | None
    profiles: Path | str | None
    progress: Progress | None

    def __post_init__(self) -> None:
        if self.variant is not None and self.budget is not None:
            raise ValueError("a variant and a budget exclude each other: the budget chooses one")
        if self.adapt and self.variant is not None:
            raise ValueError("adapt and a variant exclude each other: adapt changes the variant")
        if self.adapt and (self.budget is None or self.budget.latency_ms is None):
            raise ValueError("adapt needs a latency budget: it is what the run adapts to")
        if self.max_frames is not None and self.max_frames < 1:
            raise ValueError(
                f"max_frames must be at least 1, got {self.max_frames}; None is no limit"
            )
        if self.duration_s is not None and not 0 < self.duration_s <= threading.TIMEOUT_MAX:
            raise ValueError(f"duration_s must be above 0 s, got {self.duration_s}; None is none")

    def wish(self) -> Wish:
        """Returns what a run needs of it, with the family loaded."""
        family = self.family
        if isinstance(family, str | Path):
            family = load_family(family)
        budget = self.budget or Budget()
        return Wish(
            family, self.settings, self.variant, budget, self.adapt, self.profiles, self.progress
        )


class Assembly:
    """One run, open from construction until ``close``.

    Args:
        asked: what is run.
        sinks: owned, and closed on any error.
        refinement: from a top-k to what is shown.
        monitor: told all of it.
        on_event: told what happens beside the results, one event at a time.
        stopping: set by ``stop``, and by whoever wants the run to end before it is open; then it
            has no results, and no model is loaded for it.

    Attributes:
        stats: what the run came to; complete once closed.

    Raises:
        EdgescaleError: whatever keeps frames from being classified.
    """

    def __init__(
        self,
        asked: Asked,
        sinks: Sequence[Sink],
        refinement: Refinement,
        monitor: Monitor,
        *,
        on_event: OnEvent,
        stopping: threading.Event,
    ) -> None:
        self.stats = RunStats()
        self._asked, self._refinement, self._monitor = asked, refinement, monitor
        self._on_event = on_event
        self._telling, self._stop_lock = threading.RLock(), threading.Lock()
        self._stopping = stopping
        self._stopper: threading.Thread | None = None
        self._source: Source | None = None  # None once it is closed, too
        self._live: LiveRun | None = None
        self._raised = False
        self._mistake: BaseException | None = None  # the first one that ``on_event`` raised
        with ExitStack() as stack:
            # Outputs first: a page shows the start, and all are closed on an error.
            self._outputs = Outputs(sinks, on_failure=self._sink_failed)
            stack.callback(self._finish)
            wish = asked.wish()
            # Then the source: a wrong path should not cost a measurement.
            source = self._frames = self._source = self._opened()
            stack.callback(self._close_source, source)
            if not source.live:
                self._outputs.hold_back()
            if not stopping.is_set():
                live = LiveRun(wish, first_place(wish), on_event=self._tell)
                self._live = stack.enter_context(live)
                monitor.follow(_facts(wish, live, source, self._outputs))
            self._stack = stack.pop_all()

    def results(self) -> Generator[FrameResult, None, None]:
        """Yields each result after the outputs were given it, then lets the outputs finish.

        Raises:
            EdgescaleError: as ``Pipeline.__iter__``.
        """
        if self._live is not None:
            yield from self._classified(self._live)
        self._finish()
        self.raise_failure()

    def stop(self) -> None:
        """Ends the run soon; from any thread."""
        self._stopping.set()
        self._outputs.hurry()
        with self._stop_lock:
            if self._stopper is None and self._source is not None:
                # In a thread: who calls may be what closing waits for, as a source's own thread is.
                self._stopper = threading.Thread(target=self._source.close, name="stop")
                self._stopper.start()

    def close(self) -> None:
        """Ends the worker, closes the sources and lets every output finish."""
        try:
            self._stack.close()
        finally:
            self.stats.end(self._frames.states(), self._outputs.statuses())

    def raise_failure(self) -> None:
        """Raises what ``on_event`` or an output ended with, the first time that it is called.

        Raises:
            SinkFailed: an output could not be written.
        """
        if self._mistake is not None and not self._raised:
            self._raised = True
            raise self._mistake
        failures = self._outputs.failures
        if failures and not self._raised:
            self._raised = True
            for other in failures[1:]:
                log.error("%s", other)
            raise failures[0]

    def _opened(self) -> Source:
        """Opens the sources, which may take no longer than the run itself."""
        with self._time_limit():
            return open_sources(
                self._asked.sources, on_event=self._tell, stopped=self._stopping.is_set
            )

    def _classified(self, live: LiveRun) -> Generator[FrameResult, None, None]:
        found = run(
            self._frames,
            live.supervisor,
            refine=self._refinement,
            max_frames=self._asked.max_frames,
            watch=live,
            stopped=self._stopping.is_set,
        )
        with closing(found), self._time_limit():
            for result in found:
                self._deliver(result)
                yield result

    def _deliver(self, result: FrameResult) -> None:
        start_s = time.monotonic()
        self._outputs.give(result)
        for event in self._refinement.events():
            self._tell(event, result)
        now_s = time.monotonic()
        self._monitor.observe(result, 1000 * (now_s - start_s))
        label = result.predictions[0].label if result.predictions else None
        self.stats.add(label, dropped=result.dropped, now_s=now_s, source=result.source)

    def _tell(self, event: Event, result: FrameResult | None = None) -> None:
        """Passes on what happened, from any thread.

        A mistake of the user's in it ends the run, and not the thread: that may be a camera's.
        """
        if result is None:
            result = self._monitor.latest(str(event.details.get("source", "")))
        self._monitor.event(event)
        self._outputs.tell(event, result)
        with self._telling:
            try:
                self._on_event(event)
            except BaseException as problem:
                log.exception("on_event")
                self._mistake = self._mistake or problem
                self.stop()

    def _sink_failed(self, problem: SinkFailed, must_end: bool) -> None:
        if must_end or isinstance(problem, ReaderLeft):
            self.stop()
        else:
            self._tell(Event("sink-failed", str(problem)))

    def _finish(self) -> None:
        """Lets those that are there leave, and the outputs finish; may be called twice."""
        for event in self._refinement.close():
            self._tell(event)
        self._outputs.close()

    def _close_source(self, source: Source) -> None:
        with self._stop_lock:
            self._source = None
        try:
            source.close()
        finally:
            if self._stopper is not None:
                self._stopper.join()

    @contextmanager
    def _time_limit(self) -> Iterator[None]:
        """Stops the run in time, whether what it waits for comes or not."""
        if self._asked.duration_s is None:
            yield
            return
        timer = threading.Timer(self._asked.duration_s, self.stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _facts(wish: Wish, live: LiveRun, source: Source, outputs: Outputs) -> RunFacts:
    return RunFacts(
        family=wish.family.manifest.name,
        why=live.why,
        budget="" if wish.budget == Budget() else budget_text(wish.budget),
        limit_ms=wish.budget.latency_ms,
        variants=lambda: live.variants,
        sources=source.states,
        sinks=outputs.statuses,
        temperature_c=Heat(live.edge_tpu_c),
    )
