"""Results of frames as the pipeline gives them, and what the outputs made of them."""

from pathlib import Path

from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image
from edgescale.stream.event import Event
from edgescale.stream.flight import FrameResult
from tests.fakes import picture

CAT = Prediction(0, "cat", 0.75)


def frame_result(
    index: int = 0,
    *,
    image: Image | None = None,
    source: str = "front",
    captured_s: float | None = None,
    fps: float | None = None,
    predictions: tuple[Prediction, ...] = (CAT,),
) -> FrameResult:
    """Returns a result: of a video file where there is a rate, else of a camera at 10 fps."""
    return FrameResult(
        index=index,
        image=picture(20 * index % 256, height=48, width=64) if image is None else image,
        captured_s=100 + index / 10 if captured_s is None else captured_s,
        age_ms=12.34567,
        latency_ms=11.98765,
        invoke_ms=10.0,
        position_s=None if fps is None else index / fps,
        name=None,
        time="2026-01-31T12:00:00.000Z",
        predictions=predictions,
        variant="phi0",
        device="cpu",
        runtime="ai_edge_litert",
        dropped=0,
        source_fps=fps,
        source=source,
        decode_ms=1.23456,
        wait_ms=2.0,
        prepare_ms=0.5,
    )


def entered(label: str = "cat", source: str = "front") -> Event:
    """Returns the event of an arrival."""
    details = {"source": source, "label": label, "score": 0.75, "duration_s": 1.0}
    return Event("entered", f"'{label}' entered {source} with score 0.75", details)


def left(label: str = "cat", source: str = "front") -> Event:
    """Returns the event of a departure."""
    details = {"source": source, "label": label, "score": 0.1, "duration_s": 2.0}
    return Event("left", f"'{label}' left {source} after 2.0 s", details)


def played(path: Path) -> list[Image]:
    """Returns the frames of a video as OpenCV plays it, to the first one that it cannot."""
    import cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames: list[Image] = []
    while True:
        there, image = capture.read()
        if not there:
            capture.release()
            return frames
        frames.append(image)


def shown_at_s(path: Path) -> list[float]:
    """Returns when each frame of a video is shown, in seconds."""
    import av

    with av.open(str(path)) as container:
        return [float(frame.time or 0.0) for frame in container.decode(video=0)]
