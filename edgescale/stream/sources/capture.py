"""OpenCV's video reader, set up the same way for every source.

The one file that opens a ``cv2.VideoCapture`` of FFmpeg. It reads its options from the environment
of the process, so those who need different ones must not open at the same time.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from edgescale.errors import SourceLost, StreamError
from edgescale.inference.preparation import Image

OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# 400 MB of pixels: a larger picture would take the memory that a board has.
LARGEST_PICTURE_PX = 2**27


class Capture(Protocol):
    """An opened live source; all three may raise an ``EdgescaleError`` that says what broke."""

    def grab(self) -> bool:
        """Waits for the next frame; False where none will come."""

    def retrieve(self) -> Image:
        """Returns the frame that was grabbed, uint8 (H, W, 3) BGR."""

    def release(self) -> None:
        """Closes it."""


class EndOfStream(Exception):
    """What ``Capture.grab`` raises at the end of a source that has one."""


class VideoCapture:
    """An opened ``cv2.VideoCapture`` as a ``Capture``."""

    def __init__(self, name: str, capture: Any) -> None:
        """Takes over the capture; ``name`` is for messages."""
        self._name, self.raw = name, capture
        self._error: type[Exception] = opencv().error

    def grab(self) -> bool:
        """Waits for the next frame."""
        try:
            return bool(self.raw.grab())
        except self._error as problem:
            raise SourceLost(f"{self._name}: a frame cannot be decoded") from problem

    def retrieve(self) -> Image:
        """Returns the frame that was grabbed, uint8 (H, W, 3) BGR."""
        try:
            good, image = self.raw.retrieve()
        except self._error as problem:
            raise SourceLost(f"{self._name}: a frame cannot be decoded") from problem
        if not good or image is None:
            raise SourceLost(f"{self._name}: a frame cannot be decoded")
        return bgr(image, self._name)

    def release(self) -> None:
        """Closes it."""
        self.raw.release()


def open_ffmpeg(address: str, options: dict[str, str], timeout_s: float = READ_TIMEOUT_S) -> Any:
    """Returns a ``cv2.VideoCapture`` of a path or URL; ask it whether it ``isOpened()``.

    Args:
        address: what FFmpeg opens.
        options: of FFmpeg; a ``protocol_whitelist`` is always among them.
        timeout_s: the longest that opening it or one read may take.
    """
    cv2 = opencv()
    timeout_ms = round(1000 * timeout_s)
    with _SAME_OPTIONS.held(options):
        return cv2.VideoCapture(
            address,
            cv2.CAP_FFMPEG,
            [
                # More threads would take cores from the interpreter, and each holds a frame back.
                *(cv2.CAP_PROP_N_THREADS, 1),
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms),
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms),
            ],
        )


def bgr(image: Any, name: str) -> Image:
    """Returns uint8 (H, W, 3) BGR; grey, transparent and 16-bit frames are converted.

    Raises:
        StreamError: a frame of a kind that is not known.
    """
    cv2 = opencv()
    if image.dtype == "uint16":
        image = cv2.convertScaleAbs(image, alpha=1 / 257)  # 65535 is 255
    if image.dtype != "uint8":
        raise StreamError(f"{name}: frames of {image.dtype} are not known; expected 8 or 16 bits")
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 3:
        return image  # type: ignore[no-any-return]
    conversions = {1: cv2.COLOR_GRAY2BGR, 4: cv2.COLOR_BGRA2BGR}
    if channels not in conversions:
        raise StreamError(f"{name}: frames of {channels} channels are not known; expected 1, 3, 4")
    return cv2.cvtColor(image, conversions[channels])  # type: ignore[no-any-return]


def opencv() -> Any:
    """Imports OpenCV, quiet and on one thread: its messages are ours to give."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(LARGEST_PICTURE_PX))
    # Whole seconds; V4L2 has no other read timeout.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(round(READ_TIMEOUT_S)))
    import cv2

    if os.environ["OPENCV_LOG_LEVEL"] == "SILENT":  # where it was imported before
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    cv2.setNumThreads(1)  # at these sizes more threads cost and gain nothing
    return cv2


class _SameOptions:
    """Lets those in together who want the same options; others wait until they are out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._text, self._inside, self._waiting = "", 0, 0
        self._before: str | None = None

    @contextmanager
    def held(self, options: dict[str, str]) -> Iterator[None]:
        text = "|".join(f"{key};{value}" for key, value in options.items())
        with self._changed:
            if self._inside and (text != self._text or self._waiting):
                self._waiting += 1
                self._changed.wait_for(lambda: not self._inside)
                self._waiting -= 1
            if not self._inside:
                self._text, self._before = text, os.environ.get(_OPTIONS)
                os.environ[_OPTIONS] = text
            self._inside += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._changed:
            self._inside -= 1
            if self._inside:
                return
            if self._before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = self._before
            self._changed.notify_all()


_SAME_OPTIONS = _SameOptions()
