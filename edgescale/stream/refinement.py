"""From a frame's top-k to what is shown of it: smoothed, cut at the threshold, entered and left.

What is averaged or waited for needs more of a frame than is shown: a label that is third and then
first would else count as never seen before, and the answer would hang on how many are asked for.
"""

from edgescale.inference.classifier import Prediction
from edgescale.stream.event import Event
from edgescale.stream.frame import Frame
from edgescale.stream.presence import Presence, PresenceLimits
from edgescale.stream.smoothing import Smoother

_ENOUGH = 20  # of a frame's scores, the rest of which are close to nothing


class Refinement:
    """Applied to the frames of a run in order.

    A video file has its own time, so that a run faster or slower than the video smooths alike; else
    it is the time of capture.

    Args:
        top_k: most predictions that are shown of a frame.
        threshold: the lowest score that is shown, 0 to 1.
        smooth_s: time constant of the average over time; None shows each frame as it is.
        presence: when a label enters and leaves, by the (smoothed) scores; None tells nothing.
    """

    def __init__(
        self,
        *,
        top_k: int = 5,
        threshold: float = 0.0,
        smooth_s: float | None = None,
        presence: PresenceLimits | None = None,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must be from 0 to 1, as scores are, got {threshold}")
        self._top_k, self._threshold = top_k, threshold
        self._smooth = None if smooth_s is None else Smoother(smooth_s)
        self._presence = None if presence is None else Presence(presence)
        self._events: list[Event] = []

    @property
    def needs(self) -> int:
        """Returns how many predictions it wants of each frame; fewer come from a small family."""
        follows = self._smooth is not None or self._presence is not None
        return max(self._top_k, _ENOUGH) if follows else self._top_k

    def __call__(self, frame: Frame, found: tuple[Prediction, ...]) -> tuple[Prediction, ...]:
        """Returns what is shown of a frame whose best ``needs`` predictions these are."""
        at_s = frame.captured_s if frame.position_s is None else frame.position_s
        if self._smooth is not None:
            found = self._smooth(frame.source, found, at_s)
        if self._presence is not None:
            self._events += self._presence.observe(frame.source, found, at_s)
        found = found[: self._top_k]
        if not found or found[-1].score >= self._threshold:
            return found
        return tuple(one for one in found if one.score >= self._threshold)

    def events(self) -> list[Event]:
        """Returns who entered and left since the last call."""
        if not self._events:
            return []
        found, self._events = self._events, []
        return found

    def close(self) -> list[Event]:
        """Returns the events of those that are there when the run ends."""
        return [] if self._presence is None else self._presence.close()
