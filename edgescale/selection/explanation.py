"""Why a variant was not chosen, in numbers and in words.

"Does not fit" alone leaves the user guessing; the measured value, the limit and the distance
between them tell whether to buy hardware or to relax the budget by a hair.
"""

from dataclasses import dataclass

from edgescale.device.profile import Measurement
from edgescale.selection.budget import Budget
from edgescale.units import mib, milliseconds


@dataclass(frozen=True)
class Excess:
    """One limit that is broken: ``over`` is the distance to it in the limit's own unit."""

    limit: str  # "latency_ms", "min_fps" or "memory_bytes"
    measured: float
    allowed: float

    @property
    def over(self) -> float:
        """Returns how far beyond the limit the measured value is, always positive."""
        return abs(self.measured - self.allowed)

    @property
    def over_percent(self) -> float:
        """Returns the same as a percentage of the limit."""
        return 100 * self.over / self.allowed


@dataclass(frozen=True)
class Rejection:
    """Why one variant was not chosen.

    Attributes:
        variant: its name.
        kind: ``over_budget``, ``smaller`` (it fits too) or ``not_measured``.
        excesses: the limits it breaks, none unless ``over_budget``.
        text: the reason in one sentence.
    """

    variant: str
    kind: str
    excesses: tuple[Excess, ...]
    text: str


def excesses(measurement: Measurement, budget: Budget) -> tuple[Excess, ...]:
    """Returns the limits of the budget that a measured variant breaks."""
    if measurement.latency_ms is None or measurement.fps is None:
        raise ValueError(f"'{measurement.variant}' was not measured")
    p95_ms, fps, memory_bytes = (
        measurement.latency_ms.p95,
        measurement.fps,
        measurement.memory_bytes,
    )
    found = []
    if budget.latency_ms is not None and p95_ms > budget.latency_ms:
        found.append(Excess("latency_ms", p95_ms, budget.latency_ms))
    if budget.min_fps is not None and fps < budget.min_fps:
        found.append(Excess("min_fps", fps, budget.min_fps))
    if budget.memory_bytes is not None and memory_bytes > budget.memory_bytes:
        found.append(Excess("memory_bytes", memory_bytes, budget.memory_bytes))
    return tuple(found)


def over_budget(variant: str, broken: tuple[Excess, ...]) -> Rejection:
    """Explains a variant that breaks limits."""
    return Rejection(variant, "over_budget", broken, "; ".join(map(_sentence, broken)))


def smaller(variant: str, macs: int, chosen_macs: int) -> Rejection:
    """Explains a variant that fits but is not the largest that does."""
    if macs == chosen_macs:
        text = f"fits too, with as many MACs ({_macs(macs)}), but is slower"
    else:
        text = f"fits too, but has fewer MACs ({_macs(macs)} < {_macs(chosen_macs)})"
    return Rejection(variant, "smaller", (), text)


def not_measured(variant: str, reason: str) -> Rejection:
    """Explains a variant without figures."""
    return Rejection(variant, "not_measured", (), f"could not be measured: {reason}")


def budget_text(budget: Budget) -> str:
    """Returns the budget in words."""
    parts = []
    if budget.latency_ms is not None:
        parts.append(f"p95 latency <= {milliseconds(budget.latency_ms)}")
    if budget.min_fps is not None:
        parts.append(f"at least {budget.min_fps:.4g} fps")
    if budget.memory_bytes is not None:
        parts.append(f"memory <= {mib(budget.memory_bytes)}")
    return ", ".join(parts) or "no limit"


def _sentence(excess: Excess) -> str:
    percent = f"{excess.over_percent:.1f} %"
    if excess.limit == "latency_ms":
        values = (milliseconds(value) for value in (excess.measured, excess.allowed, excess.over))
        return "p95 latency {} > {}: {} ({}) too slow".format(*values, percent)
    if excess.limit == "min_fps":
        values = (f"{value:.2f} fps" for value in (excess.measured, excess.allowed, excess.over))
        return "{} < {}: {} ({}) too few".format(*values, percent)
    values = (mib(value) for value in (excess.measured, excess.allowed, excess.over))
    return "memory {} > {}: {} ({}) too much".format(*values, percent)


def _macs(macs: int) -> str:
    return f"{macs / 1e6:,.2f} M"
