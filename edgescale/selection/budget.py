"""The budget: what a variant may cost on this device."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Limits on a variant; None is no limit, and no limits at all let everything fit.

    They are held against the profile, where one frame of 640x480 is in flight at a time.

    Attributes:
        latency_ms: p95 of the time from a decoded frame to its top-k.
        min_fps: frames per second, one after another.
        memory_bytes: resident memory of the worker (peak) and the main process together, as it
            was while measuring: without video decoder and frames of a stream.
    """

    latency_ms: float | None = None
    min_fps: float | None = None
    memory_bytes: float | None = None

    def __post_init__(self) -> None:
        """Refuses limits that no variant could be held against.

        Raises:
            ValueError: a limit that is not a positive, finite number.
        """
        for name in ("latency_ms", "min_fps", "memory_bytes"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"Budget.{name} must be a positive number, got {value}")
