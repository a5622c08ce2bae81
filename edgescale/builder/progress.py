"""What a build tells while it runs, for a progress bar or log lines alike."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class BuildEvent:
    """One thing that happened to one variant.

    Attributes:
        variant: its name.
        stage: the stage it happened in.
        state: ``started``, ``epoch``, ``finished``, ``skipped`` or ``failed``.
        said: what the stage says in one line; empty for ``started`` and ``skipped``.
        took_s: seconds a finished stage took, else None.
        steps_done: stages and epochs finished so far, of all variants.
        steps_total: stages and epochs of the whole build.
    """

    variant: str
    stage: str
    state: str
    said: str
    took_s: float | None
    steps_done: int
    steps_total: int

    def line(self) -> str:
        """Returns the event as one line, e.g. ``quantise phi1: 0.12 MB int8, 4.1 s``."""
        took = "" if self.took_s is None else f", {self.took_s:.1f} s"
        said = {"skipped": "is there", "started": "started"}.get(self.state, self.said)
        return f"{self.stage} {self.variant}: {said}{took}"


OnEvent = Callable[[BuildEvent], None]


class Steps:
    """Counts the finished steps of all variants.

    Args:
        epochs: epochs of each training.
        stages: number of stages of each variant, by name.
    """

    def __init__(self, epochs: int, stages: dict[str, int]) -> None:
        self._epochs = epochs
        self._epochs_done: dict[str, int] = {}
        self._stages_done = 0
        self.total = sum(stages.values()) + epochs * len(stages)

    def epoch(self, variant: str, done: int) -> None:
        """Takes the number of epochs a variant has finished."""
        self._epochs_done[variant] = done

    def stage(self, variant: str, stage: str) -> None:
        """Takes a finished or skipped stage."""
        self._stages_done += 1
        if stage == "train":
            self._epochs_done[variant] = self._epochs

    @property
    def done(self) -> int:
        """Steps finished so far."""
        return self._stages_done + sum(self._epochs_done.values())
