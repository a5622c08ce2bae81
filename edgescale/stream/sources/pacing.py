"""How fast a file plays beside a camera: as fast as it was filmed.

Beside a camera no output may hold the run up, so a file that raced would push frames, its own and
the camera's, out of every queue.
"""

from collections.abc import Callable

# Images have no time of their own.
_STEP_OF_IMAGES_S = 1 / 30
# A time stamp that jumps by hours is damage.
_LONGEST_STEP_S = 10.0


class Pace:
    """Says when each frame of a file is due; one that is late puts off all that follow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begins when the first frame is asked about."""
        self._clock = clock
        self._due_s: float | None = None
        self._position_s: float | None = None

    def wait_s(self, position_s: float | None) -> float:
        """Returns how long to wait before the next frame is shown.

        Args:
            position_s: of the frame in its file; None for an image.
        """
        now_s = self._clock()
        before_s, self._position_s = self._position_s, position_s
        step_s = _STEP_OF_IMAGES_S
        if position_s is not None and before_s is not None and position_s > before_s:
            step_s = min(position_s - before_s, _LONGEST_STEP_S)
        self._due_s = now_s if self._due_s is None else max(now_s, self._due_s + step_s)
        return self._due_s - now_s
