"""H.264 in fragmented MP4 with PyAV: plays in a browser, and after ``kill -9`` or a full disk.

A plain MP4 has its index at the end and is lost without it. In a fragmented one each key frame
begins a fragment with an index of its own, so that at most the last second is missing.
"""

import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from edgescale.errors import SinkFailed
from edgescale.inference.preparation import Image

_CODEC = "libx264"
_MOVFLAGS = "frag_keyframe+empty_moov+default_base_moof"
_TICKS = 90_000  # per second, as in every MPEG transport
_KEY_EVERY_S = 1.0  # so long is a fragment, and so much a kill may cost
# Nothing is held back inside the encoder, and it never takes a second core from the model.
_OPTIONS = {"preset": "superfast", "tune": "zerolatency", "crf": "23", "threads": "1"}
_REC_601 = 6  # as OpenCV converts; a player that has to guess takes another for large pictures
_VIDEO_RANGE = 1


class H264Encoder:
    """Writes frames at the times they are given for; see ``video_encoder.Encoder``.

    Args:
        path: the file, written over.
        size: (width, height), even.
        fps: about so many frames a second are to come.

    Raises:
        SinkFailed: it cannot be opened, or this PyAV has no H.264.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        import av

        self._path, self._frames = path, 0
        self._last_ticks, self._key_due_s = -1, 0.0
        try:
            self._file = _WholeWrites(path.open("wb", buffering=0))
        except OSError as problem:
            raise _failed(path, 0, problem) from problem
        self._container: Any = None
        try:
            self._container = av.open(
                self._file, "w", format="mp4",
                options={"movflags": _MOVFLAGS, "flush_packets": "1"},
            )  # fmt: skip
            self._stream = _stream(self._container, size, fps)
        except (OSError, ValueError, av.error.FFmpegError) as problem:
            self._abandon()
            raise SinkFailed(
                f"{path}: the H.264 encoder does not start for {size[0]}x{size[1]} ({problem});"
                " save to .mkv instead"
            ) from problem

    def write(self, image: Image, at_s: float) -> None:
        """Writes one frame; see ``Encoder.write``."""
        import av
        import cv2

        planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        ticks = max(self._last_ticks + 1, round(at_s * _TICKS))
        frame.pts, frame.time_base, self._last_ticks = ticks, Fraction(1, _TICKS), ticks
        if at_s >= self._key_due_s:
            frame.pict_type = av.video.frame.PictureType.I
            self._key_due_s = at_s + _KEY_EVERY_S
        self._put(frame)
        self._frames += 1

    def close(self) -> None:
        """Finishes the file; see ``Encoder.close``."""
        import av

        if self._container is None:
            return
        self._put(None)
        container, self._container = self._container, None
        try:
            container.close()
        except (OSError, av.error.FFmpegError) as problem:
            self._abandon()
            raise _failed(self._path, self._frames, problem) from problem
        self._file.close()

    def _put(self, frame: Any) -> None:
        """Encodes a frame, or what is left where it is None."""
        import av

        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, ValueError, av.error.FFmpegError) as problem:
            self._abandon()
            raise _failed(self._path, self._frames, problem) from problem

    def _abandon(self) -> None:
        """Ends a file that cannot be written any more after its last whole fragment."""
        self._file.broken = True  # the container's own end goes nowhere
        container, self._container = self._container, None
        if container is not None:
            container.close()
        self._file.close()
        try:
            os.truncate(self._path, whole_bytes(self._path))
        except OSError:
            pass  # then a player has to cope with half a fragment, which most do


def _stream(container: Any, size: tuple[int, int], fps: float) -> Any:
    stream = container.add_stream(_CODEC, rate=Fraction(fps).limit_denominator(1001))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
    stream.codec_context.colorspace = _REC_601
    stream.codec_context.color_range = _VIDEO_RANGE
    stream.options = dict(_OPTIONS)
    return stream


class _WholeWrites:
    """A file as PyAV may be given it: each write is whole and at once with the system, or fails."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.broken = False

    def write(self, data: bytes) -> int:
        """Writes all of it; nothing once the file is broken."""
        rest = memoryview(data)
        while rest and not self.broken:
            rest = rest[self._file.write(rest) :]
        return len(data)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def whole_bytes(path: Path) -> int:
    """Returns how much of a fragmented MP4 is header and whole fragments.

    Args:
        path: the file; ISO/IEC 14496-12, 4.2: boxes of a 32-bit size, a type and their content.
    """
    total = path.stat().st_size
    whole = place = 0
    with path.open("rb") as file:
        while place + 8 <= total:
            size, kind = _box(file, place)
            place += size
            if size < 8 or place > total:
                break
            if kind != b"moof":  # the index of the data that follows; worth nothing without it
                whole = place
    return whole


def _box(file: BinaryIO, place: int) -> tuple[int, bytes]:
    file.seek(place)
    size, kind = struct.unpack(">I4s", file.read(8))
    if size == 1:
        (size,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
    return size, kind


def _failed(path: Path, frames: int, problem: Exception) -> SinkFailed:
    why = getattr(problem, "strerror", None) or str(problem)
    return SinkFailed(
        f"{path}: writing stopped after {frames} frames ({why}); make room or save elsewhere"
    )
