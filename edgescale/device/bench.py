"""Measures variants side by side: one worker each, in blocks that alternate between them.

Alternating spreads a slow moment of the machine over all variants instead of one. The picture goes
through the worker that also serves, from a frame in memory to its top-k.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgescale.device.choose import model_for
from edgescale.device.probe import own_rss_bytes
from edgescale.device.profile import Measurement
from edgescale.device.statistics import quantiles, serial_fps, share
from edgescale.errors import EdgescaleError, EdgeTpuNotFound, EdgeTpuRuntimeMissing, RuntimeMissing
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import Worker, WorkerSettings

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]  # (runs done, runs in all)

FRAME_TEXT = "texture 640x480"
_WORKERS_AT_ONCE = 8  # each holds an interpreter: 30 to 100 MiB
# These are about the machine, not about one variant: no other variant would fare better.
_FATAL = (RuntimeMissing, EdgeTpuRuntimeMissing, EdgeTpuNotFound)


class Serving(Protocol):
    """What is measured: ``inference.worker.Worker``, or a fake of it in tests."""

    runtime_name: str
    runtime_version: str
    load_ms: float

    def classify(self, frame: NDArray[np.uint8], *, bgr: bool) -> Any:
        """Returns the inference of one picture."""

    def predictions(self, inference: Any) -> Any:
        """Returns the top-k with labels."""

    def peak_rss_bytes(self) -> int:
        """Returns the largest resident memory that the worker had."""

    def close(self) -> None:
        """Ends the worker."""


@dataclass(frozen=True)
class Plan:
    """How much is measured: ``runs`` per variant in ``rounds`` blocks, after a warm-up."""

    runs: int = 200
    rounds: int = 10
    warmup_runs: int = 10


def open_worker(family: Family, variant: VariantRecord, settings: WorkerSettings) -> Serving:
    """Starts the worker process of one variant."""
    return Worker(family, variant, settings=settings)


@dataclass(frozen=True)
class Rig:
    """What the measurement stands on, exchanged in tests."""

    open_worker: Callable[[Family, VariantRecord, WorkerSettings], Serving] = open_worker
    clock: Callable[[], float] = time.perf_counter
    rss_bytes: Callable[[], int] = own_rss_bytes


@dataclass(frozen=True)
class Measured:
    """What a bench run gave; the runtime is the workers' own word."""

    runtime: str
    runtime_version: str
    variants: tuple[Measurement, ...]


