"""The annotated video of a run: ``--save``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgescale.errors import SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.sinks.annotate import annotate
from edgescale.stream.sinks.file_names import file_part
from edgescale.stream.sinks.frame_times import FrameTimes
from edgescale.stream.sinks.saved_video import SavedVideo

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult


class VideoSink:
    """Writes every frame with its predictions; see ``outputs.Sink``.

    A file source keeps its own rate, a live one its real time. One video is of one source: of
    several, each has a file of its own, with its name before the ending (``out-front.mp4``).

    Args:
        path: ``.mp4`` (H.264, needs PyAV), ``.mkv`` or ``.avi``.
        source: what is being read, one or several; none of it must be overwritten.
        several: whether frames of more than one source will come.

    Raises:
        SinkFailed: a format that is not written, or a place that cannot be written.
    """

    name = "video"
    queue_size = 8

    def __init__(
        self, path: Path, source: str | Sequence[str] = "", *, several: bool = False
    ) -> None:
        self._path, self._source, self._several = path, source, several
        self._first = SavedVideo(path, source=source)
        self._videos: dict[str, tuple[SavedVideo, FrameTimes]] = {}

    def result(self, result: "FrameResult") -> None:
        """Draws and writes a frame.

        Raises:
            SinkFailed: it cannot be written; what was written plays.
        """
        if result.source not in self._videos:
            self._videos[result.source] = (self._video_of(result.source), FrameTimes())
        video, times = self._videos[result.source]
        drawn = annotate(result.image, result.predictions)
        video.write(drawn, fps=result.source_fps, at_s=times.at_s(result))

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Does nothing: a video has pictures only."""

    def tick(self) -> None:
        """Does nothing: the encoder holds nothing back."""

    def close(self) -> None:
        """Finishes every file.

        Raises:
            SinkFailed: the end of one could not be written; the others were finished all the same.
        """
        problems: list[SinkFailed] = []
        for video, _ in self._videos.values():
            try:
                video.close()
            except SinkFailed as problem:
                problems.append(problem)
        if problems:
            raise problems[0]

    def _video_of(self, source: str) -> SavedVideo:
        if not self._several:
            if self._videos:
                raise SinkFailed(
                    f"{self._path}: one video is of one source, and frames of another one came;"
                    " open it for several"
                )
            return self._first
        name, number = f"{self._path.stem}-{file_part(source)}", 1
        taken = {video.path.stem for video, _ in self._videos.values()}
        stem = name
        while stem in taken:
            number += 1
            stem = f"{name}-{number}"
        return SavedVideo(self._path.with_name(stem + self._path.suffix), source=self._source)
