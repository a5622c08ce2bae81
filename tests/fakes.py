"""Stand-ins for what unit tests must not need: a worker process, a camera, a measured machine."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgescale.device.probe import Machine
from edgescale.device.profile import SCHEMA_VERSION as PROFILE_SCHEMA_VERSION
from edgescale.device.profile import DeviceProfile, Measurement, Noise
from edgescale.device.statistics import nearest_rank, quantiles
from edgescale.family.manifest import (
    SCHEMA_VERSION,
    Artifact,
    Manifest,
    Preparation,
    VariantRecord,
)
from edgescale.family.store import Family, artifact_from, save_manifest
from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image
from edgescale.inference.worker import Inference

LABELS = ("cat", "dog", "bird")


def variant_record(name: str, model: Artifact, *, macs: int = 1_000_000) -> VariantRecord:
    """Returns a variant of an 8x8 uint8 classifier of three classes."""
    return VariantRecord(
        name=name,
        phi=None,
        depth_coefficient=None,
        width_coefficient=None,
        resolution=8,
        parameters=None,
        macs=macs,
        macs_ratio=None,
        asked_macs_ratio=None,
        weight_bytes=1000,
        peak_activation_bytes=1000,
        model=model,
        compiled=None,
        compiled_reason="not compiled yet",
        architecture=None,
        preparation=Preparation(8, 8, 1.0, 127.0, 128.0, "uint8", 1 / 128, 127),
        outputs=len(LABELS),
        label_offset=0,
        scores="softmax",
        accuracy=None,
        accuracy_reason="imported",
        operators=(),
    )


def fake_family(folder: Path, macs: Mapping[str, int]) -> Family:
    """Writes a family whose model files are text; only fake workers can run it."""
    folder.mkdir(parents=True, exist_ok=True)
    variants = []
    for name, cost in macs.items():
        path = folder / f"{name}.tflite"
        path.write_text(f"model {name}")
        variants.append(variant_record(name, artifact_from(folder, path), macs=cost))
    manifest = Manifest(
        SCHEMA_VERSION, "0.1.0", "fakes", "built", LABELS, None, None, None, tuple(variants)
    )
    save_manifest(folder, manifest)
    return Family(folder, manifest)


def latencies(p95_ms: float, n: int = 200) -> tuple[float, ...]:
    """Returns n latencies whose nearest-rank p95 is this.

    A twentieth of them, spread evenly, lies a tenth above it, and the others in turn on it and a
    tenth below it.
    """
    rank = nearest_rank(range(1, n + 1), 0.95)
    slow = {round((index + 0.5) * n / (n - rank)) for index in range(int(n - rank))}
    times = [p95_ms if index % 2 else 0.9 * p95_ms for index in range(n)]
    return tuple(1.1 * p95_ms if index in slow else time for index, time in enumerate(times))


def measured(
    variant: VariantRecord,
    *,
    p95_ms: float = 10.0,
    n: int = 200,
    memory_bytes: int = 2**20,
    latencies_ms: Sequence[float] | None = None,
) -> Measurement:
    """Returns the figures of a variant; half of the memory is the main process's.

    Unless they are given, its latencies are ``latencies(p95_ms, n)``.
    """
    times = latencies(p95_ms, n) if latencies_ms is None else tuple(latencies_ms)
    return Measurement(
        variant=variant.name,
        model_sha256=variant.model.sha256,
        error=None,
        load_ms=5.0,
        first_inference_ms=20.0,
        warmup_runs=3,
        latencies_ms=times,
        invoke_ms=quantiles([0.8 * time for time in times]),
        pipelined_fps=1500 / p95_ms,
        worker_pss_bytes=memory_bytes - memory_bytes // 2,
        worker_peak_rss_bytes=memory_bytes,
        main_pss_bytes=memory_bytes // 2,
        predicted_worker_peak_bytes=memory_bytes,
    )


def machine(**changes: Any) -> Machine:
    """Returns the facts of a small board."""
    facts: dict[str, Any] = {
        "host": "board",
        "system": "Linux 6.1",
        "architecture": "aarch64",
        "board": "A Board",
        "cpu_model": "Cortex-A53",
        "cores": 4,
        "usable_cores": 4,
        "cpu_quota_cores": None,
        "governor": "performance",
        "memory_total_bytes": 2**30,
        "memory_available_bytes": 2**29,
        "memory_limits": (),
        "edge_tpus": (),
    }
    return Machine(**(facts | changes))


def profile_of(family: Family, entries: Sequence[Measurement], **changes: Any) -> DeviceProfile:
    """Returns a profile of a quiet machine with these figures."""
    facts: dict[str, Any] = {
        "schema_version": PROFILE_SCHEMA_VERSION,
        "edgescale_version": "0.1.0",
        "time": "2026-01-31T12:00:00Z",
        "family": family.manifest.name,
        "models": tuple(sorted((one.name, one.model.sha256) for one in family.manifest.variants)),
        "machine": machine(),
        "device_asked": "auto",
        "device": "cpu",
        "runtime": "ai_edge_litert",
        "runtime_version": "2.3.0",
        "threads": 1,
        "threads_asked": None,
        "threads_tried": (),
        "edgetpu_library": None,
        "edgetpu_library_sha256": None,
        "edgetpu_performance": None,
        "frame": "texture 640x480",
        "rounds": 10,
        "noise": Noise(0.0, 1.0, 0.1, 0.2),
        "variants": tuple(entries),
    }
    return DeviceProfile(**(facts | changes))


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        """Starts at zero."""
        self.now_s = 0.0

    def __call__(self) -> float:
        """Returns the time."""
        return self.now_s


@dataclass
class FakeWorker:
    """Answers like ``inference.worker.Worker``: always the first label, in a set time.

    ``fail_at`` names the picture (1 is the first) whose result raises ``error``.
    """

    variant: VariantRecord
    invoke_ms: float = 4.0
    clock: Clock | None = None
    fail_at: int | None = None
    error: Exception | None = None
    on_classify: Callable[[str], None] = lambda name: None
    runtime_name: str = "ai_edge_litert"
    runtime_version: str = "2.3.0"
    device: str = "cpu"
    load_ms: float = 7.0
    closed: bool = False
    served: int = 0
    under_way: int = 0
    most_under_way: int = 0
    pictures: list[Image] = field(default_factory=list)
    family: Any = None

    def submit(self, frame: Image, *, bgr: bool) -> None:
        """Takes a picture; like the real one, two at most."""
        assert bgr
        assert self.under_way < 2
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.pictures.append(frame)

    def result(self, timeout_s: float = 1.0) -> Inference:
        """Answers the oldest picture."""
        assert self.under_way > 0
        self.under_way -= 1
        self.served += 1
        if self.served == self.fail_at and self.error is not None:
            raise self.error
        if self.clock is not None:
            self.clock.now_s += (self.invoke_ms + 1.0) / 1000
        self.on_classify(self.variant.name)
        return Inference((0, 2), (0.75, 0.25), self.invoke_ms)

    def classify(self, frame: Image, *, bgr: bool) -> Inference:
        """Answers one picture."""
        self.submit(frame, bgr=bgr)
        return self.result()

    def predictions(self, inference: Inference) -> tuple[Prediction, ...]:
        """Puts labels to the answer."""
        pairs = zip(inference.class_ids, inference.scores, strict=True)
        return tuple(Prediction(index, LABELS[index], score) for index, score in pairs)

    def peak_rss_bytes(self) -> int:
        """Returns a set size."""
        return 50 * 2**20

    def pss_bytes(self) -> int:
        """Returns a set size."""
        return 40 * 2**20

    def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True


class FakeCapture:
    """A camera that gives these answers and then no more: it is lost.

    An answer is an image, None for a camera that stopped, or an error to raise.
    """

    def __init__(self, answers: Sequence[Image | Exception | None]) -> None:
        """Takes the answers."""
        self._answers = list(answers)
        self._image = picture()
        self.released = False

    def grab(self) -> bool:
        """Goes to the next answer."""
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            self._image = answer
        return answer is not None

    def retrieve(self) -> Image:
        """Gives the image."""
        return self._image

    def release(self) -> None:
        """Notes that it was released."""
        self.released = True


def collect(items: Iterable[Any], into: list[Any]) -> None:
    """Appends item by item, so that those before an error are kept."""
    for item in items:
        into.append(item)


def picture(value: int = 0, *, height: int = 24, width: int = 32) -> Image:
    """Returns an even picture, uint8 (height, width, 3)."""
    return np.full((height, width, 3), value, np.uint8)
