"""Live pictures: one thread encodes each once for all who watch, and sleeps while nobody does.

Encoding in the loop that classifies, once per viewer, took its speed to a sixth with eight viewers;
this takes nothing that could be measured.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgescale.stream.web.watched import Watched

if TYPE_CHECKING:
    from edgescale.inference.preparation import Image

MOST_FPS = 10.0
LARGEST_PX = 640
_QUALITY = 75
_STILL_S = 0.1  # how long one look waits for a source that gives nothing new

log = logging.getLogger(__name__)

Deliver = Callable[[str, bytes], None]


class Publisher:
    """Encodes the newest picture of each source that is watched, at most ten times a second.

    Args:
        run: gives the newest results.
        deliver: takes (source, JPEG), in the publisher's thread.

    Attributes:
        encoded: pictures so far.
    """

    def __init__(self, run: Watched, deliver: Deliver) -> None:
        self._run, self._deliver = run, deliver
        self._changed = threading.Condition()
        self._watching: Counter[str] = Counter()
        self._given: dict[str, int] = {}  # the last frame of each source that was encoded
        self._stop = threading.Event()
        self.encoded = 0
        self._thread = threading.Thread(target=self._publish, name="page-pictures")
        self._thread.start()

    def watch(self, source: str) -> None:
        """Counts a viewer in; the newest picture is given again, so that nobody starts blank."""
        with self._changed:
            self._watching[source] += 1
            self._given.pop(source, None)
            self._changed.notify()

    def unwatch(self, source: str) -> None:
        """Counts a viewer out."""
        with self._changed:
            self._watching[source] -= 1
            if self._watching[source] <= 0:
                del self._watching[source]

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
        self._thread.join()

    def _publish(self) -> None:
        while sources := self._watched():
            start_s = time.monotonic()
            # No condition of one picture may end the picture of all.
            try:
                fresh = [source for source in sources if self._publish_one(source)]
            except Exception:
                log.exception("a picture for the page could not be encoded")
                fresh = list(sources)
            if not fresh:
                self._run.wait_newer(sources[0], self._given.get(sources[0], -1), _STILL_S)
                continue
            self._stop.wait(max(0.0, start_s + 1 / MOST_FPS - time.monotonic()))

    def _watched(self) -> tuple[str, ...]:
        """Waits for somebody to watch; nothing is the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or self._watching)
            return () if self._stop.is_set() else tuple(self._watching)

    def _publish_one(self, source: str) -> bool:
        with self._changed:
            given = self._given.get(source)
        result = self._run.latest(source)
        if result is None or result.index == given:
            return False
        with self._changed:
            self._given[source] = result.index
        self._deliver(source, encoded(result.image))
        self.encoded += 1
        return True


def encoded(image: "Image") -> bytes:
    """Returns a JPEG of at most 640 px a side.

    Args:
        image: uint8 (H, W, 3) BGR, left unchanged.
    """
    import cv2

    done, jpeg = cv2.imencode(".jpg", _fitted(image), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ValueError(f"no JPEG could be made of a picture of shape {image.shape}")
    return bytes(jpeg)


def _fitted(image: "Image") -> Any:
    """Shrinks in two steps: whole pixels averaged, which is cheap, then the rest interpolated."""
    import cv2

    height, width = image.shape[:2]
    share = LARGEST_PX / max(height, width)
    if share >= 1:
        return image
    target = (max(1, round(width * share)), max(1, round(height * share)))
    small: Any = image
    whole = int(1 / share)
    if whole > 1:
        size = (max(1, width // whole), max(1, height // whole))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if small.shape[1::-1] != target:
        small = cv2.resize(small, target, interpolation=cv2.INTER_LINEAR)
    return small
