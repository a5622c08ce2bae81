"""The frames under way between a source and their results, and how long each of them took."""

import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

from edgescale.family.manifest import VariantRecord
from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image
from edgescale.inference.worker import Inference
from edgescale.stream.frame import Frame
from edgescale.stream.source import Source

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


class Flight:
    """The frames under way, oldest first."""

    def __init__(
        self, source: Source, server: Server, threshold: float, watch: Watch | None
    ) -> None:
        self._source, self._server = source, server
        self._threshold, self._watch = threshold, watch
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
        latency_ms = 1000 * (now_s - max(submitted.start_s, self._last_result_s))
        if now_s - asked_s < _FETCHED_S:
            latency_ms = min(latency_ms, 1000 * submitted.took_s + inference.invoke_ms)
        self._last_result_s = now_s
        frame, server = submitted.frame, self._server
        found = server.predictions(inference)
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
            predictions=tuple(one for one in found if one.score >= self._threshold),
            variant=server.variant.name,
            device=server.device,
            runtime=server.runtime_name,
            dropped=self._source.dropped,
            source_fps=self._source.fps,
        )
        if self._watch is not None:
            self._watch.observe(latency_ms)
        return result


@dataclass(frozen=True, eq=False)
class _Submitted:
    """A frame under way, since when, and how long it took to hand over."""

    frame: Frame
    start_s: float
    took_s: float
