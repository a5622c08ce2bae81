"""A trial's score: one number from its validation accuracy after each epoch.

US20200234132A1 scores a candidate by its accuracy on a validation set, by its rate of errors, or by
the mean or the best of the last 2, 5 or 10 epochs.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgescale.errors import SearchError

log = logging.getLogger(__name__)

METRICS = ("accuracy", "error")
KINDS = ("final", "mean", "max")
PATENT_EPOCHS = (2, 5, 10)


@dataclass(frozen=True)
class Scoring:
    """How a curve becomes a score.

    ``metric`` is ``accuracy`` or ``error`` (1 - accuracy); ``kind`` is the ``final`` value, the
    ``mean`` of the last ``k`` epochs or the best (``max``) of them. ``k`` is 1 for ``final``.
    """

    metric: str = "accuracy"
    kind: str = "final"
    k: int = 1

    @property
    def text(self) -> str:
        """The kind as ``parse_scoring`` reads it: ``final``, ``mean:5``."""
        return self.kind if self.kind == "final" else f"{self.kind}:{self.k}"

    @property
    def words(self) -> str:
        """Metric and kind, as a record keeps them: ``accuracy mean:5``; see ``read_scoring``."""
        return f"{self.metric} {self.text}"

    @property
    def direction(self) -> str:
        """``maximize`` or ``minimize``, Optuna's words."""
        return "maximize" if self.metric == "accuracy" else "minimize"

    def better(self, one: float, other: float) -> bool:
        """Says whether the first score is strictly better than the second."""
        return one > other if self.metric == "accuracy" else one < other

    def value(self, accuracy: float) -> float:
        """Returns one epoch's value of the metric from its accuracy."""
        return accuracy if self.metric == "accuracy" else 1 - accuracy

    def score(self, curve: Sequence[float]) -> float:
        """Scores the validation accuracies of all epochs, each from 0 to 1.

        Raises:
            SearchError: fewer epochs than the score looks at.
        """
        self.check_epochs(len(curve))
        last = [self.value(accuracy) for accuracy in curve[-self.k :]]
        if self.kind == "mean":
            return math.fsum(last) / len(last)
        if self.kind == "max":
            return max(last) if self.metric == "accuracy" else min(last)
        return last[-1]

    def check_epochs(self, epochs: int) -> None:
        """Refuses a training that is too short for this score.

        Raises:
            SearchError: fewer epochs than the score looks at.
        """
        if epochs < self.k:
            raise SearchError(
                f"score '{self.text}' looks at the last {self.k} epoch(s), but a trial has"
                f" {epochs}; train longer or use a smaller number"
            )


def parse_scoring(text: str, metric: str = "accuracy") -> Scoring:
    """Reads ``final``, ``mean:K`` or ``max:K``.

    Raises:
        SearchError: another kind, a K below 1, or an unknown metric.
    """
    scoring = _parsed(text, metric)
    if scoring.kind != "final" and scoring.k not in PATENT_EPOCHS:
        log.warning("score %s: the method names the last 2, 5 or 10 epochs", text)
    return scoring


def read_scoring(words: str) -> Scoring:
    """Reads ``Scoring.words``.

    Raises:
        SearchError: it is no scoring.
    """
    metric, _, text = words.partition(" ")
    return _parsed(text, metric)


def _parsed(text: str, metric: str) -> Scoring:
    if metric not in METRICS:
        raise SearchError(f"metric '{metric}' is not known; {' or '.join(METRICS)}")
    kind, colon, digits = text.partition(":")
    good = digits.isascii() and digits.isdigit() and len(digits) <= 6 and int(digits) >= 1
    if text == "final":
        return Scoring(metric)
    if kind not in ("mean", "max") or not colon or not good:
        raise SearchError(
            f"score '{text}' is not known; give final, mean:K or max:K with K of at least 1,"
            " e.g. mean:5"
        )
    return Scoring(metric, kind, int(digits))
