"""Why a variant was not chosen, in numbers and in words.

"Does not fit" alone leaves the user guessing; the measured value, the limit and the distance
between them tell whether to buy hardware or to relax the budget by a hair.
"""

from dataclasses import dataclass

from edgescale.device.profile import Measurement
from edgescale.device.statistics import nearest_rank, serial_fps
from edgescale.selection.budget import Budget
from edgescale.selection.sequential import RULES, Trial
from edgescale.units import mib, milliseconds

# Kinds of a rejection; ``STATES`` is what a table says of them.
OVER_BUDGET = "over_budget"  # it breaks a limit
NOT_PROVEN = "undecided"  # its figures cannot be told from the limit
SMALLER = "smaller"  # it fits too
DOMINATED = "dominated"  # a larger one is faster
NOT_TRIED = "not_tried"
NOT_MEASURED = "not_measured"  # it does not run here
NOT_KNOWN = "not_known"  # what the budget asks for is not in the family

STATES = {
    OVER_BUDGET: "does not fit",
    NOT_PROVEN: "undecided",
    SMALLER: "fits",
    DOMINATED: "dropped",
    NOT_TRIED: "not tried",
    NOT_MEASURED: "fails",
    NOT_KNOWN: "not known",
}


@dataclass(frozen=True)
class Excess:
    """One limit that is broken: ``over`` is the distance to it in the limit's own unit.

    ``figure`` says what was measured, such as ``p95 latency`` or ``median latency of 5 runs``.
    """

    limit: str  # "latency_ms", "min_fps", "memory_bytes", "min_accuracy" or "on_chip_only"
    figure: str
    measured: float
    allowed: float

    @property
    def over(self) -> float:
        """Returns how far beyond the limit the measured value is, always positive."""
        return abs(self.measured - self.allowed)

    @property
    def over_percent(self) -> float:
        """Returns the same as a percentage of the limit; of no limit, 100."""
        return 100 * self.over / self.allowed if self.allowed else 100.0


@dataclass(frozen=True)
class Rejection:
    """Why one variant was not chosen.

    Attributes:
        variant: its name.
        kind: one of the kinds above.
        excesses: the limits it breaks, none unless ``over_budget``.
        text: the reason in one sentence.
        trials: what the tests said, where it was tested.
    """

    variant: str
    kind: str
    excesses: tuple[Excess, ...]
    text: str
    trials: tuple[Trial, ...] = ()

    @property
    def state(self) -> str:
        """Returns the kind in words, such as ``does not fit`` or ``undecided``."""
        return STATES[self.kind]


def measured_excesses(
    entry: Measurement, budget: Budget, memory_bytes: float
) -> tuple[Excess, ...]:
    """Returns the limits that a variant's own figures break: percentile, rate and memory.

    Of a few runs it is the median that is held against the latency.
    """
    times, found = entry.latencies_ms, []
    if budget.latency_ms is not None and times:
        if len(times) >= RULES[budget.percentile].fewest_runs:
            figure = f"p{budget.percentile} latency"
            value = nearest_rank(times, budget.percentile / 100)
        else:
            figure = f"median latency of {len(times)} runs"
            value = nearest_rank(times, 0.5)
        if value > budget.latency_ms:
            found.append(Excess("latency_ms", figure, value, budget.latency_ms))
    if budget.min_fps is not None and times and serial_fps(times) < budget.min_fps:
        found.append(Excess("min_fps", "rate", serial_fps(times), budget.min_fps))
    if budget.memory_bytes is not None and memory_bytes > budget.memory_bytes:
        found.append(Excess("memory_bytes", "memory", memory_bytes, budget.memory_bytes))
    return tuple(found)


def over_budget(
    variant: str, broken: tuple[Excess, ...], trials: tuple[Trial, ...] = (), counts: str = ""
) -> Rejection:
    """Explains a variant that breaks limits.

    Args:
        variant: its name.
        broken: the limits, with the measured figures; none where only the counts tell.
        trials: what the tests said.
        counts: of the tests, in words.
    """
    text = "; ".join(map(_sentence, broken)) or counts
    return Rejection(variant, OVER_BUDGET, broken, text, trials)


