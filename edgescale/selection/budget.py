"""The budget: what a variant may cost on this device, and what it must reach."""

import math
from dataclasses import dataclass

PERCENTILES = (95, 99)


@dataclass(frozen=True)
class Budget:
    """Limits on a variant; None is no limit, and no limits at all let everything fit.

    They are held against the profile, where one frame of 640x480 is in flight at a time.

    Attributes:
        latency_ms: most of the time from a decoded frame to its top-k, at ``percentile``.
        percentile: 95 or 99: of a hundred frames so many keep the latency.
        min_fps: frames per second, one after another.
        memory_bytes: memory (proportional set size) of all processes of ``classify`` together, as
            it was while measuring: without video decoder and frames of a stream.
        min_accuracy: int8 top-1 accuracy on the family's held-out images, 0 to 1.
        on_chip_only: on an Edge TPU, only variants whose weights all stay in the chip's memory.
    """

    latency_ms: float | None = None
    min_fps: float | None = None
    memory_bytes: float | None = None
    percentile: int = 95
    min_accuracy: float | None = None
    on_chip_only: bool = False

    def __post_init__(self) -> None:
        """Refuses limits that no variant could be held against.

        Raises:
            ValueError: a limit that is not a positive, finite number, an accuracy that is no
                share, or a percentile that is not judged.
        """
        for name in ("latency_ms", "min_fps", "memory_bytes"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"Budget.{name} must be a positive number, got {value}")
        if self.min_accuracy is not None and not 0 <= self.min_accuracy <= 1:
            raise ValueError(f"Budget.min_accuracy must be from 0 to 1, got {self.min_accuracy}")
        if self.percentile not in PERCENTILES:
            raise ValueError(f"Budget.percentile must be 95 or 99, got {self.percentile}")
