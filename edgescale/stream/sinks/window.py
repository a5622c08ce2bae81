"""The annotated picture in a window, with what Python brings along: tkinter.

OpenCV's headless wheel has no window, and the other one would bring Qt with it. The window is a
process of its own (``window_process``), so that nothing on the desktop can end the run.
"""

import math
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edgescale.errors import ReaderLeft, SinkFailed
from edgescale.inference.preparation import Image
from edgescale.stream.event import Event
from edgescale.stream.sinks import window_process
from edgescale.stream.sinks.annotate import annotate

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

_LARGEST_PX = (960, 720)  # (width, height) of one source
_SHORTEST_S = 1 / 15  # between two pictures of a source: Tk takes some milliseconds for each
_START_S = 20.0
_STUCK_S = 3.0  # less than the run waits at its end
_PROGRAM = Path(window_process.__file__)


class WindowSink:
    """Shows every source in one window; closing it, Escape or q ends the run.

    See ``outputs.Sink``. It shows the newest picture and never holds a run back.

    Raises:
        SinkFailed: this Python has no tkinter, or there is no display.
    """

    name = "window"
    queue_size = 1
    always_live = True

    def __init__(self) -> None:
        # -I: whatever lies beside the program, or in PYTHONPATH, is not taken for a library.
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
        )  # fmt: skip
        self._drawn_s: dict[str, float] = {}
        try:
            self._wait_ready()
            os.set_blocking(self._in(), False)
        except BaseException:
            self.close()
            raise

    def result(self, result: "FrameResult") -> None:
        """Shows a frame.

        Raises:
            ReaderLeft: the window was closed.
            SinkFailed: the display is gone.
        """
        now_s = time.monotonic()
        if now_s - self._drawn_s.get(result.source, -math.inf) < _SHORTEST_S:
            return
        self._drawn_s[result.source] = now_s
        name, picture = result.source.encode(errors="replace"), _ppm(result)
        self._put(window_process.LENGTHS.pack(len(name), len(picture)) + name + picture)

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Does nothing: the picture shows what there is."""

    def tick(self) -> None:
        """Looks whether the window is there still; raises as ``result`` does."""
        if self._process.poll() is not None:
            raise self._ended()

    def close(self) -> None:
        """Closes the window."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_STUCK_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _in(self) -> int:
        pipe = self._process.stdin
        if pipe is None:
            raise ValueError("the window's process has no stdin")
        return pipe.fileno()

    def _wait_ready(self) -> None:
        pipe = self._process.stdout
        ready = pipe is not None and select.select([pipe], [], [], _START_S)[0]
        said = pipe.readline().decode(errors="replace").strip() if pipe and ready else ""
        if said != window_process.READY:
            raise SinkFailed(
                f"a window cannot be shown ({said or 'it does not start'}); run it on a desktop,"
                " or look at the page instead"
            )

    def _put(self, message: bytes) -> None:
        """Writes all of a message, or says why not: a window that hangs hangs nobody else."""
        rest, end_s = memoryview(message), time.monotonic() + _STUCK_S
        while rest:
            select.select([], [self._in()], [], _STUCK_S)
            try:
                rest = rest[os.write(self._in(), rest) :]
            except BlockingIOError:
                if time.monotonic() > end_s:
                    raise SinkFailed("the window takes no pictures any more; close it") from None
            except BrokenPipeError:
                self._process.wait(_STUCK_S)
                raise self._ended() from None

    def _ended(self) -> SinkFailed:
        if self._process.returncode == 0:
            return ReaderLeft("the window was closed")
        return SinkFailed("the window is gone, with its display or by a signal; leave it out")


def _ppm(result: "FrameResult") -> bytes:
    """Returns the annotated picture, no larger than a view, as binary PPM."""
    import cv2

    height, width = result.image.shape[:2]
    scale = min(1.0, _LARGEST_PX[0] / width, _LARGEST_PX[1] / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Image = result.image
    if scale < 1.0:
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".ppm", annotate(small, result.predictions))
    content: bytes = encoded.tobytes()
    return content
