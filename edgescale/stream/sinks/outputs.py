"""The outputs of a live run: each has its own thread and its own bounded queue.

So that a slow or dead one never slows what serves: for a live source it drops its own oldest
results and counts them; for a file, where nothing may be lost, it holds the run back instead.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from edgescale.errors import ReaderLeft, SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.flight import FrameResult
from edgescale.stream.sinks.channel import Channel
from edgescale.stream.snapshot import SinkStatus

__all__ = ["Outputs", "ReaderLeft", "Sink"]


class Sink(Protocol):
    """One output. All methods are called in the sink's own thread, never two at once.

    A sink retries by itself what is worth it, and raises ``SinkFailed`` when it is broken for good;
    nothing but ``close`` is called after that. ``ReaderLeft`` ends the run without an error.

    A sink with an attribute ``always_live`` that is true drops results for a file source too: the
    page, a window, MQTT. One with an attribute ``lossless`` has it set to true for a file source,
    where it must fail rather than go on without a frame. One with ``takes_results = False`` is
    given events only, so that no picture waits for it. One that counts what came of it by itself
    says so by ``written`` and, of what it could not keep, ``lost``; and one that goes on in spite
    of something wrong, what, by ``error``.

    Attributes:
        name: for statistics and messages; unique within a run.
        queue_size: most results that may wait, at least 1. Each holds its picture, so of large ones
            fewer may: 24 MiB in all.
    """

    name: str
    queue_size: int

    def result(self, result: FrameResult) -> None:
        """Takes one result, in order."""

    def event(self, event: Event, result: FrameResult | None) -> None:
        """Takes what happened beside the results, with the last result of its source, if any."""

    def tick(self) -> None:
        """Called about once a second, also while there are no frames."""

    def close(self) -> None:
        """Finishes; called once, whatever happened before."""


OnFailure = Callable[[SinkFailed, bool], None]


class Outputs:
    """Hands results and events to sinks; owns the sinks and their threads from now on.

    Args:
        sinks: the outputs.
        wait: True for a file source: a full queue holds the run back and nothing is lost. False for
            a live one: the oldest result gives way and is counted.
        on_failure: told of each sink that failed, in that sink's thread, and whether nothing of it
            may be lost, so that the run must end.
    """

    def __init__(
        self, sinks: Sequence[Sink], *, wait: bool = False, on_failure: OnFailure | None = None
    ) -> None:
        self._channels = tuple(Channel(sink, on_failure=on_failure) for sink in sinks)
        if wait:
            self.hold_back()
        for channel in self._channels:
            channel.start()

    def hold_back(self) -> None:
        """The source is a file: ``wait`` from now on."""
        for channel in self._channels:
            channel.hold_back()

    def give(self, result: FrameResult) -> None:
        """Hands a result to all sinks; returns at once unless a file source must wait."""
        for channel in self._channels:
            channel.put(None, result)

    def tell(self, event: Event, result: FrameResult | None = None) -> None:
        """Hands an event to all sinks; from any thread."""
        for channel in self._channels:
            channel.put(event, result)

    def hurry(self) -> None:
        """The run ends: a sink that takes nothing any more is no longer waited for."""
        for channel in self._channels:
            channel.hurry()

    def statuses(self) -> tuple[SinkStatus, ...]:
        """Returns what each sink took, lost and suffers from."""
        return tuple(channel.status() for channel in self._channels)

    @property
    def failures(self) -> tuple[SinkFailed, ...]:
        """Returns what went wrong for good, in the order of the sinks; a reader that left did not.

        Complete after ``close``.
        """
        found = (channel.failure for channel in self._channels)
        return tuple(one for one in found if one is not None and not isinstance(one, ReaderLeft))

    def close(self) -> None:
        """Lets every sink finish what waits for it, and ends all threads; may be called twice.

        A sink that makes no progress for some seconds is left to itself and counts as failed.
        """
        for channel in self._channels:
            channel.end()
        for channel in self._channels:
            channel.join()
