"""A live source: a thread reads every frame, the consumer gets the newest, outages are survived.

A camera delivers at its own pace. Reading it only when the model is free would hand out frames that
have waited in a queue. OpenCV says of a stalled, closed and damaged stream alike that there is no
frame; a live one is then opened again, for ever, because a camera that is gone may come back.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgescale.errors import EdgescaleError, SourceLost
from edgescale.stream.event import Event, OnEvent
from edgescale.stream.frame import Frame
from edgescale.stream.sources.capture import READ_TIMEOUT_S, Capture, EndOfStream
from edgescale.stream.sources.outages import Counts, Outages
from edgescale.stream.sources.reconnect import BackOff, Staleness
from edgescale.stream.sources.shaping import Shaping
from edgescale.stream.sources.slot import LatestFrame
from edgescale.stream.sources.source_spec import SourceState

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 1.0
# How long after its timeout a reader that has not come back is taken to be stuck.
_GRACE_S = 0.15
CHECK_EVERY_S = 0.25


@dataclass(frozen=True)
class Opener:
    """How a live source is opened.

    Attributes:
        open: opens it, or raises an ``EdgescaleError`` that says why not.
        reachable: a cheap look whether its place answers at all; None where there is none.
        drain: whether its first frames after an opening may be old.
        interrupt: makes a read under way return, where that is possible.
    """

    open: Callable[[], Capture]
    reachable: Callable[[], bool] | None = None
    drain: bool = True
    interrupt: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Timing:
    """The clocks of a live source; ``sleep`` None waits, and ends at once when it is closed."""

    read_timeout_s: float = READ_TIMEOUT_S
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] | None = None


def log_event(event: Event) -> None:
    """Writes an event to the log."""
    log.info("%s: %s", event.kind, event.text)


class LiveSource:
    """Iterating gives the newest frame, ``dropped`` counts those nobody saw."""

    live = True
    fps: float | None = None  # what cameras and streams announce is often wrong

    def __init__(
        self,
        name: str,
        opener: Opener,
        *,
        on_event: OnEvent = log_event,
        shaping: Shaping | None = None,
        timing: Timing | None = None,
        slot: LatestFrame | None = None,
    ) -> None:
        """Opens it; an error of the opener passes through.

        ``on_event`` is called in the thread of the capture: kinds ``source-lost``, ``source-back``
        and ``source-ended``.
        """
        self.name = name
        self.slot = slot or LatestFrame()
        self._opener, self._on_event = opener, on_event
        self._shaping, self._timing = shaping or Shaping(), timing or Timing()
        self._limit = self._shaping.limit()
        self._stop = threading.Event()
        self._health = Outages(name)
        self._captured, self._heard_s = 0, 0.0
        self._left_to_itself = False
        self._staleness = Staleness(drain=opener.drain)
        self._back_off = BackOff(self._timing.clock, self._timing.sleep or self._stop.wait)
        self._capture = opener.open()
        self._thread = threading.Thread(target=self._capture_all, name=f"capture {name}")
        self._thread.daemon = True  # a driver stuck in a read must not keep the process alive

    @property
    def dropped(self) -> int:
        """Returns how many frames were replaced before anyone took them, or were too old."""
        return self.slot.dropped

    def states(self) -> tuple[SourceState, ...]:
        """Returns how it fares; may be called from any thread."""
        self.check()
        counts = Counts(self._captured, self.slot.dropped)
        return (self._health.record(counts, self._timing.clock()),)

    def __iter__(self) -> Iterator[Frame]:
        """Yields the newest frame, as often as it is asked, until the source is closed or ends.

        During an outage it waits.

        Raises:
            StreamError: the frames are not what was described; being lost is no error.
        """
        self.start()
        while True:
            try:
                frame = self.slot.take(CHECK_EVERY_S)
            except TimeoutError:
                self.check()
                continue
            if frame is None:
                return
            yield frame

    def start(self) -> None:
        """Starts the capture, once: nothing shares its cores with a camera before that."""
        if self._thread.ident is None and not self._stop.is_set():
            self._heard_s = self._timing.clock()
            self._thread.start()

    def check(self) -> None:
        """Notes an outage where a read does not even come back at its timeout."""
        if self._thread.ident is None or self._health.state not in ("opening", "playing"):
            return
        timeout_s = self._timing.read_timeout_s
        if self._timing.clock() - self._heard_s > timeout_s + _GRACE_S:
            self._lost(f"no frame for {timeout_s:g} s")

    def stop(self) -> None:
        """Tells the capture and the iteration to end, and does not wait for them."""
        self._stop.set()
        self._opener.interrupt()
        self.slot.close()

    def close(self, wait_s: float = CLOSE_TIMEOUT_S) -> None:
        """Ends the capture and the iteration; a read stuck for longer is left to itself."""
        self.stop()
        if self._thread.ident is None:
            self._capture.release()
            self._health.end(self._timing.clock())
            return
        if self._thread is threading.current_thread() or self._left_to_itself:
            return
        self._thread.join(wait_s)
        self._left_to_itself = self._thread.is_alive()
        if self._left_to_itself:
            log.debug("%s: still waits for a frame; left to itself", self.name)

    def _capture_all(self) -> None:
        error: EdgescaleError | None = SourceLost(f"{self.name}: its reader failed")
        try:
            self._capture_until_closed()
            error = None
        except EndOfStream:
            error = None
            self._tell("source-ended", "has ended")
        except EdgescaleError as problem:
            error = problem
        finally:
            self._health.end(self._timing.clock())
            self.slot.close(error)

    def _capture_until_closed(self) -> None:
        capture: Capture | None = self._capture
        while capture is not None:
            try:
                reason = self._read_until_lost(capture)
            finally:
                capture.release()
            if self._stop.is_set():
                return
            if self._staleness.lost():
                reason += (
                    ", and all that came had been buffered, as from a file: from now on it is used"
                )
            self._lost(reason)
            capture = self._reopened()

    def _read_until_lost(self, capture: Capture) -> str:
        """Puts frame after frame into the slot; returns why no more came."""
        self._staleness.opened()
        reason = ""
        while not reason and not self._stop.is_set():
            try:
                reason = self._read_one(capture)
            except EdgescaleError as problem:
                if self._health.state == "opening" and not isinstance(problem, SourceLost):
                    raise  # never a frame as described: that does not mend itself
                reason = self._reason(problem)
        return reason

    def _read_one(self, capture: Capture) -> str:
        """Reads one frame; returns why there is none, empty where there is one."""
        start_s, start_cpu_s = self._timing.clock(), time.thread_time()
        is_there = capture.grab()
        now_s = self._timing.clock()
        if not is_there:
            if now_s - start_s < 0.9 * self._timing.read_timeout_s:
                return "the stream broke off"
            return f"no frame for {self._timing.read_timeout_s:g} s"
        waited_s = now_s - start_s - (time.thread_time() - start_cpu_s)
        interval_s, self._heard_s = now_s - self._heard_s, now_s
        index, self._captured = self._captured, self._captured + 1
        if self._staleness.is_stale(waited_s, interval_s, now_s):
            self.slot.skip()
            return ""
        if not self._limit.due(now_s):
            return ""
        image = self._shaping.shaped(capture.retrieve(), self.name)
        decode_ms = 1000 * (time.thread_time() - start_cpu_s)
        self._back(now_s)
        self.slot.put(Frame(index, image, now_s, source=self.name, decode_ms=decode_ms))
        return ""

    def _reopened(self) -> Capture | None:
        """Tries until it is open again; None where it was closed in the meantime."""
        while True:
            self._back_off.wait(self._opener.reachable, self._stop.is_set)
            if self._stop.is_set():
                return None
            try:
                return self._opener.open()
            except EdgescaleError as problem:
                self._lost(self._reason(problem))

    def _reason(self, problem: EdgescaleError) -> str:
        """Returns the sentence without the name before it, which every event has."""
        text = str(problem)
        for start in (f"source '{self.name}': ", f"camera {self.name}: ", f"{self.name}: "):
            text = text.removeprefix(start)
        return text

    def _lost(self, reason: str) -> None:
        # It began with the last frame, long before a timeout tells of it; a clock may be set back.
        if self._health.lost(reason, min(self._heard_s, self._timing.clock())):
            self._tell("source-lost", f"{reason}; trying to open it again", reason=reason)

    def _back(self, now_s: float) -> None:
        self._back_off.reset()
        lasted_s = self._health.back(now_s)
        if lasted_s is not None:
            self._tell("source-back", f"is back after {lasted_s:.1f} s", outage_s=lasted_s)

    def _tell(self, kind: str, text: str, **details: object) -> None:
        self._on_event(Event(kind, f"{self.name}: {text}", {"source": self.name, **details}))
