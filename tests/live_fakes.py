"""Stand-ins for the two ends of the live path: sinks that note, wait or fail, and a source."""

import threading
import time
from collections.abc import Callable, Iterator

from edgescale.errors import SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.flight import FrameResult
from edgescale.stream.frame import Frame
from edgescale.stream.sinks.outputs import Outputs
from edgescale.stream.sources.source_spec import SourceState
from tests.fakes import picture
from tests.results import frame_result

LONG_S = 20.0  # longer than any test takes, so that a mistake ends it


class NotingSink:
    """Notes what it takes; may be held up, and may fail at a call.

    Args:
        name: its name.
        queue_size: as in ``Sink``.
        failing: name of the method that raises ``raises``.
        error: what it raises; a ``SinkFailed`` by default.
    """

    def __init__(
        self,
        name: str = "notes",
        *,
        queue_size: int = 4,
        failing: str = "",
        error: BaseException | None = None,
    ) -> None:
        """Takes how to behave."""
        self.name, self.queue_size = name, queue_size
        self.failing = failing
        self.raises: BaseException = error or SinkFailed(f"{name}: broken")
        self.indices: list[int] = []
        self.events: list[tuple[str, int | None]] = []
        self.order: list[str] = []
        self.ticks = 0
        self.closed = 0
        self.threads: set[str] = set()
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()

    def result(self, result: FrameResult) -> None:
        """Notes its index."""
        self._called("result")
        self.indices.append(result.index)
        self.order.append(str(result.index))

    def event(self, event: Event, result: FrameResult | None) -> None:
        """Notes its kind and the index of the result with it."""
        self._called("event")
        self.events.append((event.kind, None if result is None else result.index))
        self.order.append(event.kind)

    def tick(self) -> None:
        """Counts."""
        self._called("tick")
        self.ticks += 1

    def close(self) -> None:
        """Counts."""
        self.closed += 1
        self._called("close")

    def _called(self, method: str) -> None:
        self.threads.add(threading.current_thread().name)
        if method in ("result", "event"):
            self.entered.set()
            assert self.free.wait(LONG_S), "a test forgot to free its sink"
        if method == self.failing:
            raise self.raises


class PlayedSource:
    """Frames of a source; a live one delivers when told to.

    Args:
        frames: how many.
        live: whether it is.
        hangs: after its frames it waits until it is closed.
    """

    fps: float | None = None
    dropped = 0

    def __init__(self, frames: int, *, live: bool = False, hangs: bool = False) -> None:
        """Takes how to behave."""
        self.name, self.live = "cam", live
        self._frames, self._hangs = frames, hangs
        self.given = 0
        self.closed = threading.Event()

    def states(self) -> tuple[SourceState, ...]:
        """Returns one, which was lost once."""
        state = "ended" if self.closed.is_set() else "playing"
        return (SourceState("cam", self.live, state, "", 1, 2.5, self.given, 0),)

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames."""
        while self.given < self._frames and not self.closed.is_set():
            self.given += 1
            yield Frame(self.given - 1, picture(), float(self.given), source="cam")
        if self._hangs:
            assert self.closed.wait(LONG_S), "nobody closed the source"

    def close(self) -> None:
        """Ends the wait."""
        self.closed.set()


def until(there: Callable[[], bool]) -> None:
    """Waits until something is so."""
    end_s = time.monotonic() + LONG_S
    while not there():
        assert time.monotonic() < end_s, "did not happen"
        time.sleep(0.002)


def blocked(*, queue_size: int) -> NotingSink:
    """Returns a sink that holds its first result and takes no other until it is freed."""
    sink = NotingSink("slow", queue_size=queue_size)
    sink.free.clear()
    return sink


def giving(outputs: Outputs, count: int, given: list[int] | None = None) -> threading.Thread:
    """Gives so many results in a thread, and notes which were taken."""

    def give() -> None:
        for index in range(count):
            outputs.give(frame_result(index))
            if given is not None:
                given.append(index)

    thread = threading.Thread(target=give)
    thread.start()
    return thread
