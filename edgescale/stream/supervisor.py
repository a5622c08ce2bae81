"""Keeps a live run going when its worker ends: starts it again, and moves it where that is no use.

A USB transfer that fails aborts the process that drives an Edge TPU, or hangs it for ever; camera,
outputs and page live in this process and must not notice more than a pause. So every picture under
way is kept until its result is there, and handed to the next worker in the same order.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from edgescale.errors import DeviceError, EdgescaleError, WorkerDied
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image
from edgescale.inference.worker import Inference
from edgescale.stream.event import Event, OnEvent

log = logging.getLogger(__name__)

# The first inference uploads weights to an Edge TPU and may meet a cold disk; after a restart the
# disk is warm, and how long an upload takes here is known.
FIRST_RESULT_TIMEOUT_S = 60.0
SHORTEST_RESTARTED_LIMIT_S = 5.0
HANG_FACTOR = 20.0  # so many times its usual time, and an inference hangs
SHORTEST_HANG_LIMIT_S = 1.0
ATTEMPTS = 8  # in a row without a result, until the last error is final
DEATHS_HERE = 3  # in a row in one place, until another one is looked for
_BACK_OFF_S = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0)  # before the first, second, ... attempt


class Serving(Protocol):
    """What is supervised: ``inference.worker.Worker``, or a fake of it in tests."""

    family: Family
    variant: VariantRecord
    device: str
    runtime_name: str
    runtime_version: str

    def submit(self, frame: Image, *, bgr: bool) -> None:
        """Hands a picture over; at most two may be under way."""

    def result(self, timeout_s: float) -> Inference:
        """Waits for the oldest picture under way."""

    def predictions(self, inference: Inference) -> tuple[Prediction, ...]:
        """Returns the top-k with labels."""

    def close(self) -> None:
        """Ends the worker; may be called twice."""


Opener = Callable[[], Serving]


def hang_limit_s(p99_ms: float | None) -> float:
    """Returns after which time a result is given up, from the profiled p99 of its latency."""
    return max(SHORTEST_HANG_LIMIT_S, HANG_FACTOR * (p99_ms or 0.0) / 1000)


class Supervisor:
    """Serves like the worker it was given, beyond that worker's end.

    No picture is given up: one that ends every worker ends the run with the last error, as a device
    that is broken does.

    Args:
        first: the worker to begin with; owned from now on.
        reopen: opens a variant again where the run is now (``device`` tells).
        elsewhere: yields what opens the run in other places, best first; None where it must stay.
            Called anew each time that a place has failed; an opener that fails is passed over.
        hang_limit_s: longest wait for a result, see ``hang_limit_s``. Where the worker turns out
            to be slower than its profile, 20 times its fastest inference is waited for. The first
            result of a device may take 60 s; that of a worker started again there 5 s, or 20
            times the slowest first inference so far.
        on_event: told of ``worker-died``, ``refused``, ``restarted`` and ``moved``, before the next
            result.
        clock: in seconds, monotonic.
        sleep: waits some seconds.
    """

    def __init__(  # noqa: PLR0913 - what a run can do about a fault, and how it tells the time
        self,
        first: Serving,
        *,
        reopen: Callable[[VariantRecord], Serving],
        elsewhere: Callable[[], Iterator[Opener]] | None,
        hang_limit_s: float,
        on_event: OnEvent,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._worker = first
        self._reopen, self._elsewhere = reopen, elsewhere
        self._hang_limit_s = hang_limit_s
        self._on_event, self._clock, self._sleep = on_event, clock, sleep
        self._under_way: deque[tuple[Image, bool]] = deque()
        self._open_here: Opener | None = None  # of a place the run has moved to
        self._places: Iterator[Opener] | None = None
        self._deaths = self._deaths_here = 0
        self._down_since_s = 0.0
        self._fastest_ms: float | None = None  # of this worker
        self._slowest_first_ms: float | None = None  # of all workers on this device

    @property
    def worker(self) -> Serving:
        """Returns the worker that serves now; another one after each event."""
        return self._worker

    @property
    def family(self) -> Family:
        """Returns the family."""
        return self._worker.family

    @property
    def variant(self) -> VariantRecord:
        """Returns the variant that serves now."""
        return self._worker.variant

    @property
    def device(self) -> str:
        """Returns the device that serves now."""
        return self._worker.device

    @property
    def runtime_name(self) -> str:
        """Returns the runtime that serves now."""
        return self._worker.runtime_name

    @property
    def runtime_version(self) -> str:
        """Returns its version."""
        return self._worker.runtime_version

    def submit(self, frame: Image, *, bgr: bool) -> None:
        """Hands a picture to the worker; at most two may be under way.

        The frame must not be changed until its result is there: it may be needed again.

        Raises:
            DeviceError: the worker ended, and so did all that were started in its place.
        """
        try:
            self._worker.submit(frame, bgr=bgr)
        except DeviceError as problem:
            self._under_way.append((frame, bgr))
            self._recover(problem)
        else:
            self._under_way.append((frame, bgr))

    def result(self, timeout_s: float | None = None) -> Inference:
        """Waits for the oldest picture under way, whatever happens to the workers meanwhile.

        Args:
            timeout_s: instead of the hang limit, for each worker.

        Raises:
            DeviceError: the worker failed, and so did all that were started in its place.
        """
        if not self._under_way:
            raise ValueError("no picture is under way; submit one first")
        while True:
            try:
                found = self._worker.result(self._limit_s() if timeout_s is None else timeout_s)
            except DeviceError as problem:
                self._recover(problem)
            else:
                break
        self._under_way.popleft()
        self._deaths = self._deaths_here = 0
        self._places = None
        if self._fastest_ms is None:
            self._slowest_first_ms = max(found.invoke_ms, self._slowest_first_ms or 0.0)
        self._fastest_ms = min(found.invoke_ms, self._fastest_ms or found.invoke_ms)
        return found

    def predictions(self, inference: Inference) -> tuple[Prediction, ...]:
        """Puts the family's labels to class ids."""
        return self._worker.predictions(inference)

    def swap(self, worker: Serving, *, hang_limit_s: float | None = None) -> Serving:
        """Serves with another worker from now on.

        Args:
            worker: a ready one, owned from now on.
            hang_limit_s: its own; None keeps the present limit.

        Returns:
            The worker that served until now, still open and the caller's again.
        """
        if self._under_way:
            raise ValueError("a picture is under way; take its result before a swap")
        old = self._worker
        self._take(worker)
        self._open_here = None
        self._hang_limit_s = self._hang_limit_s if hang_limit_s is None else hang_limit_s
        return old

    def close(self) -> None:
        """Ends the worker; may be called twice."""
        self._under_way.clear()
        self._worker.close()

    def _limit_s(self) -> float:
        if self._fastest_ms is not None:
            return max(self._hang_limit_s, HANG_FACTOR * self._fastest_ms / 1000)
        if self._slowest_first_ms is None:
            return FIRST_RESULT_TIMEOUT_S
        usual_s = HANG_FACTOR * self._slowest_first_ms / 1000
        return max(self._hang_limit_s, SHORTEST_RESTARTED_LIMIT_S, usual_s)

    def _recover(self, problem: DeviceError) -> None:
        """Comes back with a worker that has all pictures under way, or raises the last error."""
        if self._deaths == 0:
            self._down_since_s = self._clock()
        kind = "worker-died" if isinstance(problem, WorkerDied) else "refused"
        while True:
            self._deaths += 1
            self._deaths_here += 1
            self._worker.close()
            self._tell(kind, str(problem), in_a_row=self._deaths)
            if self._deaths > ATTEMPTS:
                raise problem
            try:
                if not (self._deaths_here >= DEATHS_HERE and self._move()):
                    self._restart()
            except DeviceError as again:
                problem, kind = again, "worker-died"
            else:
                return

    def _restart(self) -> None:
        self._sleep(_BACK_OFF_S[min(self._deaths_here, len(_BACK_OFF_S)) - 1])
        variant = self._worker.variant
        self._take(self._open_here() if self._open_here else self._reopen(variant))
        self._repeat()
        took_s = self._clock() - self._down_since_s
        text = f"{self.variant.name} was started again on {self.device} after {took_s:.2f} s"
        self._tell("restarted", text, attempt=self._deaths, took_s=took_s)

    def _move(self) -> bool:
        """Goes to the next place that can be opened; False where there is none."""
        before = self.device
        while (opener := self._next_place()) is not None:
            try:
                worker = opener()
            except EdgescaleError as problem:
                log.warning("the run cannot move there: %s", problem)
                continue
            self._take(worker)
            self._open_here, self._deaths_here = opener, 0
            self._repeat()
            took_s = self._clock() - self._down_since_s
            text = f"{before} failed; {self.variant.name} runs on {self.device} from now on"
            self._tell("moved", text, device_before=before, attempt=self._deaths, took_s=took_s)
            return True
        return False

    def _next_place(self) -> Opener | None:
        """Goes on where the last move stopped, until a result has reset that."""
        if self._elsewhere is None:
            return None
        if self._places is None:
            self._places = self._elsewhere()
        try:
            return next(self._places, None)
        except EdgescaleError as problem:
            log.warning("no other place to run: %s", problem)
            return None

    def _take(self, worker: Serving) -> None:
        if worker.device != self._worker.device:
            self._slowest_first_ms = None
        self._worker = worker
        self._fastest_ms = None

    def _repeat(self) -> None:
        """Hands the pictures under way to a new worker, oldest first."""
        for frame, bgr in self._under_way:
            self._worker.submit(frame, bgr=bgr)

    def _tell(self, kind: str, text: str, **details: Any) -> None:
        about = {"variant": self.variant.name, "device": self.device}
        self._on_event(Event(kind, text, about | details))