class _Bench:
    """One variant on the bench: an error ends its measurement and nobody else's."""

    def __init__(self, variant: VariantRecord, rig: Rig) -> None:
        self.variant = variant
        self.rig = rig
        self.model_sha256 = variant.model.sha256
        self.worker: Serving | None = None
        self.problem: EdgescaleError | None = None
        self.runtime: tuple[str, str] | None = None
        self.figures: dict[str, Any] = {}
        self.latencies_ms: list[float] = []
        self.invokes_ms: list[float] = []

    def start(self, family: Family, settings: WorkerSettings) -> None:
        """Starts the worker."""
        with self._noting():
            self.model_sha256 = model_for(self.variant, settings.device).sha256
            self.worker = self.rig.open_worker(family, self.variant, settings)
            self.runtime = (self.worker.runtime_name, self.worker.runtime_version)

    def warm_up(self, frame: NDArray[np.uint8], runs: int) -> None:
        """Times the first inference apart, then runs some that do not count."""
        if self.worker is None:
            return
        with self._noting():
            first_ms, _ = self._timed(self.worker, frame)
            for _ in range(runs):
                self._timed(self.worker, frame)
            self.figures.update(first_inference_ms=first_ms, warmup_runs=runs)

    def block(self, frame: NDArray[np.uint8], runs: int) -> None:
        """Measures some runs."""
        if self.worker is None:
            return
        with self._noting():
            for _ in range(runs):
                latency_ms, invoke_ms = self._timed(self.worker, frame)
                self.latencies_ms.append(latency_ms)
                self.invokes_ms.append(invoke_ms)

    def weigh(self) -> None:
        """Notes load time and memory."""
        if self.worker is None:
            return
        with self._noting():
            self.figures.update(
                load_ms=self.worker.load_ms,
                worker_peak_rss_bytes=self.worker.peak_rss_bytes(),
                main_rss_bytes=self.rig.rss_bytes(),
            )

    def close(self) -> None:
        """Ends the worker, if it still runs."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.close()

    def measurement(self) -> Measurement:
        """Returns what was measured, or why nothing was."""
        if self.problem is not None:
            problem = self.problem
            return Measurement(
                self.variant.name,
                self.model_sha256,
                error=str(problem),
                error_kind=type(problem).__name__,
            )
        return Measurement(
            variant=self.variant.name,
            model_sha256=self.model_sha256,
            error=None,
            n=len(self.latencies_ms),
            latency_ms=quantiles(self.latencies_ms),
            invoke_ms=quantiles(self.invokes_ms),
            fps=serial_fps(self.latencies_ms),
            **self.figures,
        )

    def _timed(self, worker: Serving, frame: NDArray[np.uint8]) -> tuple[float, float]:
        start_s = self.rig.clock()
        inference = worker.classify(frame, bgr=True)
        worker.predictions(inference)
        return (self.rig.clock() - start_s) * 1000, float(inference.invoke_ms)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except _FATAL:
            raise
        except EdgescaleError as problem:
            log.warning("%s: could not be measured: %s", self.variant.name, problem)
            self.problem = problem
            self.close()


def measure(
    family: Family,
    variants: Sequence[VariantRecord],
    *,
    settings: WorkerSettings,
    plan: Plan,
    rig: Rig,
    progress: Progress | None = None,
) -> Measured:
    """Measures the variants; one that fails is recorded with its error and the rest goes on.

    Raises:
        EdgescaleError: the machine lacks the runtime or the device, or no variant at all could be
            measured (then the first one's error).
    """
    benches = [_Bench(variant, rig) for variant in variants]
    steps = len(benches) * plan.runs
    done = 0
    for group in groups(benches, settings.device):
        for finished in _measured_group(group, family, settings, plan):
            done += finished
            if progress is not None:
                progress(done, steps)
    runtimes = [bench.runtime for bench in benches if bench.problem is None and bench.runtime]
    if not runtimes:
        raise next(bench.problem for bench in benches if bench.problem is not None)
    return Measured(*runtimes[0], tuple(bench.measurement() for bench in benches))


def groups(benches: Sequence[_Bench], device: str) -> list[Sequence[_Bench]]:
    """Splits the variants into those whose workers live at the same time.

    A second process on an Edge TPU kills the first one's work, so there it is one at a time.
    """
    size = _WORKERS_AT_ONCE if device == "cpu" else 1
    return [benches[start : start + size] for start in range(0, len(benches), size)]


def texture() -> NDArray[np.uint8]:
    """Returns the picture that is measured with: uint8 (480, 640, 3), the same every time.

    The time of an int8 network does not depend on what it sees; the size of the frame counts.
    """
    rows, columns = np.mgrid[0:480, 0:640]
    planes = [(rows * 3 + columns * 5) % 256, (rows ^ columns) % 256, (rows * columns // 64) % 256]
    return np.ascontiguousarray(np.stack(planes, axis=-1).astype(np.uint8))


def _measured_group(
    group: Sequence[_Bench], family: Family, settings: WorkerSettings, plan: Plan
) -> Iterator[int]:
    """Measures one group, giving the number of runs after each block; ends all its workers."""
    frame = texture()
    try:
        for bench in group:
            bench.start(family, settings)
        for bench in group:
            bench.warm_up(frame, plan.warmup_runs)
        for runs in share(plan.runs, plan.rounds):
            for bench in group:
                bench.block(frame, runs)
                yield runs
        for bench in group:
            bench.weigh()
    finally:
        for bench in group:
            bench.close()
