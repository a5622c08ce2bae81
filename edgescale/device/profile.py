"""The device profile: what was measured of one family on one machine, and under which conditions.

A figure without its machine, runtime and noise is worthless, so they are one record. The latencies
themselves are kept, not only their quantiles: a later budget asks how many of them exceed it.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from edgescale.device.probe import Machine
from edgescale.device.statistics import (
    Quantiles,
    autocorrelation,
    quantile_interval,
    quantiles,
    serial_fps,
)

SCHEMA_VERSION = 2
# PSI above these: the tails of the latencies are other programs' time slices, not the model's.
MOST_BEFORE_PERCENT = 10.0
MOST_DURING_PERCENT = 25.0
MOST_LATENCIES = 20_000


@dataclass(frozen=True)
class Noise:
    """How busy and how hot the machine was while it was measured; None is "it does not say".

    Attributes:
        psi_before_percent: PSI ``some`` of the CPU in the ten seconds before.
        psi_during_percent: the same over the whole measurement.
        load_before: load average of a minute, before.
        load_after: the same afterwards.
        governor: of the first core's frequency.
        temperature_before_c: of the hottest sensor, before.
        temperature_after_c: the same afterwards.
        cpu_mhz_before: mean clock of the usable cores, busy, before the first block.
        cpu_mhz_after: the same after the last block.
        autocorrelation_max: the largest lag-1 autocorrelation of a variant's latencies.
        flags: what makes the figures doubtful, a sentence each.
    """

    psi_before_percent: float | None = None
    psi_during_percent: float | None = None
    load_before: float | None = None
    load_after: float | None = None
    governor: str | None = None
    temperature_before_c: float | None = None
    temperature_after_c: float | None = None
    cpu_mhz_before: float | None = None
    cpu_mhz_after: float | None = None
    autocorrelation_max: float | None = None
    flags: tuple[str, ...] = ()

    @property
    def noisy(self) -> bool:
        """Says whether anything makes the figures doubtful."""
        return bool(self.flags)

    @property
    def disturbed(self) -> bool:
        """Says whether other work took the cores; only another measurement tells how much."""
        before, during = self.psi_before_percent or 0.0, self.psi_during_percent or 0.0
        return before > MOST_BEFORE_PERCENT or during > MOST_DURING_PERCENT

    def since(self, earlier: "Noise") -> "Noise":
        """Returns this one with the worst pressure of an earlier part of the same profile."""

        def worst(name: str) -> float | None:
            both = (getattr(earlier, name), getattr(self, name))
            return max((one for one in both if one is not None), default=None)

        return replace(
            self,
            psi_before_percent=worst("psi_before_percent"),
            psi_during_percent=worst("psi_during_percent"),
        )


@dataclass(frozen=True)
class ThreadTrial:
    """One thread count that was tried, and the median latency of a middle variant with it."""

    threads: int
    median_ms: float


@dataclass(frozen=True)
class Measurement:
    """One variant's figures; all of them None where ``error`` says why there are none.

    Attributes:
        variant: its name.
        model_sha256: of the file that ran.
        error: why there are no figures; None where there are.
        error_kind: the class of the error.
        load_ms: from opening the model to a ready interpreter.
        first_inference_ms: of the first picture.
        warmup_runs: pictures after it that do not count.
        latencies_ms: from a decoded frame in memory to its top-k, one frame in flight, through the
            process that also serves; in the order measured, to a microsecond.
        invoke_ms: the interpreter alone.
        pipelined_fps: pictures per second with two in flight.
        worker_pss_bytes: largest proportional set size seen of the worker.
        worker_peak_rss_bytes: largest resident memory that the worker ever had.
        main_pss_bytes: proportional set size of the main process while it measured.
        predicted_worker_peak_bytes: what the model's file made expect of the peak.
    """

    variant: str
    model_sha256: str
    error: str | None
    error_kind: str | None = None
    load_ms: float | None = None
    first_inference_ms: float | None = None
    warmup_runs: int | None = None
    latencies_ms: tuple[float, ...] = ()
    invoke_ms: Quantiles | None = None
    pipelined_fps: float | None = None
    worker_pss_bytes: int | None = None
    worker_peak_rss_bytes: int | None = None
    main_pss_bytes: int | None = None
    predicted_worker_peak_bytes: int | None = None

    @property
    def n(self) -> int | None:
        """Number of latencies; None without any."""
        return len(self.latencies_ms) or None

    @cached_property
    def latency_ms(self) -> Quantiles | None:
        """Quantiles of the latencies; None without any."""
        return quantiles(self.latencies_ms) if self.latencies_ms else None

    @property
    def fps(self) -> float | None:
        """Pictures per second of one after another; None without latencies."""
        return serial_fps(self.latencies_ms) if self.latencies_ms else None

    @property
    def memory_bytes(self) -> int:
        """Memory of worker and main process together, pages that they share counted once.

        To serve a stream takes more: a video decoder and its frames come on top.
        """
        return (self.worker_pss_bytes or 0) + (self.main_pss_bytes or 0)

    @cached_property
    def autocorrelation(self) -> float | None:
        """Lag-1 autocorrelation of the latencies; None below 20 of them."""
        return autocorrelation(self.latencies_ms)

    def summary(self) -> dict[str, Any]:
        """Returns the figures for readers, without the single latencies; ready for JSON."""
        record = asdict(self)
        del record["latencies_ms"]
        latency = None
        if self.latency_ms is not None:
            latency = asdict(self.latency_ms)
            for name, fraction in (("p95", 0.95), ("p99", 0.99)):
                low, high = quantile_interval(self.latencies_ms, fraction)
                latency |= {f"{name}_low": low, f"{name}_high": high}
        return record | {
            "n": self.n,
            "latency_ms": latency,
            "fps": self.fps,
            "memory_bytes": self.memory_bytes or None,
            "autocorrelation": self.autocorrelation,
        }


@dataclass(frozen=True)
class DeviceProfile:
    """A family measured on a machine.

    Attributes:
        schema_version: of the file.
        edgescale_version: that measured.
        time: RFC 3339, UTC.
        family: its name.
        models: every variant of the family with the sha256 of the file it would run; ``variants``
            may hold only some of them.
        machine: where it was measured.
        device_asked: the device string asked for.
        device: the one it came to.
        runtime: the workers' own word.
        runtime_version: likewise.
        threads: of the interpreter.
        threads_asked: None where the count was searched.
        threads_tried: the search, if there was one.
        edgetpu_library: the library asked for; None is the system's, or none on the CPU.
        edgetpu_library_sha256: of that file, where it could be read.
        edgetpu_performance: the clock asked for.
        frame: the picture that was measured with.
        rounds: blocks that alternate between the variants; 1 is one variant after the other.
        noise: how disturbed the measurement was.
        variants: the figures.
        stale: why a live run found them no longer true; None while they are believed.
    """

    schema_version: int
    edgescale_version: str
    time: str
    family: str
    models: tuple[tuple[str, str], ...]
    machine: Machine
    device_asked: str
    device: str
    runtime: str
    runtime_version: str
    threads: int
    threads_asked: int | None
    threads_tried: tuple[ThreadTrial, ...]
    edgetpu_library: str | None
    edgetpu_library_sha256: str | None
    edgetpu_performance: str | None
    frame: str
    rounds: int
    noise: Noise
    variants: tuple[Measurement, ...]
    stale: str | None = None

    def measurement(self, variant: str) -> Measurement | None:
        """Returns the figures of one variant, None where it was not measured."""
        return next((entry for entry in self.variants if entry.variant == variant), None)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain dicts and lists, ready for JSON; ``profile_from_dict`` reverses it."""
        return asdict(self)


def parse_time(text: str) -> datetime | None:
    """Parses an RFC 3339 time in UTC; None where it is none."""
    # Python 3.10's fromisoformat does not know the "Z".
    try:
        time = datetime.fromisoformat(text.removesuffix("Z") + "+00:00")
    except ValueError:
        return None
    return time if text.endswith("Z") else None
