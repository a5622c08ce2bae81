"""``Pipeline`` and ``classify()``: frames of sources in, one result per frame out.

A file gives every frame and two are in flight, so that the next one is decoded and prepared while
the worker runs the model. A camera gives the newest frame and one is in flight: a second would only
make the answer older.
"""

import logging
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from edgescale.device.bench import Progress
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.stream.assembly import Asked, Assembly
from edgescale.stream.event import Event, OnEvent
from edgescale.stream.flight import FrameResult, run
from edgescale.stream.monitor import Monitor
from edgescale.stream.presence import PresenceLimits
from edgescale.stream.refinement import Refinement
from edgescale.stream.sinks.outputs import Sink
from edgescale.stream.sources.source_spec import SourceSpec, parse_source
from edgescale.stream.stats import RunStats

__all__ = ["FrameResult", "Pipeline", "classify", "run"]

log = logging.getLogger(__name__)

SourceLike = str | Path | SourceSpec


class Pipeline:
    """One live run from sources over the model to outputs; a context manager, used once.

    Iterating gives the results; ``run`` does so for the outputs alone. Nothing is opened before it
    is entered, and all is closed and finished when it is left. A worker that dies is started again;
    with device ``auto`` the run moves to another device where that does not help.

        with Pipeline("family", ["door=rtsp://camera/1", "yard=rtsp://camera/2"]) as pipeline:
            for result in pipeline:
                print(result.source, result.predictions[0].label)

    Args:
        family: a loaded family or its folder.
        source: ``0``, ``/dev/video0``, a video file, an image, a folder, a glob, a URL, or ``-``
            for MJPEG on standard input, each with ``NAME=`` before it where that is wanted; a
            ``SourceSpec``; or a list of them, which share the model fairly.
        variant: the variant to run; None selects the largest one that fits the budget by its
            profile on this machine, and measures first where no fresh profile is stored.
        device: ``auto``, ``cpu``, ``usb``, ``pci``, ``usb:0``, ...
        runtime: a TFLite runtime by name; None takes the first that works.
        threads: threads of the interpreter on the CPU; None takes as many as measure best here.
        edgetpu_library: the Edge TPU library, where it is not the system's.
        edgetpu_performance: clock of the Edge TPU: low, medium, high or max.
        top_k: predictions per frame; smoothing and presence look at more than are shown.
        threshold: the lowest score that is reported, 0 to 1.
        smooth_s: averages scores over time, exponentially with this time constant, for each source
            by itself; None reports each frame as it is.
        presence: when a label counts as there: then the events ``entered`` and ``left`` are told.
        max_frames: stop after so many frames.
        duration_s: stop after so many seconds, counted from when the first frame is asked for. An
            opening of sources that takes longer is left, and the run then has no results.
        budget: limits for the selection; None lets the largest variant that runs here win.
        adapt: change the variant while running: down at once when the latency budget breaks, up
            when there has been head-room for some time. Needs a latency budget, and no variant.
        profiles: folder of the profiles.
        progress: called with (runs done, runs in all) while it measures.
        on_event: told what happens beside the results, one event at a time, in the thread in which
            it happened and before the result that follows: kind ``switched``, ``confirmed``,
            ``doubted``, ``worker-died``, ``restarted``, ``moved``, ``source-lost``,
            ``source-back``, ``source-ended``, ``sink-failed``, ``entered`` or ``left``, a sentence
            and plain details. What it raises ends the run and is raised there. None writes it to
            the log.
        sinks: outputs; owned, and closed with the run. More may come by ``add_sink``.

    Attributes:
        monitor: what the run looks like now; for any thread.
        stats: what it came to.

    Raises:
        ValueError: arguments that no run could satisfy.
        StreamError: a source that cannot be one.
    """

    def __init__(  # noqa: PLR0913 - the public face: one argument for each flag of the verb
        self,
        family: Family | Path | str,
        source: SourceLike | Sequence[SourceLike],
        *,
        variant: str | None = None,
        device: str = "auto",
        runtime: str | None = None,
        threads: int | None = None,
        edgetpu_library: str | None = None,
        edgetpu_performance: str | None = None,
        top_k: int = 5,
        threshold: float = 0.0,
        smooth_s: float | None = None,
        presence: PresenceLimits | None = None,
        max_frames: int | None = None,
        duration_s: float | None = None,
        budget: Budget | None = None,
        adapt: bool = False,
        profiles: Path | str | None = None,
        progress: Progress | None = None,
        on_event: OnEvent | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        settings = WorkerSettings(
            device=device, runtime=runtime, threads=threads, edgetpu_library=edgetpu_library,
            edgetpu_performance=edgetpu_performance, top_k=top_k,
        )  # fmt: skip
        self._refinement = Refinement(
            top_k=top_k, threshold=threshold, smooth_s=smooth_s, presence=presence
        )
        settings = replace(settings, top_k=self._refinement.needs)
        self._asked = Asked(
            family, _specs(source), settings, variant, budget, adapt, max_frames, duration_s,
            profiles, progress,
        )  # fmt: skip
        self._on_event = on_event or _log_event
        self._sinks = list(sinks)
        self._stopping = threading.Event()
        self._used = self._iterated = False
        self._assembly: Assembly | None = None
        self.monitor = Monitor()
        self.stats = RunStats()

    def add_sink(self, sink: Sink) -> None:
        """Adds an output, such as one that reads ``monitor``; before the pipeline is entered."""
        if self._used:
            raise ValueError("outputs are added before the pipeline is entered")
        self._sinks.append(sink)

    def __enter__(self) -> "Pipeline":
        """Opens outputs, sources and model, and measures where no fresh profile is stored.

        Raises:
            EdgescaleError: whatever keeps frames from being classified; the outputs are closed.
        """
        if self._used:
            raise ValueError("a pipeline runs once; make another one")
        self._used = True
        self._assembly = Assembly(
            self._asked, self._sinks, self._refinement, self.monitor,
            on_event=self._on_event, stopping=self._stopping,
        )  # fmt: skip
        self.stats = self._assembly.stats
        if self._stopping.is_set():
            self._assembly.stop()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the worker, closes the sources and lets every output finish.

        Raises:
            SinkFailed: an output could not be written, and nothing else was wrong.
        """
        assembly = self._open()
        assembly.close()
        if problem is None:
            assembly.raise_failure()

    def __iter__(self) -> Iterator[FrameResult]:
        """Yields one result per frame, after the outputs were given it; once.

        Raises:
            ValueError: the pipeline was not entered, or was iterated before.
            StreamError: the source broke off; every frame before that has been given.
            DeviceError: the worker failed, and nothing could take its place.
            SinkFailed: an output failed. For a file this ends the run; with live sources it is
                raised at the end, and the others go on.
        """
        assembly = self._open()
        if self._iterated:
            raise ValueError("a pipeline is iterated once; make another one")
        self._iterated = True
        return assembly.results()

    def run(self) -> RunStats:
        """Classifies until source, limit or ``stop`` ends it; results go to the outputs only.

        Raises:
            EdgescaleError: as iterating.
        """
        for _ in self:
            pass
        return self.stats

    def stop(self) -> None:
        """Ends the run soon and without an error; results under way are still given.

        From any thread. Before the run begins too: a source that is still being opened is left, a
        measurement that is under way is finished.
        """
        self._stopping.set()
        if self._assembly is not None:
            self._assembly.stop()

    def _open(self) -> Assembly:
        if self._assembly is None:
            raise ValueError("enter the pipeline first: with Pipeline(...) as pipeline")
        return self._assembly


def classify(  # noqa: PLR0913 - as Pipeline
    family: Family | Path | str,
    source: SourceLike | Sequence[SourceLike],
    *,
    variant: str | None = None,
    device: str = "auto",
    runtime: str | None = None,
    threads: int | None = None,
    edgetpu_library: str | None = None,
    edgetpu_performance: str | None = None,
    top_k: int = 5,
    threshold: float = 0.0,
    smooth_s: float | None = None,
    presence: PresenceLimits | None = None,
    max_frames: int | None = None,
    duration_s: float | None = None,
    budget: Budget | None = None,
    adapt: bool = False,
    profiles: Path | str | None = None,
    progress: Progress | None = None,
    on_event: OnEvent | None = None,
    sinks: Sequence[Sink] = (),
) -> Generator[FrameResult, None, None]:
    """Classifies the frames of cameras, streams, video files or images: a ``Pipeline`` in a loop.

    Nothing is opened before the first result is asked for, and all is closed when the iterator is
    exhausted or closed.

    All arguments are those of ``Pipeline``.

    Raises:
        EdgescaleError: whatever keeps frames from being classified.
        ValueError: arguments that no call could satisfy.
    """
    with Pipeline(
        family, source, variant=variant, device=device, runtime=runtime, threads=threads,
        edgetpu_library=edgetpu_library, edgetpu_performance=edgetpu_performance, top_k=top_k,
        threshold=threshold, smooth_s=smooth_s, presence=presence, max_frames=max_frames,
        duration_s=duration_s, budget=budget, adapt=adapt, profiles=profiles, progress=progress,
        on_event=on_event, sinks=sinks,
    ) as pipeline:  # fmt: skip
        yield from pipeline


def _specs(source: SourceLike | Sequence[SourceLike]) -> tuple[SourceSpec, ...]:
    several = [source] if isinstance(source, SourceLike) else source
    return tuple(_spec(one) for one in several)


def _spec(source: SourceLike) -> SourceSpec:
    if isinstance(source, Path):
        return SourceSpec(str(source))
    return parse_source(source) if isinstance(source, str) else source


def _log_event(event: Event) -> None:
    log.info("%s: %s", event.kind, event.text)
