"""``classify()``: frames of a source in, one result per frame out.

A file gives every frame and two are in flight, so that the next one is decoded and prepared while
the worker runs the model. A camera gives the newest frame and one is in flight: a second would only
make the answer older.
"""

import logging
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

from edgescale.device.bench import Progress
from edgescale.device.fresh import fresh_profile
from edgescale.device.measure import resolve
from edgescale.device.probe import probe
from edgescale.errors import StreamError
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family, load_family
from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image
from edgescale.inference.worker import Worker, WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.choice import select
from edgescale.selection.explanation import budget_text
from edgescale.stream.frame import Frame
from edgescale.stream.source import Source, open_source
from edgescale.units import milliseconds

log = logging.getLogger(__name__)

# The first inference uploads weights to an Edge TPU and may meet a cold disk; later ones are
# compared with the slowest so far, so that a hung device ends the run within seconds.
_FIRST_RESULT_TIMEOUT_S = 60.0
_SHORTEST_TIMEOUT_S = 5.0
_TIMEOUT_FACTOR = 20.0


@dataclass(frozen=True, eq=False)
class FrameResult:
    """One classified frame.

    Attributes:
        index: of the frame in its source.
        image: uint8 (H, W, 3) BGR.
        captured_s: monotonic clock when it was decoded.
        age_ms: from then until the result was there. A file has two frames in flight, so there it
            is up to twice the latency of a profile, which has one.
        invoke_ms: of these the interpreter alone.
        position_s: place in a video file, None elsewhere.
        name: file name of an image in a folder, None elsewhere.
        time: RFC 3339 UTC, when the result was there.
        predictions: best first, of at least the threshold; none is "not sure".
        variant: name of the variant that answered.
        device: where it ran: ``cpu``, or the Edge TPU string.
        runtime: the TFLite runtime that ran it, by name.
        dropped: frames so far that nobody saw (cameras only).
        source_fps: what a video file says of its rate, None elsewhere.
    """

    index: int
    image: Image
    captured_s: float
    age_ms: float
    invoke_ms: float
    position_s: float | None
    name: str | None
    time: str
    predictions: tuple[Prediction, ...]
    variant: str
    device: str
    runtime: str
    dropped: int
    source_fps: float | None


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
    profiles: Path | str | None = None,
    progress: Progress | None = None,
) -> Generator[FrameResult, None, None]:
    """Classifies the frames of a camera, a video file, an image or a folder of images.

    Nothing is opened before the first result is asked for, and all is closed when the iterator is
    exhausted or closed.

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
        profiles: folder of the profiles.
        progress: called with (runs done, runs in all) while it measures.

    Raises:
        EdgescaleError: whatever keeps frames from being classified.
        ValueError: arguments that no call could satisfy.
    """
    if variant is not None and budget is not None:
        raise ValueError("a variant and a budget exclude each other: the budget chooses a variant")
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
    # The source first: a wrong path should not cost a measurement.
    opened = open_source(source)
    try:
        if variant is None:
            chosen, settings = _selected(family, settings, budget, profiles, progress)
        else:
            chosen = family.variant(variant)
            _, settings = resolve((chosen,), settings, probe())
        with Worker(family, chosen, settings=settings) as worker:
            yield from run(opened, worker, threshold=threshold, max_frames=max_frames)
    finally:
        opened.close()


def run(
    source: Source, worker: Worker, *, threshold: float = 0.0, max_frames: int | None = None
) -> Generator[FrameResult, None, None]:
    """Classifies the frames of an opened source with a started worker, in order.

    Raises:
        StreamError: the source broke off; every frame before that has been given.
        DeviceError: the worker failed.
    """
    frames = islice(iter(source), max_frames)
    in_flight = 1 if source.live else 2
    pending: deque[Frame] = deque()
    lost: StreamError | None = None
    timeout_s = _FIRST_RESULT_TIMEOUT_S
    while True:
        try:
            frame = next(frames, None)
        except StreamError as problem:
            frame, lost = None, problem
        if frame is not None:
            worker.submit(frame.image, bgr=True)
            pending.append(frame)
        if not pending:
            break
        if frame is None or len(pending) == in_flight:
            result = _result(pending.popleft(), worker, timeout_s, threshold, source)
            timeout_s = _next_timeout_s(timeout_s, result.invoke_ms)
            yield result
    if lost is not None:
        raise lost


def _result(
    frame: Frame, worker: Worker, timeout_s: float, threshold: float, source: Source
) -> FrameResult:
    inference = worker.result(timeout_s)
    now_s, now = time.monotonic(), datetime.now(timezone.utc)
    found = worker.predictions(inference)
    return FrameResult(
        index=frame.index,
        image=frame.image,
        captured_s=frame.captured_s,
        age_ms=1000 * (now_s - frame.captured_s),
        invoke_ms=inference.invoke_ms,
        position_s=frame.position_s,
        name=frame.name,
        time=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        predictions=tuple(one for one in found if one.score >= threshold),
        variant=worker.variant.name,
        device=worker.device,
        runtime=worker.runtime_name,
        dropped=source.dropped,
        source_fps=source.fps,
    )


def _next_timeout_s(timeout_s: float, invoke_ms: float) -> float:
    wanted_s = max(_SHORTEST_TIMEOUT_S, _TIMEOUT_FACTOR * invoke_ms / 1000)
    return wanted_s if timeout_s == _FIRST_RESULT_TIMEOUT_S else max(timeout_s, wanted_s)


def _selected(
    family: Family,
    settings: WorkerSettings,
    budget: Budget | None,
    profiles: Path | str | None,
    progress: Progress | None,
) -> tuple[VariantRecord, WorkerSettings]:
    """Chooses the variant by the profile; it runs on the device that was measured."""
    profile = fresh_profile(family, settings, folder=profiles, progress=progress)
    selection = select(family, profile, budget)
    latency = selection.measurement.latency_ms
    log.info(
        "variant: %s, the largest that fits (%s): p95 %s on %s, %s %s",
        selection.chosen.name,
        budget_text(selection.budget),
        milliseconds(latency.p95) if latency else "?",
        profile.device,
        profile.runtime,
        profile.runtime_version,
    )
    return selection.chosen, replace(settings, device=profile.device)
