"""A camera: once it is iterated, a thread reads every frame and the consumer gets the newest.

A camera delivers at its own pace. Reading it only when the model is free would hand out frames that
have waited in the driver's queue.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from edgescale.errors import EdgescaleError, SourceLost
from edgescale.inference.preparation import Image
from edgescale.stream.frame import Frame
from edgescale.stream.slot import LatestFrame

log = logging.getLogger(__name__)

# A V4L2 camera that stopped makes its driver time out after 10 s; nothing sane is slower.
FRAME_TIMEOUT_S = 12.0
_JOIN_TIMEOUT_S = 5.0


class Capture(Protocol):
    """An opened camera; ``read`` returns None when no more frame comes, or raises ours."""

    def read(self) -> Image | None:
        """Waits for the next frame."""

    def release(self) -> None:
        """Closes the camera."""


class Camera:
    """A live source: iterating gives the newest frame, ``dropped`` counts those nobody saw."""

    live = True
    fps: float | None = None  # what cameras announce is often wrong

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        *,
        timeout_s: float = FRAME_TIMEOUT_S,
    ) -> None:
        """Opens the camera; an error of ``open_capture`` passes through."""
        self.name = name
        self._timeout_s = timeout_s
        self._slot = LatestFrame()
        self._stop = threading.Event()
        self._capture = open_capture()
        self._thread = threading.Thread(target=self._capture_all, name=f"capture {name}")
        self._thread.daemon = True  # a driver stuck in read() must not keep the process alive

    @property
    def dropped(self) -> int:
        """Returns how many frames were replaced before anyone took them."""
        return self._slot.dropped

    def __iter__(self) -> Iterator[Frame]:
        """Yields the newest frame, as often as it is asked, until the camera ends.

        The thread starts with the first frame that is asked for: what is measured before that must
        not share its cores with a camera.

        Raises:
            SourceLost: the camera stopped delivering.
        """
        if self._thread.ident is None and not self._stop.is_set():
            self._thread.start()
        while True:
            try:
                frame = self._slot.take(self._timeout_s)
            except TimeoutError as problem:
                raise SourceLost(
                    f"camera {self.name}: no frame for {self._timeout_s:.0f} s; check its cable and"
                    " that no other program uses it"
                ) from problem
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """Ends the capture thread and closes the camera."""
        self._stop.set()
        self._slot.close()
        if self._thread.ident is None:
            self._capture.release()
            return
        self._thread.join(_JOIN_TIMEOUT_S)
        if self._thread.is_alive():
            log.warning("camera %s: still waits for a frame; left to itself", self.name)

    def _capture_all(self) -> None:
        error: EdgescaleError | None = SourceLost(f"camera {self.name}: its reader failed")
        try:
            error = self._read_until_stopped()
        except EdgescaleError as problem:
            error = problem
        finally:
            self._capture.release()
            self._slot.close(error)

    def _read_until_stopped(self) -> EdgescaleError | None:
        index = 0
        while not self._stop.is_set():
            image = self._capture.read()
            if image is None:
                return SourceLost(
                    f"camera {self.name}: stopped delivering after {index} frames; check its cable"
                    " and start again"
                )
            self._slot.put(Frame(index, image, time.monotonic()))
            index += 1
        return None
