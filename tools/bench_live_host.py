"""Host work of a frame in CPU time, beside the same OpenCV and numpy calls alone.

Ours is what a run does to a frame but decoding it: prepare into the shared slot, set the tensor,
fetch the scores, top-k, labels. Alone are the calls that no way of doing it can leave out, each
into memory that is there already: crop, resize, colour order, and top-k with only k scores
dequantised. Both take turns on one thread. The way between the two processes is a third figure:
the CPU time of both, less what the model itself takes.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgescale.family.manifest import VariantRecord
from edgescale.inference.classifier import Classifier, class_scores, predictions
from edgescale.inference.preparation import Image, Preparer
from edgescale.inference.worker import Worker
from edgescale.stream.pipeline import run
from tools.bench_live_scene import InMemory, Scene, camera_frames, double_behaves

K = 5
_BLOCK = 25  # frames in a row, so that the clock's own cost does not matter


@dataclass(frozen=True)
class HostWork:
    """CPU microseconds of one frame, of rounds that took turns."""

    ours_us: list[float]
    alone_us: list[float]

    @property
    def ratio(self) -> float:
        """Returns the ratio of the least of each: other load only adds, by caches that it fills."""
        return min(self.ours_us) / min(self.alone_us)

    @property
    def median_ratio(self) -> float:
        """Returns the median of the rounds' ratios, other load included."""
        pairs = zip(self.ours_us, self.alone_us, strict=True)
        return statistics.median(ours / alone for ours, alone in pairs)

    @property
    def text(self) -> str:
        """Returns the figures in words."""
        return (
            f"ours {min(self.ours_us):.0f} us, the same calls alone {min(self.alone_us):.0f} us of"
            f" CPU (least of {len(self.ours_us)} blocks), ratio {self.ratio:.3f}"
            f" (median {self.median_ratio:.3f})"
        )


def host_work(scene: Scene, size: tuple[int, int], *, rounds: int) -> HostWork:
    """Measures preparation, tensor and post-processing of the compiled variant's twin on the CPU.

    Args:
        scene: gives family and model.
        size: of the frames, (width, height).
        rounds: how many blocks of frames each of the two gets.
    """
    images = list(camera_frames(size, 4))
    ours = _ours(scene, scene.variant)
    alone = _alone(scene.variant, size)
    found = HostWork([], [])
    for _ in range(rounds):
        found.ours_us.append(_cpu_us(ours, images))
        found.alone_us.append(_cpu_us(alone, images))
    return found


def between_processes(
    scene: Scene, size: tuple[int, int], *, frames: int, latency_ms: float
) -> tuple[float, float]:
    """Returns the CPU microseconds of both processes per frame, and of bare invokes alone.

    The source gives frames from memory; the double's answer costs CPU too, so it is in both.
    """
    images = list(camera_frames(size, 4))
    with double_behaves(latency_ms=latency_ms):
        interpreter = scene.interpreter("usb")
        with Worker(scene.family, scene.variant, settings=scene.double) as worker:
            list(run(InMemory(images), worker, max_frames=20))
            before_us = _process_us() + _cpu_us_of(worker.pid)
            for _ in run(InMemory(images), worker, max_frames=frames):
                pass
            both_us = _process_us() + _cpu_us_of(worker.pid) - before_us
        before_us = _process_us()
        for _ in range(frames):
            interpreter.invoke()
        return both_us / frames, (_process_us() - before_us) / frames


def _ours(scene: Scene, variant: VariantRecord) -> Callable[[Image], object]:
    preparer = Preparer(variant.preparation)
    slot = np.empty(preparer.shape, preparer.dtype)
    classifier = _WithoutInvoke(scene.family.path(variant.model))
    labels = scene.family.manifest.labels

    def ours(image: Image) -> object:
        preparer.prepare(image, into=slot, bgr=True)
        raw = classifier.invoke(slot)
        class_ids, scores = class_scores(
            classifier, raw, kind=variant.scores, label_offset=variant.label_offset, k=K
        )
        return predictions(class_ids, scores, labels)

    return ours


class _WithoutInvoke(Classifier):
    """Ours but for the model itself: it keeps the scores of one picture."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        super().invoke(np.zeros(self.input.shape[1:], self.input.dtype))
        self._interpreter = _Quiet(self._interpreter)


class _Quiet:
    """An interpreter whose invoke does nothing."""

    def __init__(self, interpreter: object) -> None:
        self.set_tensor = interpreter.set_tensor  # type: ignore[attr-defined]
        self.get_tensor = interpreter.get_tensor  # type: ignore[attr-defined]

    def invoke(self) -> None:
        """Does nothing."""


def _alone(variant: VariantRecord, size: tuple[int, int]) -> Callable[[Image], object]:
    """Returns the calls alone; for a square input, and frames up to four times as high."""
    import cv2

    (width, height), side = size, variant.preparation.height
    left, half = (width - height) // 2, height // 2
    halved = np.empty((half, half, 3), np.uint8)
    small = np.empty((side, side, 3), np.uint8)
    tensor = np.empty((side, side, 3), np.uint8)
    scores = np.random.default_rng(7).integers(0, 256, variant.outputs).astype(np.uint8)
    assert 2 * side < height <= 4 * side

    def alone(image: Image) -> object:
        part = image[:, left : left + height]
        cv2.resize(part, (half, half), dst=halved, interpolation=cv2.INTER_AREA)
        cv2.resize(halved, (side, side), dst=small, interpolation=cv2.INTER_LINEAR)
        cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=tensor)
        best = np.argpartition(scores, -K)[-K:]
        best = best[np.argsort(-scores[best].astype(np.int64), kind="stable")]
        return best, scores[best] * (1 / 256)

    return alone


def _cpu_us(work: Callable[[Image], object], images: list[Image]) -> float:
    started_ns = time.thread_time_ns()
    for index in range(_BLOCK):
        work(images[index % len(images)])
    return (time.thread_time_ns() - started_ns) / _BLOCK / 1000


def _process_us() -> float:
    return time.process_time_ns() / 1000


def _cpu_us_of(pid: int) -> float:
    """Returns the CPU time of another process; the kernel keeps it to the nanosecond by thread."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000
