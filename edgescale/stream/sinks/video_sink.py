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
        source: addresses of what is being read, one or several; none of their files must be
            overwritten.
        names: of the sources whose frames will come, where they are several.

    Raises:
        SinkFailed: a format that is not written, or a place that cannot be written.
    """

    name = "video"
    queue_size = 8

    def __init__(
        self, path: Path, source: str | Sequence[str] = "", *, names: Sequence[str] = ()
    ) -> None:
        paths = _one_for_each(path, names) if len(names) > 1 else {"": path}
        self._path = path
        self._videos = {
            name: (SavedVideo(one, source=source), FrameTimes()) for name, one in paths.items()
        }

    def result(self, result: "FrameResult") -> None:
        """Draws and writes a frame.

        Raises:
            SinkFailed: it cannot be written; what was written plays.
        """
        if "" in self._videos:  # of one source, whatever its name
            self._videos[result.source] = self._videos.pop("")
        if result.source not in self._videos:
            raise SinkFailed(
                f"{self._path}: a frame of '{result.source}' came, which is none of the sources"
                " that are saved; name all of them"
            )
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


def _one_for_each(path: Path, names: Sequence[str]) -> dict[str, Path]:
    """Returns ``out-NAME.mp4`` for each name, with -2, -3, ... where two would be alike."""
    stems: dict[str, str] = {}
    for name in names:
        plain, number = f"{path.stem}-{file_part(name)}", 1
        stem = plain
        while stem in stems.values():
            number += 1
            stem = f"{plain}-{number}"
        stems[name] = stem
    return {name: path.with_name(stem + path.suffix) for name, stem in stems.items()}
