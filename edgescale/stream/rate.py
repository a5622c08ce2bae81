"""Rates over the last seconds, from a ring of counts: months of frames take no more room."""

from collections import deque

WINDOW_S = 10.0
_STEP_S = 0.25
_LATE = 3.0  # so many usual intervals without one, and the silence counts


class RecentRate:
    """Counts what happens, and says how often a second of late."""

    def __init__(self) -> None:
        self.count = 0
        self._last_s = 0.0
        # (when, how many until then), one for each step of time
        self._marks: deque[tuple[float, int]] = deque(maxlen=int(WINDOW_S / _STEP_S) + 1)

    def add(self, now_s: float, count: int | None = None) -> None:
        """Counts one more, or takes the present count of what counts by itself."""
        self.count = self.count + 1 if count is None else count
        self._last_s = now_s
        if not self._marks or now_s - self._marks[-1][0] >= _STEP_S:
            self._marks.append((now_s, self.count))

    def fps(self, now_s: float) -> float | None:
        """Returns the rate of the last seconds; None before two, 0 after a long silence."""
        if not self._marks:
            return None
        marks = [mark for mark in self._marks if now_s - mark[0] <= WINDOW_S]
        if not marks:
            return 0.0
        first_s, before = marks[0]
        events, span_s = self.count - before, self._last_s - first_s
        if events < 1 or span_s <= 0:
            return None
        silence_s = now_s - self._last_s
        if silence_s > _LATE * span_s / events:
            span_s += silence_s
        return events / span_s
