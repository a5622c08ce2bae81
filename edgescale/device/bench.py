"""One variant on the bench: the worker that also serves, timed and weighed.

A picture goes from a frame in memory to its top-k, through shared memory and the worker's process,
as it does in ``classify``.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.device.choose import model_for
from edgescale.device.profile import MOST_LATENCIES, Measurement
from edgescale.device.rig import Rig, Serving, Weight
from edgescale.device.statistics import nearest_rank, quantiles
from edgescale.errors import (
    EdgescaleError,
    EdgeTpuBusy,
    EdgeTpuModelCrashed,
    EdgeTpuNotFound,
    EdgeTpuRuntimeMissing,
    RuntimeMissing,
)
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]  # (runs done, runs in all)

_SHORTEST_MS = 0.001  # times are kept to a microsecond; none is zero
# These are about the machine, not about one variant: no other variant would fare better.
_FATAL = (RuntimeMissing, EdgeTpuRuntimeMissing, EdgeTpuNotFound, EdgeTpuBusy)


@dataclass(frozen=True)
class Plan:
    """How much is measured of each variant.

    Attributes:
        runs: pictures one after another, in ``rounds`` blocks.
        rounds: blocks that alternate between the variants.
        warmup_runs: pictures after the first that do not count.
        pipelined_runs: pictures with two in flight.
    """

    runs: int = 200
    rounds: int = 10
    warmup_runs: int = 10
    pipelined_runs: int = 50


@dataclass(frozen=True)
class Measured:
    """What a bench run gave; the runtime is the workers' own word.

    The clock of the cores is read while they work: before the first block and after the last.
    """

    runtime: str
    runtime_version: str
    variants: tuple[Measurement, ...]
    cpu_mhz_before: float | None = None
    cpu_mhz_after: float | None = None


class Bench:
    """One variant on the bench: an error ends its measurement and nobody else's.

    Attributes:
        variant: what is measured.
        worker: the process that runs it, between ``start`` and ``close``.
        problem: why it cannot be measured, once that is known.
        runtime: name and version, by the worker's word; None before ``start``.
        expected_ms: median of the warm-up, to tell how long the rest will take.
        latencies_ms: of all blocks so far, in the order measured.
    """

    def __init__(
        self,
        family: Family,
        variant: VariantRecord,
        settings: WorkerSettings,
        rig: Rig,
        room: Callable[[VariantRecord], None] | None = None,
    ) -> None:
        """Starts nothing yet; ``room`` raises where memory is too short to start the worker."""
        self.variant = variant
        self._room = room
        self.worker: Serving | None = None
        self.problem: EdgescaleError | None = None
        self.runtime: tuple[str, str] | None = None
        self.expected_ms = 0.0
        self.latencies_ms: list[float] = []
        self._family, self._settings, self._rig = family, settings, rig
        self._model_sha256 = variant.model.sha256
        self._figures: dict[str, Any] = {}
        self._invokes_ms: list[float] = []
        self._intervals, self._intervals_s = 0, 0.0  # between results, two pictures in flight
        self._weight = Weight(0, 0)

    def start(self) -> None:
        """Starts the worker."""
        with self._noting():
            if self._room is not None:
                self._room(self.variant)
            self._model_sha256 = model_for(self.variant, self._settings.device).sha256
            worker = self._rig.open_worker(self._family, self.variant, self._settings)
            self.worker = worker
            self.runtime = (worker.runtime_name, worker.runtime_version)
            self._figures["load_ms"] = worker.load_ms

    def warm_up(self, frame: NDArray[np.uint8], runs: int) -> None:
        """Times the first inference apart, then runs some that do not count."""
        with self._noting() as worker:
            if worker is None:
                return
            first_ms, _ = self._timed(worker, frame)
            warm_ms = [self._timed(worker, frame)[0] for _ in range(runs)]
            self.expected_ms = nearest_rank(warm_ms or [first_ms], 0.5)
            self._figures.update(first_inference_ms=first_ms, warmup_runs=runs)

    def block(self, frame: NDArray[np.uint8], runs: int, *, uncounted: int = 0) -> Sequence[float]:
        """Measures some runs and returns their latencies in ms; fewer where the worker failed.

        Args:
            frame: the picture.
            runs: how many count.
            uncounted: runs before them that do not, where other workers had the core before.
        """
        before = len(self.latencies_ms)
        with self._noting() as worker:
            if worker is None:
                return ()
            for _ in range(uncounted):
                self._timed(worker, frame)
            for _ in range(runs):
                latency_ms, invoke_ms = self._timed(worker, frame)
                self.latencies_ms.append(latency_ms)
                self._invokes_ms.append(invoke_ms)
        return self.latencies_ms[before:]

    def throughput(self, frame: NDArray[np.uint8], runs: int) -> None:
        """Measures the rate of at least two runs with two pictures in flight."""
        with self._noting() as worker:
            if worker is None or runs < 2:
                return
            worker.submit(frame, bgr=True)
            stamps = []
            for left in reversed(range(runs)):
                if left:
                    worker.submit(frame, bgr=True)
                worker.predictions(worker.result())
                stamps.append(self._rig.clock())
            self._intervals += len(stamps) - 1
            self._intervals_s += stamps[-1] - stamps[0]

    def weigh(self, more: Weight | None = None) -> Weight:
        """Notes and returns the memory of worker and main process; zero without a worker.

        Args:
            more: what they would weigh more if no other worker shared their libraries.
        """
        more = more or Weight(0, 0)
        weight = Weight(0, 0)
        with self._noting() as worker:
            if worker is not None:
                weight = Weight(worker.pss_bytes(), self._rig.own_pss_bytes())
                self._weight = Weight(
                    max(self._weight.worker_bytes, weight.worker_bytes + more.worker_bytes),
                    max(self._weight.main_bytes, weight.main_bytes + more.main_bytes),
                )
                self._figures["worker_peak_rss_bytes"] = worker.peak_rss_bytes()
        return weight

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
                self._model_sha256,
                error=str(problem),
                error_kind=type(problem).__name__,
            )
        fps = self._intervals / self._intervals_s if self._intervals_s > 0 else None
        return Measurement(
            variant=self.variant.name,
            model_sha256=self._model_sha256,
            error=None,
            latencies_ms=tuple(self.latencies_ms[-MOST_LATENCIES:]),
            invoke_ms=quantiles(self._invokes_ms) if self._invokes_ms else None,
            pipelined_fps=fps,
            worker_pss_bytes=self._weight.worker_bytes,
            main_pss_bytes=self._weight.main_bytes,
            **self._figures,
        )

    def _timed(self, worker: Serving, frame: NDArray[np.uint8]) -> tuple[float, float]:
        start_s = self._rig.clock()
        worker.submit(frame, bgr=True)
        inference = worker.result()
        worker.predictions(inference)
        latency_ms = (self._rig.clock() - start_s) * 1000
        return max(_SHORTEST_MS, round(latency_ms, 3)), float(inference.invoke_ms)

    @contextmanager
    def _noting(self) -> Iterator[Serving | None]:
        """Gives the worker, if there is one, and keeps what goes wrong with it."""
        try:
            yield self.worker
        except EdgescaleError as problem:
            if isinstance(problem, _FATAL) and not isinstance(problem, EdgeTpuModelCrashed):
                raise
            log.warning("%s: could not be measured: %s", self.variant.name, problem)
            self.problem = problem
            self.close()