def not_proven(entry: Measurement, budget: Budget, trials: tuple[Trial, ...]) -> Rejection:
    """Explains a variant whose figures cannot be told from the limit."""
    text = f"too close to the limit to tell: {trials_text(entry, budget, trials)}"
    return Rejection(entry.variant, NOT_PROVEN, (), text, trials)


def trials_text(entry: Measurement, budget: Budget, trials: tuple[Trial, ...]) -> str:
    """Returns the counts that the tests stand on."""
    parts = []
    for trial in trials:
        if trial.exceedances is not None and budget.latency_ms is not None:
            share = 100 * trial.exceedances / max(1, trial.n)
            parts.append(
                f"{trial.exceedances} of {trial.n} runs over {milliseconds(budget.latency_ms)}"
                f" ({share:.1f} %, where {100 - budget.percentile} % may be)"
            )
        elif trial.exceedances is None and budget.min_fps is not None:
            fps = serial_fps(entry.latencies_ms)
            parts.append(f"{fps:.2f} fps in {trial.n} runs, {budget.min_fps:.4g} wanted")
    return ", ".join(parts)


def smaller(variant: str, chosen: str, trials: tuple[Trial, ...]) -> Rejection:
    """Explains a variant that fits but is not the largest that does."""
    return Rejection(variant, SMALLER, (), f"'{chosen}' is larger", trials)


def not_tried(variant: str, why: str) -> Rejection:
    """Explains a variant that nobody tested, because another one told enough."""
    return Rejection(variant, NOT_TRIED, (), why)


def dominated(variant: str, better: str, why: str) -> Rejection:
    """Explains a variant that another beats both in size and in time."""
    return Rejection(variant, DOMINATED, (), f"'{better}' {why}")


def not_measured(variant: str, reason: str) -> Rejection:
    """Explains a variant that does not run here."""
    return Rejection(variant, NOT_MEASURED, (), f"could not be measured: {reason}")


def not_known(variant: str, reason: str) -> Rejection:
    """Explains a variant of which the family does not say what the budget asks for."""
    return Rejection(variant, NOT_KNOWN, (), reason)


def budget_text(budget: Budget) -> str:
    """Returns the budget in words."""
    parts = []
    if budget.latency_ms is not None:
        parts.append(f"p{budget.percentile} latency <= {milliseconds(budget.latency_ms)}")
    if budget.min_fps is not None:
        parts.append(f"at least {budget.min_fps:.4g} fps")
    if budget.memory_bytes is not None:
        parts.append(f"memory <= {mib(budget.memory_bytes)}")
    if budget.min_accuracy is not None:
        parts.append(f"int8 top-1 >= {100 * budget.min_accuracy:.4g} %")
    if budget.on_chip_only:
        parts.append("weights on the chip only")
    return ", ".join(parts) or "no limit"


def _sentence(excess: Excess) -> str:
    percent = f"{excess.over_percent:.1f} %"
    if excess.limit == "latency_ms":
        values = (milliseconds(value) for value in (excess.measured, excess.allowed, excess.over))
        return "{} {} > {}: {} ({}) too slow".format(excess.figure, *values, percent)
    if excess.limit == "min_fps":
        values = (f"{value:.2f} fps" for value in (excess.measured, excess.allowed, excess.over))
        return "{} < {}: {} ({}) too few".format(*values, percent)
    if excess.limit == "min_accuracy":
        values = (f"{100 * value:.1f} %" for value in (excess.measured, excess.allowed))
        return "{} {} < {}".format(excess.figure, *values)
    if excess.limit == "on_chip_only":
        return f"{mib(excess.measured)} of weights are streamed for every picture"
    values = (mib(value) for value in (excess.measured, excess.allowed, excess.over))
    return "{} {} > {}: {} ({}) too much".format(excess.figure, *values, percent)
