"""What a measurement stands on: the worker, the clocks and the scales, exchanged in tests."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgescale.device.memory import worker_base_bytes
from edgescale.device.probe import ROOT
from edgescale.device.thermal import cpu_mhz, temperatures
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.child import pss_bytes
from edgescale.inference.worker import Worker, WorkerSettings


class Serving(Protocol):
    """What is measured: ``inference.worker.Worker``, or a fake of it in tests."""

    runtime_name: str
    runtime_version: str
    load_ms: float

    def submit(self, frame: NDArray[np.uint8], *, bgr: bool) -> None:
        """Hands a picture over; at most two may be under way."""

    def result(self) -> Any:
        """Waits for the oldest picture under way."""

    def predictions(self, inference: Any) -> Any:
        """Returns the top-k with labels."""

    def pss_bytes(self) -> int:
        """Returns the worker's proportional set size."""

    def peak_rss_bytes(self) -> int:
        """Returns the largest resident memory that the worker had."""

    def close(self) -> None:
        """Ends the worker."""


def open_worker(family: Family, variant: VariantRecord, settings: WorkerSettings) -> Serving:
    """Starts the worker process of one variant."""
    return Worker(family, variant, settings=settings)


def own_pss_bytes() -> int:
    """Returns the proportional set size of this process."""
    return pss_bytes(os.getpid())


def cpu_mhz_now() -> float | None:
    """Returns the mean clock of the usable cores, None where the kernel does not tell it."""
    return cpu_mhz(ROOT)


def hottest_c() -> float | None:
    """Returns the temperature of the hottest sensor, None where there is none."""
    return max((one.celsius for one in temperatures(ROOT)), default=None)


@dataclass(frozen=True)
class Weight:
    """Proportional set sizes: memory in which a page shared by n processes counts 1/n."""

    worker_bytes: int
    main_bytes: int

    def beyond(self, other: "Weight") -> "Weight":
        """Returns how much more this is, zero where it is less."""
        return Weight(
            max(0, self.worker_bytes - other.worker_bytes),
            max(0, self.main_bytes - other.main_bytes),
        )


@dataclass(frozen=True)
class Rig:
    """What the measurement stands on."""

    open_worker: Callable[[Family, VariantRecord, WorkerSettings], Serving] = open_worker
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    own_pss_bytes: Callable[[], int] = own_pss_bytes
    cpu_mhz: Callable[[], float | None] = cpu_mhz_now
    temperature_c: Callable[[], float | None] = hottest_c
    base_bytes: Callable[[WorkerSettings], int | None] = worker_base_bytes
