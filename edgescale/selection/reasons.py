"""Finds the reason why each variant was not chosen, from what the search looked at."""

from collections.abc import Collection, Mapping

from edgescale.selection.budget import Budget
from edgescale.selection.explanation import (
    Rejection,
    dominated,
    measured_excesses,
    not_measured,
    not_proven,
    not_tried,
    over_budget,
    smaller,
    trials_text,
)
from edgescale.selection.figures import Figures, Memory
from edgescale.selection.order import Order
from edgescale.selection.policy import Search
from edgescale.selection.sequential import (
    DOES_NOT_FIT,
    FITS,
    RULES,
    UNDECIDED,
    TailLimit,
    Trial,
    worst_state,
)
from edgescale.units import milliseconds

_CLEARLY_FASTER = 0.95  # of the other's median: a few runs do not tell less apart


def dominated_ones(
    order: Order, names: Collection[str], medians_ms: Mapping[str, float] | None
) -> dict[str, Rejection]:
    """Returns the variants that a larger one beats in time, by name.

    Args:
        order: the variants, smallest first.
        names: of those that may beat others.
        medians_ms: by name; None where nobody measured, and fewer MACs stand for less time.
    """
    costs = {one.name: one.macs for one in order.variants} if medians_ms is None else medians_ms
    known = [one for one in order.variants if one.name in costs]
    found = {}
    for place, variant in enumerate(known):
        better = [one for one in known[:place] if one.macs == variant.macs] + known[place + 1 :]
        better = [one for one in better if one.name in names]
        fastest = min(better, key=lambda one: costs[one.name], default=variant)
        margin = 1.0 if medians_ms is None else _CLEARLY_FASTER
        if fastest is variant or costs[fastest.name] >= margin * costs[variant.name]:
            continue
        if medians_ms is None:
            macs = (fastest.macs / 1e6, variant.macs / 1e6)
            why = "is more accurate with fewer MACs ({:,.2f} < {:,.2f} M)".format(*macs)
        else:
            times = (milliseconds(costs[one.name]) for one in (fastest, variant))
            size = "as large" if fastest.macs == variant.macs else "larger"
            why = "is {} and faster (median {} < {})".format(size, *times)
        found[variant.name] = dominated(variant.name, fastest.name, why)
    return found


class Reasons:
    """Says why a variant was not chosen.

    Args:
        figures: what was measured.
        budget: the limits.
        order: the variants, smallest first.
        memory: what each of them takes.
    """

    def __init__(self, figures: Figures, budget: Budget, order: Order, memory: Memory) -> None:
        self._figures, self._budget, self._memory = figures, budget, memory
        self._places = {variant.name: place for place, variant in enumerate(order.variants)}

    def against(self, variant: str, found: Search) -> Rejection:
        """Returns the reason against one variant that was eligible and not dominated."""
        entry = self._figures.measurement(variant)
        if entry is not None and entry.error is not None:
            return not_measured(variant, entry.error)
        is_smaller = found.chosen is not None and self._places[variant] < self._places[found.chosen]
        if entry is None or not entry.latencies_ms:
            return not_tried(variant, "a larger one fits" if is_smaller else self._too_slow(found))
        trials = found.trials.get(variant, ())
        if not trials and is_smaller:
            trials = self._judged(entry.latencies_ms)
        state = worst_state(trials)
        needed_bytes = self._memory.needed_bytes(variant)
        broken = measured_excesses(entry, self._budget, needed_bytes)
        keeps = self._memory.keeps(variant)
        if state == UNDECIDED and keeps and not is_smaller:
            return not_proven(entry, self._budget, trials)
        if state == DOES_NOT_FIT or not keeps:
            return over_budget(variant, broken, trials, trials_text(entry, self._budget, trials))
        if is_smaller and found.chosen is not None:
            timed = self._budget.latency_ms is not None or self._budget.min_fps is not None
            if state == FITS and (trials or not timed):
                return smaller(variant, found.chosen, trials)
            return not_tried(variant, f"'{found.chosen}' is larger and fits")
        if broken:
            return over_budget(variant, broken, trials)
        return not_tried(variant, self._too_slow(found))

    def _judged(self, latencies_ms: tuple[float, ...]) -> tuple[Trial, ...]:
        if self._budget.latency_ms is None:
            return ()
        rule = RULES[self._budget.percentile]
        return (TailLimit(self._budget.latency_ms, rule).judge(latencies_ms),)

    def _too_slow(self, found: Search) -> str:
        """Names the smallest variant above the chosen one that broke the limits."""
        floor = -1 if found.chosen is None else self._places[found.chosen]
        above = [name for name in found.looks if self._places[name] > floor]
        if not above:
            return "no smaller one runs here"
        return f"the smaller '{min(above, key=self._places.__getitem__)}' already breaks a limit"
