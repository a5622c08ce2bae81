"""MJPEG on standard input: JPEG pictures one after another, with or without multipart heads.

What stands between pictures is skipped, so that the output of ``ffmpeg -f mjpeg``, of
``-f mpjpeg`` and of a camera's own program are read alike, and a damaged stretch costs no more than
the pictures in it.
"""

import os
import select
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgescale.errors import SourceLost, StreamError
from edgescale.inference.preparation import Image
from edgescale.stream.frame import Frame
from edgescale.stream.sources.capture import READ_TIMEOUT_S, EndOfStream, opencv
from edgescale.stream.sources.live_source import Opener

_START, _END, _SCAN = b"\xff\xd8\xff", b"\xff\xd9", 0xDA
_CHUNK_BYTES = 2**16
_LARGEST_JPEG_BYTES = 2**26
_LOOK_EVERY_S = 0.25


class JpegSplitter:
    """Cuts a stream of bytes into JPEG pictures."""

    def __init__(self) -> None:
        """Begins with nothing."""
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> None:
        """Appends what came."""
        self._buffer += chunk

    def next(self) -> bytes | None:
        """Returns the next whole picture, or None until more has come."""
        while True:
            start = self._buffer.find(_START)
            if start < 0:
                del self._buffer[: max(0, len(self._buffer) - len(_START) + 1)]
                return None
            if start:
                del self._buffer[:start]
                self._searched = 0
            end = self._end()
            if end:
                picture = bytes(self._buffer[:end])
                self._drop(end)
                return picture
            if end is None:
                return None
            self._drop(len(_START))  # no picture after all: look for the next

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._searched = 0

    def _end(self) -> int | None:
        """Returns where the picture at the start ends, None if not yet, 0 if it is none.

        Thumbnails within the head have end markers of their own, so the segments before the first
        scan are stepped over (ITU-T T.81, B.1).
        """
        buffer, place = self._buffer, self._searched or 2
        if len(buffer) > _LARGEST_JPEG_BYTES:
            return 0
        if not self._searched:
            while True:
                if place + 4 > len(buffer):
                    return None
                if buffer[place] != 0xFF:
                    return 0
                marker = buffer[place + 1]
                if marker == _SCAN:
                    break
                is_fill = marker == 0xFF
                place += 1 if is_fill else 2 + int.from_bytes(buffer[place + 2 : place + 4], "big")
        found = buffer.find(_END, place)
        self._searched = max(2, len(buffer) - 1) if found < 0 else place
        return None if found < 0 else found + len(_END)


class MjpegPipe:
    """The pictures that come on a file descriptor, as a ``Capture``."""

    def __init__(self, descriptor: int = 0, timeout_s: float = READ_TIMEOUT_S) -> None:
        """Reads from the descriptor; it is not closed here."""
        self._descriptor, self._timeout_s = descriptor, timeout_s
        self._splitter = JpegSplitter()
        self._picture: bytes = b""
        self._read_any = False
        self._closed = False

    def grab(self) -> bool:
        """Waits for the next picture; False where none came in time.

        Raises:
            EndOfStream: the writer has closed it.
            StreamError: it was closed before any picture.
        """
        deadline_s = time.monotonic() + self._timeout_s
        while (picture := self._splitter.next()) is None:
            if not self._readable(deadline_s):
                return False
            chunk = os.read(self._descriptor, _CHUNK_BYTES)
            if not chunk and not self._read_any:
                raise StreamError("standard input: ended without a JPEG picture; give MJPEG")
            if not chunk:
                raise EndOfStream
            self._splitter.feed(chunk)
        self._picture, self._read_any = picture, True
        return True

    def retrieve(self) -> Image:
        """Returns the picture, uint8 (H, W, 3) BGR.

        Raises:
            SourceLost: it is damaged.
        """
        image = decoded(self._picture)
        if image is None:
            raise SourceLost("standard input: a picture cannot be decoded")
        return image

    def interrupt(self) -> None:
        """Makes a ``grab`` under way return False soon; may be called from any thread."""
        self._closed = True

    def release(self) -> None:
        """Does nothing: standard input cannot be opened again."""

    def _readable(self, deadline_s: float) -> bool:
        while not self._closed:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            if select.select([self._descriptor], [], [], min(left_s, _LOOK_EVERY_S))[0]:
                return True
        return False


class MjpegFile:
    """The pictures of a file given as standard input: every one of them."""

    fps: float | None = None

    def __init__(self, descriptor: int = 0) -> None:
        """Reads from the descriptor; it is not closed here."""
        self._pipe = MjpegPipe(descriptor)

    def __iter__(self) -> Iterator[Frame]:
        """Yields every picture that can be decoded.

        Raises:
            StreamError: there is none.
        """
        index = 0
        while True:
            start_s = time.monotonic()
            try:
                if not self._pipe.grab():
                    return
                image = self._pipe.retrieve()
            except EndOfStream:
                return
            except SourceLost:
                continue
            now_s = time.monotonic()
            yield Frame(index, image, now_s, decode_ms=1000 * (now_s - start_s))
            index += 1

    def close(self) -> None:
        """Ends a wait."""
        self._pipe.interrupt()


def decoded(picture: bytes) -> Image | None:
    """Returns a JPEG as uint8 (H, W, 3) BGR, None where it is damaged."""
    cv2 = opencv()
    try:
        image: Any = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return image  # type: ignore[no-any-return]


def pipe_opener(descriptor: int = 0, timeout_s: float = READ_TIMEOUT_S) -> Opener:
    """Returns what opens standard input: always the same, for it cannot be opened anew.

    Raises:
        StreamError: a person types there.
    """
    if os.isatty(descriptor):
        raise StreamError("standard input is a terminal; pipe MJPEG into it")
    pipe = MjpegPipe(descriptor, timeout_s)
    return Opener(lambda: pipe, drain=False, interrupt=pipe.interrupt)
