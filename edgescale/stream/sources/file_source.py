"""A source that gives every frame and ends: a video, images, or several files one after another."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from edgescale.errors import StreamError
from edgescale.stream.frame import Frame
from edgescale.stream.sources.shaping import Shaping
from edgescale.stream.sources.source_spec import SourceState

log = logging.getLogger(__name__)

_READ_WAIT_S = 1.0


class Reader(Protocol):
    """An opened file or list of images."""

    fps: float | None

    def __iter__(self) -> Iterator[Frame]:
        """Yields every frame."""

    def close(self) -> None:
        """Closes what is open."""


class FileSource:
    """Every frame of a reader, shaped as the user wants it and marked with the source's name."""

    live = False
    dropped = 0

    def __init__(self, name: str, reader: Reader, shaping: Shaping) -> None:
        """Takes over the reader."""
        self.name, self._reader, self._shaping = name, reader, shaping
        self._captured, self._state, self._closed = 0, "opening", False
        self._reading = threading.Lock()  # a reader must not be closed while it reads

    @property
    def fps(self) -> float | None:
        """Returns what the file says of its rate."""
        return self._reader.fps

    def states(self) -> tuple[SourceState, ...]:
        """Returns how far it is."""
        return (SourceState(self.name, live=False, state=self._state, captured=self._captured),)

    def __iter__(self) -> Iterator[Frame]:
        """Yields every frame, or as many as the wanted rate takes, until the file ends.

        Raises:
            StreamError: a file that is damaged, or of which the wanted region is no part.
        """
        limit = self._shaping.limit()
        frames = iter(self._reader)
        try:
            while (frame := self._next(frames)) is not None:
                self._captured += 1
                if frame.position_s is not None and not limit.due(frame.position_s):
                    continue
                self._state = "playing"
                yield self._shaped(frame)
        finally:
            self._state = "ended"

    def close(self) -> None:
        """Closes the file; the iteration ends with the frame it is at."""
        self._closed = True
        if not self._reading.acquire(timeout=_READ_WAIT_S):
            log.debug("%s: still waits for its file; left to itself", self.name)
            return
        self._reader.close()
        self._reading.release()

    def _next(self, frames: Iterator[Frame]) -> Frame | None:
        with self._reading:
            return None if self._closed else next(frames, None)

    def _shaped(self, frame: Frame) -> Frame:
        start_s = time.monotonic()
        image = self._shaping.shaped(frame.image, self.name)
        took_ms = frame.decode_ms + 1000 * (time.monotonic() - start_s)
        return replace(frame, image=image, source=self.name, decode_ms=took_ms)


class Series:
    """Several files, each opened when its turn comes; the index goes on from one to the next."""

    fps: float | None = None

    def __init__(self, paths: Sequence[Path], open_one: Callable[[Path], Reader]) -> None:
        """Takes the paths in their order; the first is opened at once, to fail early."""
        self._paths, self._open_one = paths, open_one
        self._reader = open_one(paths[0])

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames of each file, each with the file's name.

        Raises:
            StreamError: one of them cannot be read to its end.
        """
        index = 0
        for number, path in enumerate(self._paths):
            if number:
                self._reader.close()
                self._reader = self._open_one(path)
            for frame in self._reader:
                yield replace(frame, index=index, name=path.name)
                index += 1

    def close(self) -> None:
        """Closes the file that is open."""
        self._reader.close()


def refuse_rate_of_images(name: str, shaping: Shaping) -> None:
    """Images have no time of their own, so no rate could be held.

    Raises:
        StreamError: a rate is wanted all the same.
    """
    if shaping.max_fps is not None:
        raise StreamError(f"source '{name}': images have no rate; leave max-fps out for them")
