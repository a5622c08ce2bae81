"""The frames under way between a source and their results, and how long each of them took."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import Protocol

from edgescale.errors import StreamError
from edgescale.family.manifest import VariantRecord
from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image
from edgescale.inference.worker import Inference
from edgescale.stream.frame import Frame

# An answer that took no longer than this to fetch lay ready when it was asked for.
_FETCHED_S = 0.0003


@dataclass(frozen=True, eq=False)
class FrameResult:
    """One classified frame.

    Attributes:
        index: of the frame in its source.
        image: uint8 (H, W, 3) BGR.
        captured_s: monotonic clock when it was decoded.
        age_ms: from then until the result was there. A file has two frames in flight, so there it
            is up to twice the latency of a profile, which has one.
        latency_ms: from handing the frame over, or from the result before where that came later,
            to its result: what a profile measures, and what a budget is held against. Where the
            answer lay ready because the source was slower, preparation and ``invoke_ms``.
        invoke_ms: of these the interpreter alone.
        position_s: place in a video file, None elsewhere.
        name: file name of an image in a folder, None elsewhere.
        time: RFC 3339 UTC, when the result was there.
        predictions: best first, of at least the threshold; none is "not sure". Smoothed where the
            run was asked to.
        variant: name of the variant that answered.
        device: where it ran: ``cpu``, or the Edge TPU string.
        runtime: the TFLite runtime that ran it, by name.
        dropped: frames of its source so far that nobody saw (live sources only).
        source_fps: what a video file says of its rate, None elsewhere.
        source: name of the source it came from.
        decode_ms: how long it took to get the frame from there.
        wait_ms: from capture until it was handed over: the wait for the model.
        prepare_ms: of the handing over: crop, resize and colour, into the model's input. What
            ``age_ms`` has beyond the two is inference.
    """

    index: int
    image: Image
    captured_s: float
    age_ms: float
    latency_ms: float
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
    source: str = ""
    decode_ms: float = 0.0
    wait_ms: float = 0.0
    prepare_ms: float = 0.0

    @property
    def infer_ms(self) -> float:
        """Returns the time from the prepared picture to its result."""
        return self.age_ms - self.wait_ms - self.prepare_ms


class Server(Protocol):
    """What answers pictures: a ``Supervisor``, or a ``Worker`` alone."""

    @property
    def variant(self) -> VariantRecord:
        """Returns what runs."""

    @property
    def device(self) -> str:
        """Returns where."""

    @property
    def runtime_name(self) -> str:
        """Returns with what."""

    def submit(self, frame: Image, *, bgr: bool) -> None:
        """Hands a picture over; at most two may be under way."""

    def result(self) -> Inference:
        """Waits for the oldest picture under way."""

    def predictions(self, inference: Inference) -> tuple[Prediction, ...]:
        """Returns the top-k with labels."""


class Watch(Protocol):
    """Looks at each latency, and may change the variant while nothing is under way."""

    @property
    def swap_due(self) -> bool:
        """Says whether another variant waits to take over."""

    def swap(self) -> None:
        """Lets it take over."""

    def observe(self, latency_ms: float) -> None:
        """Takes the latency of a result."""


class Frames(Protocol):
    """What is classified: a ``Source``, or any frames that say whether the newest counts."""

    @property
    def live(self) -> bool:
        """Says whether it gives the newest frame, or every frame."""

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames."""


Refine = Callable[[Frame, tuple[Prediction, ...]], tuple[Prediction, ...]]


def _as_found(frame: Frame, found: tuple[Prediction, ...]) -> tuple[Prediction, ...]:
    return found


class Flight:
    """The frames under way, oldest first.

    Args:
        server: answers them.
        refine: from a frame and its top-k to what is shown of it.
        watch: told each latency.
    """

    def __init__(self, server: Server, refine: Refine, watch: Watch | None) -> None:
        self._server, self._refine, self._watch = server, refine, watch
        self._under_way: deque[_Submitted] = deque()
        self._last_result_s = 0.0

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def swap_due(self) -> bool:
        return self._watch is not None and self._watch.swap_due

    def submit(self, frame: Frame) -> None:
        """Hands a frame over, by a variant that waits to take over if nothing is under way."""
        if self._watch is not None and not self._under_way and self._watch.swap_due:
            self._watch.swap()
        start_s = time.monotonic()
        self._server.submit(frame.image, bgr=True)
        self._under_way.append(_Submitted(frame, start_s, time.monotonic() - start_s))

    def land(self) -> FrameResult:
        """Waits for the oldest frame's result."""
        asked_s = time.monotonic()
        inference = self._server.result()
        now_s, now = time.monotonic(), datetime.now(timezone.utc)
        submitted = self._under_way.popleft()
        prepare_ms = 1000 * submitted.took_s
        latency_ms = 1000 * (now_s - max(submitted.start_s, self._last_result_s))
        if now_s - asked_s < _FETCHED_S:
            latency_ms = min(latency_ms, prepare_ms + inference.invoke_ms)
        self._last_result_s = now_s
        frame, server = submitted.frame, self._server
        result = FrameResult(
            index=frame.index,
            image=frame.image,
            captured_s=frame.captured_s,
            age_ms=1000 * (now_s - frame.captured_s),
            latency_ms=latency_ms,
            invoke_ms=inference.invoke_ms,
            position_s=frame.position_s,
            name=frame.name,
            time=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            predictions=self._refine(frame, server.predictions(inference)),
            variant=server.variant.name,
            device=server.device,
            runtime=server.runtime_name,
            dropped=frame.dropped,
            source_fps=frame.source_fps,
            source=frame.source,
            decode_ms=frame.decode_ms,
            wait_ms=1000 * (submitted.start_s - frame.captured_s),
            prepare_ms=prepare_ms,
        )
        if self._watch is not None:
            self._watch.observe(latency_ms)
        return result


def run(
    source: Frames,
    server: Server,
    *,
    refine: Refine = _as_found,
    max_frames: int | None = None,
    watch: Watch | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[FrameResult, None, None]:
    """Classifies the frames of an opened source with what serves, in order.

    Args:
        source: gives the frames.
        server: answers them.
        refine: from a frame and its top-k to what is shown of it.
        max_frames: stop after so many frames.
        watch: told each latency, and asked to change the variant when nothing is under way.
        stopped: asked before each frame; what is under way then is still given.

    Raises:
        StreamError: the source broke off; every frame before that has been given.
        DeviceError: the worker failed, and nothing could take its place.
    """
    frames = islice(iter(source), max_frames)
    in_flight = 1 if source.live else 2
    flight = Flight(server, refine, watch)
    lost: StreamError | None = None
    while not stopped():
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
    if lost is not None and not stopped():
        raise lost


@dataclass(frozen=True, eq=False)
class _Submitted:
    """A frame under way, since when, and how long it took to hand over."""

    frame: Frame
    start_s: float
    took_s: float
