"""What a run came to: frames, rate, drops and what was seen most often."""

from collections import Counter
from dataclasses import dataclass, field

_MOST_COUNTED = 100_000  # as many labels as a family may have
_FEWEST_FOR_RATE = 10  # two are in flight, so the first results come at once


def rate(stamps: int, span_s: float) -> float | None:
    """Returns the rate of stamps that span a time; N of them are N - 1 intervals, one has none."""
    return (stamps - 1) / span_s if stamps > 1 and span_s > 0 else None


@dataclass
class RunStats:
    """Counts results as they come; memory does not grow with the length of the run."""

    frames: int = 0
    dropped: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    top1: Counter[str] = field(default_factory=Counter)

    def add(self, label: str | None, *, dropped: int, now_s: float) -> None:
        """Counts one result; the label is None where the model was not sure."""
        if self.frames == 0:
            self.first_s = now_s
        self.frames, self.dropped, self.last_s = self.frames + 1, dropped, now_s
        if label is not None and (label in self.top1 or len(self.top1) < _MOST_COUNTED):
            self.top1[label] += 1

    @property
    def fps(self) -> float | None:
        """Returns the rate from the first result to the last, None for a handful of frames."""
        if self.frames < _FEWEST_FOR_RATE:
            return None
        return rate(self.frames, self.last_s - self.first_s)

    @property
    def most_frequent(self) -> tuple[str, int] | None:
        """Returns the label that was top-1 most often, with its count."""
        return next(iter(self.top1.most_common(1)), None)
