"""When a frame belongs in a video of its source: real time for a camera, the file's for a file.

A camera's results come when they come: at a fixed rate, a slow model would make a fast film.
"""

from typing import TYPE_CHECKING

from edgescale.stream.sinks.saved_video import DEFAULT_FPS

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

_SHORTEST_S = 0.001


class FrameTimes:
    """Gives the frames of one source rising times in seconds, 0 for the first."""

    def __init__(self) -> None:
        self._at_s: float | None = None
        self._captured_s = 0.0
        self._position_s: float | None = None

    def at_s(self, result: "FrameResult") -> float:
        """Returns when this frame is shown: after all that were given before."""
        step_s = max(_SHORTEST_S, self._step_s(result))
        self._at_s = 0.0 if self._at_s is None else self._at_s + step_s
        self._captured_s, self._position_s = result.captured_s, result.position_s
        return self._at_s

    def _step_s(self, result: "FrameResult") -> float:
        """Returns the time since the frame before; one frame where the source knows of none."""
        fps = result.source_fps or DEFAULT_FPS
        if result.position_s is not None:
            frames = round((result.position_s - (self._position_s or 0.0)) * fps)
            return max(1, frames) / fps
        if result.name is not None:
            return 1 / fps
        return result.captured_s - self._captured_s
