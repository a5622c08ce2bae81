"""A slot for one frame: the newest replaces the unread one, so a slow model never falls behind.

A queue would grow older by the difference of the two rates for as long as it runs.
"""

import threading
import time

from edgescale.stream.frame import Frame


class LatestFrame:
    """Hands the newest frame from a capture thread to the consumer; ``dropped`` counts the rest."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False
        self._error: Exception | None = None
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        """Stores a frame; one that nobody took is dropped and counted."""
        with self._changed:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame
            self._changed.notify()

    def close(self, error: Exception | None = None) -> None:
        """Ends the stream; an error is raised in the consumer. The first call counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify()

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
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return frame
