"""How long a trial may keep silent before it counts as hanging.

An epoch takes about as long in every trial, for candidates cost the same; so the longest one so far
says what is too long.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edgescale.search.training import Epoch


@dataclass
class Patience:
    """The limits of one engine; ``heard`` is called from the threads of its trials.

    Attributes:
        least_s: the shortest limit.
        first_s: the limit while no epoch of any trial has ended: a large network's takes hours.
        times: the limit in epochs, of the longest so far.
        step_s: how often each trial is looked at.
        longest_s: the longest epoch so far.
    """

    least_s: float = 600.0
    first_s: float = 6 * 3600.0
    times: float = 20.0
    step_s: float = 1.0
    longest_s: float | None = None

    @property
    def limit_s(self) -> float:
        """How long a trial may keep silent from here on."""
        if self.longest_s is None:
            return self.first_s
        return max(self.least_s, self.times * self.longest_s)

    def heard(self, epoch: Epoch) -> None:
        """Takes an epoch, for as long as the trial's took on average.

        Not for the time since the last one: those that a checkpoint brings are told in a row.
        """
        self.longest_s = max(epoch.wall_s / epoch.number, self.longest_s or 0.0)


class Silence:
    """Watches one trial in a thread, and acts once where it has kept silent for too long.

    Silence is counted in steps of this process, so that one which was itself stopped for an hour
    does not take its trials for hanging.

    Args:
        patience: of the engine.
        act: called in the thread; it must make the trial end.
    """

    def __init__(self, patience: Patience, act: Callable[[], None]) -> None:
        self._patience, self._act = patience, act
        self._ended = threading.Event()
        self._silent_s = 0.0
        self.said = ""  # once it acted
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Silence":
        """Begins to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends to watch."""
        self._ended.set()
        self._thread.join()

    def heard(self, epoch: Epoch) -> None:
        """Takes an epoch."""
        self._patience.heard(epoch)
        self._silent_s = 0.0

    def _watch(self) -> None:
        while not self._ended.wait(self._patience.step_s):
            self._silent_s += self._patience.step_s
            if self._silent_s > self._patience.limit_s:
                self.said = f"it kept silent for {self._silent_s / 60:.0f} minutes, so it was ended"
                self._act()
                return
