"""Recordings in segments: a folder that always holds the last hours, or only what happened.

A segment is a video of one source that plays by itself, also when the run was killed in it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgescale.errors import SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.sinks.file_names import own_folder, stamped, unused
from edgescale.stream.sinks.frame_times import FrameTimes
from edgescale.stream.sinks.retention import Retention
from edgescale.stream.sinks.saved_video import SavedVideo
from edgescale.stream.sinks.setbacks import Setbacks
from edgescale.stream.sinks.video_encoder import SUFFIXES, has_pyav

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

AFTER_S = 5.0  # so long a recording on events goes on after the last label left
_IDLE_S = 10.0  # a segment into which nothing comes is finished, so that it can be taken away
_SEGMENTS_KEPT = 8  # at least: a segment ends where it is this part of what may be kept
_SWEEP_EVERY_S = 10.0


class RecordingSink:
    """Records the plain pictures of every source in segments; see ``outputs.Sink``.

    H.264 in ``.mp4`` where PyAV is there, else MPEG-4 part 2 in ``.mkv``; named
    ``edgescale_UTC_source.mp4`` by when they began.

    Args:
        folder: made where it is missing.
        segment_s: longest segment, in seconds of the video.
        max_bytes: so much all segments may take; None is no limit. The oldest go first.
        max_age_s: none is kept longer; None is no limit.
        on_events: record only while a label is there, and five seconds longer.
        clock: seconds since 1970.

    Attributes:
        lossless: whether a frame that cannot be recorded is an error at once; else the next ones
            are tried some seconds later, and it is one at the end.
        written: frames that were recorded.

    Raises:
        SinkFailed: the folder cannot be made or written.
        ValueError: a limit that is not above zero.
    """

    name = "recordings"
    queue_size = 8
    lossless = False

    def __init__(
        self,
        folder: Path,
        *,
        segment_s: float = 60.0,
        max_bytes: int | None = None,
        max_age_s: float | None = None,
        on_events: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not segment_s > 0:
            raise ValueError(f"{folder}: a segment must be longer than zero, got {segment_s} s")
        self._segment_s, self._on_events, self._clock = segment_s, on_events, clock
        self._segment_bytes = None if max_bytes is None else max(1, max_bytes // _SEGMENTS_KEPT)
        self._retention = Retention(
            folder, SUFFIXES, max_bytes=max_bytes, max_age_s=max_age_s, clock=clock
        )
        self._folder = own_folder(folder)
        self._suffix = ".mp4" if has_pyav() else ".mkv"
        SavedVideo(self._folder / f"probe{self._suffix}")  # whether anything can be written there
        self._tracks: dict[str, _Track] = {}
        self._sweep_due_s = 0.0
        self._setbacks = Setbacks(folder, "frame", clock)
        self.written = 0
        self._sweep()

    def result(self, result: "FrameResult") -> None:
        """Records a frame.

        Raises:
            SinkFailed: it cannot be written, and nothing may be lost; what was written plays.
        """
        track = self._tracks.setdefault(result.source, _Track())
        at_s = track.times.at_s(result)
        track.last_s = at_s
        if self._on_events and not track.present and at_s > track.until_s:
            self._end(track)
            return
        if self._setbacks.pausing:
            self._setbacks.lost += 1
            return
        try:
            self._record(track, result, at_s)
        except SinkFailed as problem:
            if self.lossless:
                raise
            self._record_again(track, result, at_s, problem)

    def _record(self, track: "_Track", result: "FrameResult", at_s: float) -> None:
        if track.segment is not None and self._is_full(track, track.segment, result, at_s):
            self._end(track)
        if track.segment is None:
            self._begin(track, result, at_s)
        if track.segment is not None:
            track.fed_s = self._clock()
            track.segment.write(result.image, fps=result.source_fps, at_s=at_s - track.began_s)
            self.written += 1

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Follows who is there, so that a recording on events knows when to run."""
        if event.kind not in ("entered", "left"):
            return
        track = self._tracks.setdefault(str(event.details.get("source", "")), _Track())
        label = str(event.details.get("label", ""))
        if event.kind == "entered":
            track.present.add(label)
        else:
            track.present.discard(label)
        track.until_s = track.last_s + AFTER_S

    def tick(self) -> None:
        """Finishes segments of sources that give nothing, and lets go what is too old or much."""
        now_s = self._clock()
        for track in self._tracks.values():
            if track.segment is not None and abs(now_s - track.fed_s) > _IDLE_S:
                self._end(track)
        if abs(now_s - self._sweep_due_s) >= _SWEEP_EVERY_S:
            try:
                self._sweep()
            except SinkFailed as problem:
                if self.lossless:
                    raise
                self._setbacks.note(problem)

    def close(self) -> None:
        """Finishes all segments.

        Raises:
            SinkFailed: a segment could not be finished, now or earlier; all others were.
        """
        for track in self._tracks.values():
            self._end(track)
        self._setbacks.settle()
        self._sweep()

    @property
    def lost(self) -> int:
        """Returns how many frames could not be recorded."""
        return self._setbacks.lost

    @property
    def error(self) -> str:
        """Returns what went wrong first; empty where nothing did."""
        return self._setbacks.error

    def _record_again(
        self, track: "_Track", result: "FrameResult", at_s: float, problem: SinkFailed
    ) -> None:
        """Goes on in place of old segments, where the disk is full; else after a while."""
        self._end(track)
        try:
            if self._retention.clear_disk(keep=self._open_now()):
                self._record(track, result, at_s)
                return
        except SinkFailed as again:
            problem = again
            self._end(track)
        self._setbacks.lost += 1
        self._setbacks.pause(problem)

    def _end(self, track: "_Track") -> None:
        """Finishes the segment, if there is one; what it lost, the next one need not lose too."""
        segment, track.segment = track.segment, None
        try:
            if segment is not None:
                segment.close()
        except SinkFailed as problem:
            self._setbacks.note(problem)

    def _begin(self, track: "_Track", result: "FrameResult", at_s: float) -> None:
        self._sweep()
        if self._retention.disk_is_full():  # else each attempt leaves a segment of one frame
            raise SinkFailed(
                f"{self._folder}: the disk is full after {self.written} frames; make room or record"
                " elsewhere"
            )
        name = stamped(self._clock(), result.source, suffix=self._suffix)
        track.segment = SavedVideo(unused(self._folder / name))
        track.began_s, track.shape = at_s, result.image.shape

    def _is_full(
        self, track: "_Track", segment: SavedVideo, result: "FrameResult", at_s: float
    ) -> bool:
        """Says whether the next frame belongs into a new segment."""
        if at_s - track.began_s >= self._segment_s or track.shape != result.image.shape:
            return True
        limit = self._segment_bytes
        return limit is not None and segment.size_bytes() >= limit

    def _sweep(self) -> None:
        self._sweep_due_s = self._clock()
        self._retention.make_room(self._segment_bytes or 0, keep=self._open_now())

    def _open_now(self) -> frozenset[Path]:
        tracks = self._tracks.values()
        return frozenset(track.segment.path for track in tracks if track.segment is not None)


@dataclass
class _Track:
    """One source: its times, the segment that is being written, and who is there."""

    times: FrameTimes = field(default_factory=FrameTimes)
    segment: SavedVideo | None = None
    shape: tuple[int, ...] = ()
    began_s: float = 0.0  # of the segment, in the source's time
    last_s: float = 0.0  # of the last frame, in the source's time
    fed_s: float = 0.0  # when that was, by the clock
    present: set[str] = field(default_factory=set)
    until_s: float = -1.0  # record until then although nobody is there
