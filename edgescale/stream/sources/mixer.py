"""Several sources as one: one model serves them all, and each has its fair share.

Each live source keeps its newest frame and each file its next one; who is next is decided round
robin among those that have a frame, so that no camera waits for a slow one and none is left out.
Beside a live source a file plays at its own rate.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgescale.errors import EdgescaleError, SourceLost
from edgescale.stream.event import Event, OnEvent
from edgescale.stream.frame import Frame
from edgescale.stream.sources.live_source import (
    CHECK_EVERY_S,
    CLOSE_TIMEOUT_S,
    LiveSource,
    log_event,
)
from edgescale.stream.sources.pacing import Pace
from edgescale.stream.sources.slot import LatestFrame
from edgescale.stream.sources.source_spec import Source, SourceState


class Mixer:
    """Yields the frames of several sources; it ends when all of them have ended."""

    fps: float | None = None

    def __init__(
        self,
        sources: Sequence[Source],
        changed: threading.Condition,
        *,
        on_event: OnEvent = log_event,
    ) -> None:
        """Takes over opened sources.

        Args:
            sources: in the order of their turns.
            changed: the condition by which the slots of the live ones tell.
            on_event: told when a file has ended while others go on: kind ``source-ended``.
        """
        self.name = ", ".join(source.name for source in sources)
        self.live = any(source.live for source in sources)
        self._changed, self._on_event = changed, on_event
        self._feeds = [
            _LiveFeed(source)
            if isinstance(source, LiveSource)
            else _FileFeed(source, changed, paced=self.live)
            for source in sources
        ]
        self._turn = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        """Returns how many frames of all sources nobody saw."""
        return sum(feed.source.dropped for feed in self._feeds)

    def states(self) -> tuple[SourceState, ...]:
        """Returns how each source fares, in their order."""
        return tuple(state for feed in self._feeds for state in feed.source.states())

    def __iter__(self) -> Iterator[Frame]:
        """Yields one frame after another, of each source in turn.

        Raises:
            SourceLost: a file was damaged; all others have been read to their ends.
            StreamError: a source gives frames that are not what was described.
        """
        for feed in self._feeds:
            feed.start()
        told: set[str] = set()
        while True:
            frame = self._next_frame()
            self._tell_ended(told)
            if frame is not None:
                yield frame
            elif self._ended:
                break
        first = next((feed.slot.error for feed in self._feeds if feed.slot.error), None)
        if first is not None and not self._closed:
            raise first

    def close(self) -> None:
        """Closes every source and ends the iteration."""
        self._closed = True
        for feed in self._feeds:
            feed.stop()
        end_s = time.monotonic() + CLOSE_TIMEOUT_S  # for all together, should several be stuck
        for feed in self._feeds:
            feed.close(max(0.0, end_s - time.monotonic()))
        with self._changed:
            self._changed.notify_all()

    def _next_frame(self) -> Frame | None:
        """Waits a moment for a frame, and takes that of the one whose turn it is."""
        with self._changed:
            frame = self._polled()
            if frame is None and not self._ended:
                self._changed.wait(CHECK_EVERY_S)
                frame = self._polled()
        if frame is None:
            for feed in self._feeds:
                feed.check()
        return frame

    @property
    def _ended(self) -> bool:
        return self._closed or all(feed.slot.ended for feed in self._feeds)

    def _polled(self) -> Frame | None:
        if self._closed:
            return None
        count = len(self._feeds)
        for step in range(count):
            place = (self._turn + step) % count
            frame = self._feeds[place].slot.poll()
            if frame is not None:
                self._turn = (place + 1) % count
                return frame
        return None

    def _tell_ended(self, told: set[str]) -> None:
        """Tells each end once; one that no wait can mend ends all."""
        for feed in self._feeds:
            name = feed.source.name
            if name in told or not feed.slot.ended or self._closed:
                continue
            told.add(name)
            error = feed.slot.error
            if error is not None and not isinstance(error, SourceLost):
                raise error
            if error is not None or not feed.source.live:  # live ones tell their end themselves
                text = str(error) if error else f"{name}: has ended"
                self._on_event(Event("source-ended", text, {"source": name}))


class _LiveFeed:
    """A live source: it fills its own slot."""

    def __init__(self, source: LiveSource) -> None:
        self.source, self.slot = source, source.slot

    def start(self) -> None:
        self.source.start()

    def check(self) -> None:
        self.source.check()

    def stop(self) -> None:
        self.source.stop()

    def close(self, wait_s: float) -> None:
        self.source.close(wait_s)


class _FileFeed:
    """A file: a thread reads one frame ahead, and waits until it is taken, or due if paced."""

    def __init__(self, source: Source, changed: threading.Condition, *, paced: bool) -> None:
        self.source, self.slot = source, LatestFrame(changed)
        self._pace = Pace(time.monotonic) if paced else None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._feed, name=f"read {source.name}", daemon=True)

    def start(self) -> None:
        if self._thread.ident is None:
            self._thread.start()

    def check(self) -> None:
        """Files do not fall silent."""

    def stop(self) -> None:
        self._stopped.set()
        self.slot.close()

    def close(self, wait_s: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(wait_s)
        self.source.close()

    def _feed(self) -> None:
        error: EdgescaleError | None = SourceLost(f"{self.source.name}: its reader failed")
        try:
            for frame in self.source:
                if not self.slot.put_when_taken(self._when_due(frame)):
                    break
            error = None
        except EdgescaleError as problem:
            error = problem
        finally:
            self.slot.close(error)

    def _when_due(self, frame: Frame) -> Frame:
        """Waits until a frame is due; only then is it of now, as those of a camera are."""
        if self._pace is None:
            return frame
        self._stopped.wait(self._pace.wait_s(frame.position_s))
        return replace(frame, captured_s=time.monotonic())
