"""Whether a measurement may be believed: other work, a hot chip, a clock that moved.

Each doubt is one sentence, so that who reads the figures need not know the thresholds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edgescale.device.probe import Pressure, pressure
from edgescale.device.profile import (
    MOST_BEFORE_PERCENT,
    MOST_DURING_PERCENT,
    Measurement,
    Noise,
)
from edgescale.device.statistics import stalled_percent

_MOST_AUTOCORRELATION = 0.3  # above, n samples tell much less than n independent ones
_MOST_CLOCK_DROP = 0.05
_STEADY_GOVERNORS = ("performance", "schedutil")  # schedutil follows the load within milliseconds


@dataclass(frozen=True)
class Reading:
    """The machine at one moment: how busy, and how hot its hottest sensor is."""

    pressure: Pressure
    temperature_c: float | None
    at_s: float


def read_now(temperature_c: float | None, at_s: float) -> Reading:
    """Reads how busy the machine is and puts temperature and time beside it."""
    return Reading(pressure(), temperature_c, at_s)


def judge_noise(  # noqa: PLR0913 - all that a doubt may come from
    before: Reading,
    after: Reading,
    *,
    cores: int,
    governor: str | None,
    clock_mhz: tuple[float | None, float | None],
    figures: Sequence[Measurement],
    earlier: Noise | None = None,
) -> Noise:
    """Says what disturbed a measurement.

    Args:
        before: the machine before it.
        after: the machine after it.
        cores: usable ones; where the kernel has no PSI, a load that fills them is a disturbance.
        governor: of the clock.
        clock_mhz: before the first block and after the last.
        figures: what was measured, for the autocorrelation of its latencies.
        earlier: of a profile that this measurement adds to; its pressure counts too.
    """
    during = stalled_percent(
        before.pressure.total_us, after.pressure.total_us, after.at_s - before.at_s
    )
    drifting = [one.autocorrelation for one in figures if one.autocorrelation is not None]
    noise = Noise(
        psi_before_percent=before.pressure.avg10_percent,
        psi_during_percent=during,
        load_before=before.pressure.load,
        load_after=after.pressure.load,
        governor=governor,
        temperature_before_c=before.temperature_c,
        temperature_after_c=after.temperature_c,
        cpu_mhz_before=clock_mhz[0],
        cpu_mhz_after=clock_mhz[1],
        autocorrelation_max=max(drifting, default=None),
    )
    if earlier is not None:
        noise = noise.since(earlier)
    flags = (*_busy(noise, cores), *_clock(noise), *_drift(figures))
    return replace(noise, flags=flags)


def _busy(noise: Noise, cores: int) -> Iterator[str]:
    before, during, load = noise.psi_before_percent, noise.psi_during_percent, noise.load_before
    if before is None:
        if load is not None and load >= cores:
            yield f"other work filled the cores before it (load {load:.1f} on {cores} cores)"
        return
    if before > MOST_BEFORE_PERCENT:
        yield f"the CPU was shared before it (PSI: a task waited {before:.0f} % of the time)"
    if during is not None and during > MOST_DURING_PERCENT:
        yield f"the CPU was shared during it (PSI: a task waited {during:.0f} % of the time)"


def _clock(noise: Noise) -> Iterator[str]:
    if noise.governor is not None and noise.governor not in _STEADY_GOVERNORS:
        yield (
            f"the governor '{noise.governor}' moves the CPU's clock, so a latency depends on how"
            " busy the cores were before"
        )
    before, after = noise.cpu_mhz_before, noise.cpu_mhz_after
    if before and after is not None and after < (1 - _MOST_CLOCK_DROP) * before:
        hot = noise.temperature_after_c
        yield (
            f"throttled: the CPU's clock fell from {before:.0f} to {after:.0f} MHz while it"
            f" measured{'' if hot is None else f', at {hot:.0f} C'}"
        )


def _drift(figures: Sequence[Measurement]) -> Iterator[str]:
    drifting = {one.variant: one.autocorrelation or 0.0 for one in figures}
    names = [name for name, value in drifting.items() if value > _MOST_AUTOCORRELATION]
    if names:
        yield (
            f"latencies of {', '.join(names)} come in slow and fast stretches (autocorrelation up"
            f" to {max(drifting.values()):.2f}): their intervals are too narrow"
        )
