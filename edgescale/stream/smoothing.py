"""Steady answers from a flickering model: each score is averaged over the last seconds.

The average is exponential in time, not in frames, so that it means the same at any frame rate and
after frames that were dropped: a sample that came ``dt`` after the one before weighs
``1 - exp(-dt / seconds)``. The first frame weighs as much as the second, so that a run that begins
with a wrong one is not wrong for seconds. Labels are the family's, so a change of the variant needs
no new start.
"""

import math

from edgescale.inference.classifier import Prediction

_FORGOTTEN = 1e-4  # half a step of an 8-bit score is 2e-3


class Smoother:
    """Averages the top-k of each source.

    A label that is not among the top-k of a frame counts as 0 there; one that has faded away is
    forgotten, so memory is bounded.

    Args:
        seconds: the time constant: after it, 63 % of a change show.
    """

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds < math.inf:
            raise ValueError(f"smoothing needs a time above 0 s, got {seconds}")
        self._seconds = seconds
        self._sources: dict[str, _Average] = {}

    def __call__(
        self, source: str, found: tuple[Prediction, ...], at_s: float
    ) -> tuple[Prediction, ...]:
        """Returns as many predictions as were found, best first, with averaged scores.

        Args:
            source: its name.
            found: the top-k of the frame; k may differ from frame to frame.
            at_s: when it was, in seconds of one clock per source; a step back begins anew.
        """
        average = self._sources.get(source)
        if average is None or at_s < average.at_s:
            average = self._sources[source] = _Average(found, at_s)
        elif at_s > average.at_s:
            weight = 1 - math.exp((average.at_s - at_s) / self._seconds)
            average.add(found, at_s, weight)
        return average.best(len(found))


class _Average:
    """The averaged scores of one source by class id, with their labels."""

    def __init__(self, found: tuple[Prediction, ...], at_s: float) -> None:
        self.at_s = at_s
        self._weight: float | None = None  # of all frames so far; goes to 1
        self._labels = {one.class_id: one.label for one in found}
        self._scores = {one.class_id: one.score for one in found}

    def add(self, found: tuple[Prediction, ...], at_s: float, weight: float) -> None:
        """Takes a frame of a weight above 0."""
        self.at_s = at_s
        before = weight if self._weight is None else self._weight
        self._weight = (1 - weight) * before + weight
        weight /= self._weight
        scores = {
            key: faded
            for key, score in self._scores.items()
            if (faded := (1 - weight) * score) >= _FORGOTTEN
        }
        for one in found:
            scores[one.class_id] = scores.get(one.class_id, 0.0) + weight * one.score
            self._labels[one.class_id] = one.label
        self._scores = scores
        if len(self._labels) > 2 * len(scores) + 16:
            self._labels = {key: self._labels[key] for key in scores}

    def best(self, count: int) -> tuple[Prediction, ...]:
        """Equal scores go by class id, as in the top-k of a frame."""
        order = sorted(self._scores.items(), key=lambda item: (-item[1], item[0]))[:count]
        return tuple(Prediction(key, self._labels[key], score) for key, score in order)
