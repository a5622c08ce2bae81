"""From a budget to phi: the largest phi whose real network fits, and what the next one would cost.

US20200234132A1 asks for the scaled network by a target memory size or number of operations. Every
cost is counted on the network that would be built, never taken from the formula.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.cost import Cost
from edgescale.architecture.file_size import file_bytes
from edgescale.architecture.network import Architecture
from edgescale.errors import ArchitectureError
from edgescale.scaling.plateaus import LARGEST_STEP, STEPS, Line, Plateau
from edgescale.scaling.variant import ScalingRules, Variant, baseline_macs, scale
from edgescale.units import si

# Of two sizes next to each other on its grid, the trim takes the nearer in ratio, and one step of
# the grid at most doubles every side: the realised MACs are not below half the promised ones.
_PROMISED_PER_REALISED = 2.001  # more than 2 for the noise of float


def phi_from_times(times: float, equation: str = "power") -> float:
    """Returns the phi of a network "N times larger": log2 N (US20200234132A1).

    Raises:
        ArchitectureError: not a number above zero, or Equation 4, whose cost is no power of phi.
    """
    if equation != "power":
        raise ArchitectureError(
            f"'{times:g} times larger' is phi = log2 N, the law of Equation 3 (power), but the"
            f" equation is '{equation}'; ask for the MACs instead, with --max-macs (max_macs in a"
            " recipe)"
        )
    if not (math.isfinite(times) and times > 0):
        raise ArchitectureError(
            f"{times:g} times larger is no network; give a number above zero (below 1 for a"
            " smaller one)"
        )
    return math.log2(times)


@dataclass(frozen=True)
class LatencyLimit:
    """The longest that one image may take, and who says how long it takes.

    Attributes:
        most_ms: on every device that ``latency_ms`` speaks for.
        latency_ms: says how long a network takes. It need not rise with phi: a larger network may
            be cut into better layers, or its input be smaller after the trim.
        at_least_ms: says, of MACs and weight bytes, what every network with so many takes at the
            least. It must never fall with either, and never lie above ``latency_ms``: networks
            beyond it are not looked at.
    """

    most_ms: float
    latency_ms: Callable[[Architecture], float]
    at_least_ms: Callable[[float, int], float]


@dataclass(frozen=True)
class Limits:
    """A budget; None is no limit. All limits given must hold together.

    Attributes:
        weight_bytes: of int8 weights and int32 biases, see ``Cost``.
        file_bytes: of the predicted ``.tflite`` file.
        macs: multiply-accumulates of one image; 1 MAC is 2 operations.
        parameters: trainable ones.
        latency: of one image, as whoever made the limit predicts it.
    """

    weight_bytes: int | None = None
    file_bytes: int | None = None
    macs: int | None = None
    parameters: int | None = None
    latency: LatencyLimit | None = None

    @property
    def given(self) -> dict[str, float]:
        """The limits that are given, by name; that of the latency is ``latency_ms``."""
        every = ((name, getattr(self, name)) for name in _COUNTED)
        found = {name: limit for name, limit in every if limit is not None}
        return found if self.latency is None else {**found, "latency_ms": self.latency.most_ms}

    def amounts(self, architecture: Architecture, cost: Cost) -> dict[str, float]:
        """Returns what a network needs of each limit that is given."""
        needs: dict[str, Callable[[], float]] = {
            "file_bytes": lambda: file_bytes(architecture),
            "latency_ms": lambda: self.latency.latency_ms(architecture) if self.latency else 0,
        }
        return {
            name: needs[name]() if name in needs else getattr(cost, name) for name in self.given
        }

    def only(self, name: str, limit: float) -> "Limits":
        """Returns just one of these limits, at another height."""
        if name == "latency_ms" and self.latency is not None:
            return Limits(latency=replace(self.latency, most_ms=limit))
        alone: dict[str, Any] = {name: int(limit)}
        return Limits(**alone)

    def fits(self, architecture: Architecture, cost: Cost) -> bool:
        """Says whether a network keeps all limits."""
        needed = self.amounts(architecture, cost)
        return all(needed[name] <= limit for name, limit in self.given.items())


_COUNTED = tuple(field.name for field in fields(Limits) if field.name != "latency")
_WORDS = {
    "weight_bytes": ("B", "{} of int8 weights"),
    "file_bytes": ("B", "a {} .tflite file"),
    "macs": ("", "{} MACs"),
    "parameters": ("", "{} parameters"),
    "latency_ms": ("ms", "{} of latency"),
}


def in_words(amounts: Mapping[str, float], beside: Mapping[str, float] | None = None) -> str:
    """Spells out amounts by the names of ``Limits``: ``6.6 MB of int8 weights and 4 G MACs``.

    An amount that would read like another one ``beside`` it is given to the last digit.
    """
    return " and ".join(
        _in_words(name, amount, (beside or {}).get(name, amount))
        for name, amount in amounts.items()
    )


def _in_words(name: str, amount: float, other: float) -> str:
    unit, words = _WORDS[name]
    if unit == "ms":
        return words.format(_milliseconds(amount, other))
    short = si(amount, unit)
    alike = amount != other and short == si(other, unit)
    return words.format(f"{amount:,} {unit}".rstrip() if alike else short)


def _milliseconds(amount_ms: float, other_ms: float) -> str:
    """Shortens to two decimals, below 1 to three digits, or to what tells it from the other one."""
    if 0 < amount_ms < 1e-3:
        return f"{amount_ms:g} ms"
    digits = 2 - math.floor(math.log10(amount_ms)) if 0 < amount_ms < 1 else 2
    while amount_ms != other_ms and digits < 6:
        if f"{amount_ms:.{digits}f}" != f"{other_ms:.{digits}f}":
            break
        digits += 1
    return f"{amount_ms:,.{digits}f}".rstrip("0").rstrip(".") + " ms"


@dataclass(frozen=True)
class Solution:
    """The largest network on the grid of 0.001 of phi that keeps the limits.

    ``used`` is the share of each limit, 0 to 1, by its name in ``Limits``. ``next`` is the network
    one thousandth of phi further on, which keeps them no more; None where there is none.
    ``broken`` are the ranges of phi, both ends included, within 1 below the solution that do not
    keep the limits although they are smaller; known where a latency is limited.
    """

    variant: Variant
    used: Mapping[str, float]
    next: Variant | None
    broken: tuple[tuple[float, float], ...] = ()


def solve(
    baseline: Baseline, limits: Limits, *, classes: int = 1000, rules: ScalingRules | None = None
) -> Solution:
    """Finds the largest phi, in thousandths, whose network keeps the limits.

    Raises:
        ArchitectureError: no limit is given, or a file's for a network that is planned only; or
            no network is small enough, and the message names the smallest there is.
    """
    if not limits.given:
        raise ArchitectureError("no limit is given; name bytes, MACs or parameters")
    if limits.file_bytes is not None and baseline.plan_only:
        raise ArchitectureError(
            f"'{baseline.name}' is planned, not built ({baseline.plan_only}), so there is no"
            " .tflite file to predict; limit its weight bytes instead"
        )
    line = Line(baseline, classes, replace(rules or ScalingRules(), searched=None))
    for plateau in _candidates(line, limits):
        if limits.fits(plateau.architecture, plateau.cost):
            return _solution(line, limits, plateau)
    raise _nothing_fits(line, limits)


def _candidates(line: Line, limits: Limits) -> Iterator[Plateau]:
    """Yields all plateaus that might keep the limits, the largest phi first."""
    promised_by = line.rules.coefficients.multipliers
    base_macs = baseline_macs(line.baseline, line.classes)

    def exceeds(phi: float, cost: Cost) -> bool:
        promised = base_macs * promised_by(phi).macs_ratio
        macs = promised / _PROMISED_PER_REALISED if line.rules.trim else cost.macs
        at_least = {
            "weight_bytes": cost.weight_bytes,
            "file_bytes": cost.weight_bytes,  # a file holds the weights and more
            "macs": macs,
            "parameters": cost.parameters,
        }
        if limits.latency is not None:
            at_least["latency_ms"] = limits.latency.at_least_ms(macs, cost.weight_bytes)
        return any(at_least[name] > limit for name, limit in limits.given.items())

    high = line.highest(exceeds)
    if high < 0:  # phi 0 keeps its own resolution, so it may cost less than its neighbours
        yield from line.between(0, 0)
    ranges = iter([(line.lowest(), high)])
    if limits.macs is not None:
        ranges = line.may_fit(limits.macs, line.lowest(), high)
    for bottom, top in ranges:
        yield from line.between(bottom, top)


def _solution(line: Line, limits: Limits, plateau: Plateau) -> Solution:
    needed = limits.amounts(plateau.architecture, plateau.cost)
    top = round(plateau.high_phi * STEPS)
    following = None
    if top < LARGEST_STEP:
        with suppress(ArchitectureError):
            following = _scaled(line, top + 1)
    used = {name: needed[name] / limit for name, limit in limits.given.items()}
    broken = () if limits.latency is None else tuple(_broken(line, limits, plateau))
    return Solution(_scaled(line, top), used, following, broken)


def _broken(line: Line, limits: Limits, solved: Plateau) -> Iterator[tuple[float, float]]:
    """Yields the ranges of phi below a solution that break the limits, the smallest phi first."""
    top = round(solved.low_phi * STEPS) - 1
    ranges: list[tuple[int, int]] = []
    for plateau in line.between(max(line.lowest(), top - STEPS), top):
        if limits.fits(plateau.architecture, plateau.cost):
            continue
        low, high = round(plateau.low_phi * STEPS), round(plateau.high_phi * STEPS)
        if ranges and ranges[-1][0] == high + 1:
            _, high = ranges.pop()
        ranges.append((low, high))
    for low, high in reversed(ranges):
        yield low / STEPS, high / STEPS


def _scaled(line: Line, step: int) -> Variant:
    return scale(line.baseline, step / STEPS, classes=line.classes, rules=line.rules)


def _nothing_fits(line: Line, limits: Limits) -> ArchitectureError:
    """Returns the refusal, which names the smallest network by each limit."""
    lowest = _scaled(line, line.lowest())
    smallest, least = [], {}
    for name, amount in limits.amounts(lowest.architecture, lowest.cost).items():
        limit = limits.only(name, amount)
        found = _candidates(line, limit)
        sizes = [(limit.amounts(p.architecture, p.cost)[name], p.high_phi) for p in found]
        least[name], phi = min(sizes, key=lambda size: size[0])
        smallest.append(f"phi {phi:g} with {in_words({name: least[name]}, limits.given)}")
    return ArchitectureError(
        f"no network of '{line.baseline.name}' keeps to {in_words(limits.given, least)}; the"
        f" smallest there is: {', '.join(smallest)}"
    )
