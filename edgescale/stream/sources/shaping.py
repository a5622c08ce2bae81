"""What is done to a source's frames before anything else sees them: region, turn and rate.

It happens where a frame is captured, so that everything after it, the saved video and the page too,
shows what was classified.
"""

from dataclasses import dataclass

from edgescale.errors import StreamError
from edgescale.inference.preparation import Image
from edgescale.stream.sources.capture import opencv
from edgescale.stream.sources.source_spec import SourceSpec


@dataclass(frozen=True)
class Shaping:
    """Region, turn and rate; see ``SourceSpec``."""

    roi: tuple[int, int, int, int] | None = None
    rotate: int = 0
    max_fps: float | None = None

    def shaped(self, image: Image, name: str) -> Image:
        """Returns the region of uint8 (H, W, 3), turned; a view where it is not turned.

        Raises:
            StreamError: the region is no part of this picture.
        """
        if self.roi is not None:
            x, y, width, height = self.roi
            if y + height > image.shape[0] or x + width > image.shape[1]:
                raise StreamError(
                    f"{name}: its pictures of {image.shape[1]}x{image.shape[0]} do not hold the"
                    f" region of {width}x{height} at {x},{y}; give one that lies within"
                )
            image = image[y : y + height, x : x + width]
        if not self.rotate:
            return image
        cv2 = opencv()
        turns = {
            90: cv2.ROTATE_90_CLOCKWISE,
            180: cv2.ROTATE_180,
            270: cv2.ROTATE_90_COUNTERCLOCKWISE,
        }
        return cv2.rotate(image, turns[self.rotate])  # type: ignore[no-any-return]

    def limit(self) -> "RateLimit":
        """Returns a new limit of the rate."""
        return RateLimit(self.max_fps)


class RateLimit:
    """Lets through so many frames per second, evenly."""

    def __init__(self, max_fps: float | None) -> None:
        """Sets the rate; None lets all through."""
        self._interval_s = 1 / max_fps if max_fps else 0.0
        self._due_s: float | None = None

    def due(self, now_s: float) -> bool:
        """Says whether the frame of this moment is let through."""
        if not self._interval_s:
            return True
        due_s = now_s if self._due_s is None else self._due_s
        # A clock that went far back, or a pause, begins anew.
        if now_s < due_s - 1e-6 and due_s - now_s <= self._interval_s:
            return False
        late = abs(now_s - due_s) > self._interval_s
        self._due_s = (now_s if late else due_s) + self._interval_s
        return True


def shaping_of(spec: SourceSpec) -> Shaping:
    """Returns what a description wants."""
    return Shaping(spec.roi, spec.rotate, spec.max_fps)
