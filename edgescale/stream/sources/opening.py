"""Opens sources side by side, so that neither a slow one nor the end of the run waits for another.

FFmpeg cannot be interrupted while it opens a stream, and a server may say nothing for the whole
timeout. Each is therefore opened in a thread of its own, which is left to itself when the run ends.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from edgescale.errors import EdgescaleError, SourceLost
from edgescale.inference.preparation import Image
from edgescale.stream.frame import Frame
from edgescale.stream.sources.capture import Capture
from edgescale.stream.sources.live_source import Opener
from edgescale.stream.sources.source_spec import Source, SourceState

# The end of the run may come in another thread, as a signal may: the one that waits has to look.
_LOOK_EVERY_S = 0.1


def never() -> bool:
    """Says that nobody has ended the run."""
    return False


def opened_together(
    openers: Sequence[Callable[[], Source]], stopped: Callable[[], bool] = never
) -> list[Source | EdgescaleError | None]:
    """Opens all; returns for each, in their order, what was opened or why it could not be.

    Once ``stopped`` says so, those that are still being opened are None. On an error of any other
    kind, Ctrl-C included, those that are open are closed. What is opened after either closes itself
    at once.
    """
    openings = [_Opening(one) for one in openers]
    found: list[Source | EdgescaleError | None] = []
    try:
        for one in openings:
            found.append(one.wait(stopped, 0.0 if None in found else _LOOK_EVERY_S))
        return found
    except BaseException:
        for one in openings:
            one.give_up()
        raise


def lost_at_start(opener: Opener, problem: EdgescaleError) -> Opener:
    """Returns an opener that gives a lost capture first, so that its source is opened again."""
    left: list[Capture] = [_Lost(problem)]
    return replace(opener, open=lambda: left.pop() if left else opener.open())


class NeverOpened:
    """Stands in for the sources of a run that ended before they were open: none has a frame.

    Args:
        names: theirs.
    """

    live = True  # with what is not there no output holds the end back
    fps: float | None = None
    dropped = 0

    def __init__(self, names: Sequence[str]) -> None:
        self.name, self._names = ", ".join(names), names

    def states(self) -> tuple[SourceState, ...]:
        """Returns that each has ended."""
        return tuple(SourceState(name, live=True, state="ended") for name in self._names)

    def __iter__(self) -> Iterator[Frame]:
        """Yields nothing."""
        return iter(())

    def close(self) -> None:
        """Nothing is open."""


class _Opening:
    """One source while it is being opened."""

    def __init__(self, open_one: Callable[[], Source]) -> None:
        self._open_one = open_one
        self._lock, self._done = threading.Lock(), threading.Event()
        self._source: Source | None = None
        self._error: Exception | None = None
        self._given_up = False
        threading.Thread(target=self._open, name="open source", daemon=True).start()

    def wait(
        self, stopped: Callable[[], bool], look_every_s: float
    ) -> Source | EdgescaleError | None:
        while not self._done.wait(look_every_s):
            if stopped():
                self.give_up()
                return None
        if self._source is not None:
            return self._source
        if isinstance(self._error, EdgescaleError):
            return self._error
        raise self._error or RuntimeError("a source was neither opened nor refused")

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
        if self._source is not None:
            self._source.close()

    def _open(self) -> None:
        try:
            source = self._open_one()
            with self._lock:
                late = self._given_up
                if not late:
                    self._source = source
            if late:
                source.close()
        except Exception as problem:  # noqa: BLE001 - raised where it is waited for
            self._error = problem
        finally:
            self._done.set()


class _Lost:
    """Stands in for a capture that could not be opened."""

    def __init__(self, problem: EdgescaleError) -> None:
        self._problem = problem

    def grab(self) -> bool:
        raise SourceLost(str(self._problem)) from self._problem

    def retrieve(self) -> Image:
        raise SourceLost(str(self._problem)) from self._problem

    def release(self) -> None:
        """Nothing is open."""
