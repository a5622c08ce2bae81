"""A slot for one frame: the newest replaces the unread one, so a slow model never falls behind.

A queue would grow older by the difference of the two rates for as long as it runs. Slots of several
sources may share one condition: whoever takes from all of them then waits in one place.
"""

import threading
import time
from dataclasses import replace

from edgescale.stream.frame import Frame


class LatestFrame:
    """Hands the newest frame from a capture thread to the consumer; ``dropped`` counts the rest."""

    def __init__(self, changed: threading.Condition | None = None) -> None:
        """Waits and tells by ``changed``, one of its own by default."""
        self._changed = changed or threading.Condition()
        self._frame: Frame | None = None
        self._closed = False
        self.error: Exception | None = None
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        """Stores a frame; one that nobody took is dropped and counted."""
        with self._changed:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame
            self._changed.notify_all()

    def put_when_taken(self, frame: Frame) -> bool:
        """Waits until the frame before was taken, and stores this one; False where it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is None or self._closed)
            if self._closed:
                return False
            self._frame = frame
            self._changed.notify_all()
            return True

    def skip(self) -> None:
        """Counts a frame that was too old to be stored."""
        with self._changed:
            self.dropped += 1

    def close(self, error: Exception | None = None) -> None:
        """Ends the stream; an error is raised in the consumer. The first call counts."""
        with self._changed:
            if not self._closed:
                self._closed, self.error = True, error
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Says that it is closed and that nothing is left in it."""
        with self._changed:
            return self._closed and self._frame is None

    def poll(self) -> Frame | None:
        """Returns the frame nobody has taken yet, with the count of those dropped; else None."""
        with self._changed:
            frame, self._frame = self._frame, None
            if frame is None:
                return None
            self._changed.notify_all()
            return replace(frame, dropped=self.dropped) if self.dropped else frame

    def take(self, timeout_s: float) -> Frame | None:
        """Waits for a frame nobody has taken yet and returns it; None is the end of the stream.

        Raises:
            TimeoutError: no frame came in time.
            Exception: what the capture thread closed the slot with.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while self._frame is None and not self._closed:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError
                self._changed.wait(left_s)
            frame = self.poll()
            if frame is None and self.error is not None:
                raise self.error
            return frame
