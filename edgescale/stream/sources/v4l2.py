"""A camera at this machine, through V4L2: asked for a size, rate and pixel format, and checked.

The one file that opens /dev/videoN. A driver that cannot do what it is asked often does something
else and says nothing, so what it really gives is read back.
"""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgescale.device.openers import pids_with_open
from edgescale.errors import SourceNotFound, StreamError
from edgescale.stream.sources.capture import VideoCapture, opencv
from edgescale.stream.sources.live_source import Opener
from edgescale.stream.sources.source_spec import SourceSpec

log = logging.getLogger(__name__)

_LARGEST_FPS_MISS = 0.05


def camera_opener(spec: SourceSpec, number: int, *, root: Path = Path("/")) -> Opener:
    """Returns what opens the camera of this number.

    Args:
        spec: its name, and the size, rate and format it is asked for.
        number: N of /dev/videoN.
        root: where ``dev`` and ``proc`` are; ``/`` outside tests.
    """
    device = root / f"dev/video{number}"
    return Opener(lambda: _opened(spec, number, device, root), device.exists)


def _opened(spec: SourceSpec, number: int, device: Path, root: Path) -> VideoCapture:
    cv2 = opencv()
    wishes = _wishes(cv2, spec)
    capture = cv2.VideoCapture(number, cv2.CAP_V4L2, wishes)
    if not capture.isOpened():
        raise _why_not(spec, device, root, lambda: _opens_plainly(cv2, number, wishes))
    wrong = _what_differs(cv2, capture, spec)
    if wrong:
        capture.release()
        raise StreamError(
            f"camera {spec.name}: {wrong}; list what it has with:"
            f" v4l2-ctl --list-formats-ext -d {device}"
        )
    return VideoCapture(f"camera {spec.name}", capture)


def _wishes(cv2: Any, spec: SourceSpec) -> list[int]:
    """Returns OpenCV's pairs of property and value; the format first, as it limits the others."""
    wishes: list[int] = []
    if spec.pixel_format is not None:
        wishes += (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*spec.pixel_format))
    if spec.size is not None:
        wishes += (cv2.CAP_PROP_FRAME_WIDTH, spec.size[0])
        wishes += (cv2.CAP_PROP_FRAME_HEIGHT, spec.size[1])
    if spec.fps is not None:
        wishes += (cv2.CAP_PROP_FPS, round(spec.fps))
    return wishes


def _what_differs(cv2: Any, capture: Any, spec: SourceSpec) -> str | None:
    if spec.pixel_format is not None:
        code = int(capture.get(cv2.CAP_PROP_FOURCC))
        given = code.to_bytes(4, "little", signed=code < 0).decode("ascii", "replace")
        if given != spec.pixel_format:
            return f"was asked for the pixel format {spec.pixel_format} and gives {given}"
    if spec.size is not None:
        width = round(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if (width, height) != spec.size:
            asked = f"{spec.size[0]}x{spec.size[1]}"
            return f"was asked for {asked} and gives {width}x{height}"
    if spec.fps is not None:
        fps = capture.get(cv2.CAP_PROP_FPS)
        if abs(fps - spec.fps) > _LARGEST_FPS_MISS * spec.fps:
            log.warning("camera %s: asked for %g fps, says %g", spec.name, spec.fps, fps)
    return None


def _opens_plainly(cv2: Any, number: int, wishes: list[int]) -> bool:
    """Says whether it opens when it is asked for nothing."""
    if not wishes:
        return False
    capture = cv2.VideoCapture(number, cv2.CAP_V4L2)
    try:
        return bool(capture.isOpened())
    finally:
        capture.release()


def _why_not(
    spec: SourceSpec, device: Path, root: Path, opens_plainly: Callable[[], bool]
) -> StreamError:
    """OpenCV says only that it did not open; the device and who holds it tell why."""
    start = f"camera {spec.name}:"
    refused = _refusal(device)
    if refused == errno.ENOENT:
        return SourceNotFound(f"{start} there is no {device}; list the cameras: ls /dev/video*")
    if refused in (errno.EACCES, errno.EPERM):
        return SourceNotFound(
            f"{start} your user may not open {device}; add it to the group video and log in again"
        )
    holders = [pid for pid in pids_with_open(frozenset({str(device)}), root)[str(device)]
               if pid != os.getpid()]  # fmt: skip
    if refused == errno.EBUSY or holders:
        who = f" (process {', '.join(map(str, holders))})" if holders else ""
        return SourceNotFound(f"{start} is in use by another program{who}; end that first")
    if refused is None and opens_plainly():
        return StreamError(
            f"{start} refuses the size, rate or pixel format it was asked for; list what it has"
            f" with: v4l2-ctl --list-formats-ext -d {device}"
        )
    why = f" ({os.strerror(refused)})" if refused else ""
    return SourceNotFound(
        f"{start} {device} cannot be opened as a camera{why}; a camera often has several devices,"
        " of which one gives pictures"
    )


def _refusal(device: Path) -> int | None:
    """Returns the system's error number on opening the device, None where it opens."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as problem:
        return problem.errno
    return None
