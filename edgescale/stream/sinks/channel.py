"""One output's queue and thread.

The way in must cost next to nothing, since it is paid for every frame: a C queue and two integer
comparisons. Waiting and dropping are on the slow path only.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from edgescale.errors import ReaderLeft, SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.flight import FrameResult
from edgescale.stream.snapshot import SinkStatus

if TYPE_CHECKING:
    from edgescale.stream.sinks.outputs import OnFailure, Sink

log = logging.getLogger(__name__)

TICK_S = 1.0
PATIENCE_S = 5.0  # at the end of a run, for a sink that takes nothing any more
MOST_BYTES = 24 * 2**20  # of the pictures in a queue, whatever its length
_LOOK_S = 0.25  # between two looks at a sink that is waited for

Item = tuple[Event | None, FrameResult | None]


class Channel:
    """Feeds one sink in a thread of its own.

    Args:
        sink: owned from now on.
        on_failure: told in the sink's thread when it failed.
        clock: in seconds, monotonic.

    Attributes:
        failure: why nothing is written any more; None as long as it works.
    """

    def __init__(
        self,
        sink: "Sink",
        *,
        on_failure: "OnFailure | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if sink.queue_size < 1:
            raise ValueError(f"{sink.name}: queue_size must be at least 1, got {sink.queue_size}")
        self._sink, self._on_failure, self._clock = sink, on_failure, clock
        self._wait = False
        self._takes_results = getattr(sink, "takes_results", True)
        self._most, self._picture_bytes = sink.queue_size, 0
        self._queue: SimpleQueue[Item | None] = SimpleQueue()  # None is the end
        self._rescued: deque[Item] = deque()  # events that would have been dropped
        self._room = threading.Condition()
        self._givers = 0  # that wait for room
        self._hurried = self._ended = False
        self._taken = self._written = self._dropped = 0
        self.failure: SinkFailed | None = None
        self._thread = threading.Thread(target=self._serve, name=f"output {sink.name}")
        self._thread.daemon = True  # a sink stuck in a driver must not keep the process alive

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def hold_back(self) -> None:
        """A full queue makes the giver wait from now on, unless the sink is live by nature."""
        self._wait = not getattr(self._sink, "always_live", False)
        if hasattr(self._sink, "lossless"):
            self._sink.lossless = True
        if self._wait and self.failure is not None and self._on_failure is not None:
            self._on_failure(self.failure, True)

    def put(self, event: Event | None, result: FrameResult | None) -> None:
        """Hands over a result, or an event with or without one; from any thread."""
        if event is None and not self._takes_results:
            return
        if self._ended or self.failure is not None:
            self._dropped += event is None
            return
        if result is not None and result.image.nbytes > self._picture_bytes:
            self._fit(result.image.nbytes)
        if self._queue.qsize() >= self._most and not self._make_room():
            self._dropped += event is None
            return
        self._queue.put((event, result))

    def hurry(self) -> None:
        """The run ends: who waits for room does so for some seconds without progress at most."""
        self._hurried = True

    def status(self) -> SinkStatus:
        """Returns what became of the results so far."""
        wrong = self.failure is not None and not isinstance(self.failure, ReaderLeft)
        sink = self._sink
        error = str(self.failure) if wrong else str(getattr(sink, "error", ""))
        written = getattr(sink, "written", self._written)
        return SinkStatus(sink.name, written, self._dropped + getattr(sink, "lost", 0), error)

    def end(self) -> None:
        """Lets the sink finish what waits, without waiting for it; takes nothing more."""
        if not self._ended:
            self._ended = True
            self._queue.put(None)

    def join(self) -> None:
        """Waits until the sink has finished, as long as it makes any progress."""
        if not self._waited(self._thread_ended) and self.failure is None:
            lost = sum(1 for event, _ in self._waiting() if event is None)
            self._queue.put(None)  # should it wake up after all
            self._dropped += lost
            self.failure = SinkFailed(
                f"{self._sink.name}: did not finish within {PATIENCE_S:.0f} s and was left;"
                f" {lost} results that waited are lost"
            )
            log.warning("%s", self.failure)

    def _thread_ended(self) -> bool:
        self._thread.join(_LOOK_S)
        return not self._thread.is_alive()

    def _fit(self, picture_bytes: int) -> None:
        """Lets fewer large pictures wait than small ones; the largest so far counts."""
        self._picture_bytes = picture_bytes
        self._most = max(1, min(self._sink.queue_size, MOST_BYTES // max(1, picture_bytes)))

    def _make_room(self) -> bool:
        """Waits for room or makes some; False where the newcomer has to go instead."""
        if not self._wait:
            while self._queue.qsize() >= self._most and not self._ended:
                self._drop_oldest()
            return not self._ended
        with self._room:
            self._givers += 1
            try:
                return self._waited(self._has_room) and self._takes()
            finally:
                self._givers -= 1

    def _takes(self) -> bool:
        """Says whether what is put in will be looked at."""
        return not self._ended and self.failure is None and self._thread.is_alive()

    def _has_room(self) -> bool:
        if self._queue.qsize() < self._most or not self._takes():
            return True
        self._room.wait(_LOOK_S)
        return False

    def _waited(self, there: Callable[[], bool]) -> bool:
        """Waits for as long as the run goes on or the sink makes progress; False is given up."""
        taken, since_s = self._taken, self._clock()
        while not there():
            if taken != self._taken or not (self._hurried or self._ended):
                taken, since_s = self._taken, self._clock()
            elif self._clock() - since_s > PATIENCE_S:
                return False
        return True

    def _drop_oldest(self) -> None:
        """Drops a result; an event is rare and matters, so it goes past the queue instead."""
        try:
            item = self._queue.get_nowait()
        except Empty:  # the sink was faster
            return
        if item is None:  # another thread ended it meanwhile
            self._queue.put(None)
        elif item[0] is not None and len(self._rescued) < self._most:
            self._rescued.append(item)
        else:
            self._dropped += 1

    def _waiting(self) -> list[Item]:
        """Takes out what nobody will write any more."""
        found, self._rescued = list(self._rescued), deque()
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return found
            if item is not None:
                found.append(item)

    def _serve(self) -> None:
        failure = self._guarded(self._feed)
        if failure is not None:
            self._fail(failure)
        ending = self._guarded(self._sink.close)
        if failure is None and ending is not None:  # the first error is the one that counts
            self._fail(ending)

    def _feed(self) -> None:
        tick_s = self._clock() + TICK_S
        while True:
            try:
                item = self._queue.get(timeout=max(0.0, tick_s - self._clock()))
            except Empty:
                pass
            else:
                while self._rescued:
                    self._hand_over(self._rescued.popleft())
                if item is None:
                    return
                self._hand_over(item)
            if self._clock() >= tick_s:
                self._sink.tick()
                tick_s = self._clock() + TICK_S

    def _hand_over(self, item: Item) -> None:
        if self._givers:
            with self._room:
                self._room.notify_all()
        event, result = item
        if event is not None:
            self._sink.event(event, result)
        elif result is not None:
            self._sink.result(result)
            self._written += 1
        self._taken += 1

    def _guarded(self, step: Callable[[], None]) -> SinkFailed | None:
        """Returns what went wrong; a mistake in a sink must not end the run without a word.

        Nor may ``sys.exit`` in one, which ends this thread alone: who waits for room would hang.
        """
        try:
            step()
        except SinkFailed as problem:
            return problem
        except BaseException as problem:
            log.exception("output %s", self._sink.name)
            return SinkFailed(f"{self._sink.name}: failed ({type(problem).__name__}: {problem})")
        return None

    def _fail(self, problem: SinkFailed) -> None:
        self.failure = problem
        self._dropped += sum(1 for event, _ in self._waiting() if event is None)
        with self._room:
            self._room.notify_all()
        told = self._on_failure
        if told is not None:
            self._guarded(lambda: told(problem, self._wait))
