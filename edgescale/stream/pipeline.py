"""``classify()``: frames of a source in, one result per frame out.

A file gives every frame and two are in flight, so that the next one is decoded and prepared while
the worker runs the model. A camera gives the newest frame and one is in flight: a second would only
make the answer older.
"""

import logging
from collections.abc import Generator
from itertools import islice
from pathlib import Path

from edgescale.device.bench import Progress
from edgescale.errors import StreamError
from edgescale.family.store import Family, load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.stream.event import Event, OnEvent
from edgescale.stream.flight import Flight, FrameResult, Server, Watch
from edgescale.stream.live_run import LiveRun
from edgescale.stream.place import Wish, first_place
from edgescale.stream.source import Source, open_source

__all__ = ["FrameResult", "classify", "run"]

log = logging.getLogger(__name__)


def classify(  # noqa: PLR0913 - the public call: one argument for each flag of the verb
    family: Family | Path | str,
    source: str | Path,
    *,
    variant: str | None = None,
    device: str = "auto",
    runtime: str | None = None,
    threads: int | None = None,
    edgetpu_library: str | None = None,
    edgetpu_performance: str | None = None,
    top_k: int = 5,
    threshold: float = 0.0,
    max_frames: int | None = None,
    budget: Budget | None = None,
    adapt: bool = False,
    profiles: Path | str | None = None,
    progress: Progress | None = None,
    on_event: OnEvent | None = None,
) -> Generator[FrameResult, None, None]:
    """Classifies the frames of a camera, a video file, an image or a folder of images.

    Nothing is opened before the first result is asked for, and all is closed when the iterator is
    exhausted or closed. A worker that dies is started again; with device ``auto`` the run moves to
    another device where that does not help.

    Args:
        family: a loaded family or its folder.
        source: ``0``, ``/dev/video0``, a video file, an image or a folder.
        variant: the variant to run; None selects the largest one that fits the budget by its
            profile on this machine, and measures first where no fresh profile is stored.
        device: ``auto``, ``cpu``, ``usb``, ``pci``, ``usb:0``, ...
        runtime: a TFLite runtime by name; None takes the first that works.
        threads: threads of the interpreter on the CPU; None takes as many as measure best here.
        edgetpu_library: the Edge TPU library, where it is not the system's.
        edgetpu_performance: clock of the Edge TPU: low, medium, high or max.
        top_k: predictions per frame.
        threshold: the lowest score that is reported, 0 to 1.
        max_frames: stop after so many frames.
        budget: limits for the selection; None lets the largest variant that runs here win.
        adapt: change the variant while running: down at once when the latency budget breaks, up
            when there has been head-room for some time. Needs a latency budget, and no variant.
        profiles: folder of the profiles.
        progress: called with (runs done, runs in all) while it measures.
        on_event: told what happens beside the results, in the thread that asks for them and before
            the result that follows: kind ``switched``, ``confirmed``, ``doubted``, ``worker-died``,
            ``restarted`` or ``moved``, a sentence and plain details. None writes it to the log.

    Raises:
        EdgescaleError: whatever keeps frames from being classified.
        ValueError: arguments that no call could satisfy.
    """
    if variant is not None and budget is not None:
        raise ValueError("a variant and a budget exclude each other: the budget chooses a variant")
    if adapt and variant is not None:
        raise ValueError("adapt and a variant exclude each other: adapt changes the variant")
    budget = budget or Budget()
    if adapt and budget.latency_ms is None:
        raise ValueError("adapt needs a latency budget: it is what the run adapts to")
    if max_frames is not None and max_frames < 1:
        raise ValueError(f"max_frames must be at least 1, got {max_frames}; None is no limit")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be from 0 to 1, as scores are, got {threshold}")
    if isinstance(family, str | Path):
        family = load_family(family)
    settings = WorkerSettings(
        device=device, runtime=runtime, threads=threads, edgetpu_library=edgetpu_library,
        edgetpu_performance=edgetpu_performance, top_k=top_k,
    )  # fmt: skip
    wish = Wish(family, settings, variant, budget, adapt, profiles, progress)
    # The source first: a wrong path should not cost a measurement.
    opened = open_source(source)
    try:
        with LiveRun(wish, first_place(wish), on_event=on_event or _log_event) as live:
            yield from run(
                opened, live.supervisor, threshold=threshold, max_frames=max_frames, watch=live
            )
    finally:
        opened.close()


def run(
    source: Source,
    server: Server,
    *,
    threshold: float = 0.0,
    max_frames: int | None = None,
    watch: Watch | None = None,
) -> Generator[FrameResult, None, None]:
    """Classifies the frames of an opened source with what serves, in order.

    Args:
        source: gives the frames.
        server: answers them.
        threshold: the lowest score that is reported.
        max_frames: stop after so many frames.
        watch: told each latency, and asked to change the variant when nothing is under way.

    Raises:
        StreamError: the source broke off; every frame before that has been given.
        DeviceError: the worker failed, and nothing could take its place.
    """
    frames = islice(iter(source), max_frames)
    in_flight = 1 if source.live else 2
    flight = Flight(source, server, threshold, watch)
    lost: StreamError | None = None
    while True:
        try:
            frame = next(frames, None)
        except StreamError as problem:
            frame, lost = None, problem
        if frame is None:
            break
        while len(flight) and (len(flight) == in_flight or flight.swap_due):
            yield flight.land()
        flight.submit(frame)
        if len(flight) == in_flight:
            yield flight.land()
    while len(flight):
        yield flight.land()
    if lost is not None:
        raise lost


def _log_event(event: Event) -> None:
    log.info("%s: %s", event.kind, event.text)
