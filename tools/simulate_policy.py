"""Simulates choosing under noise, where the truth is known: our policy beside simpler rules.

Each world is a family whose true p95 is computed, not measured: 9 variants 1.35 apart, lognormal
noise, spikes, contention that lasts (AR(1)), a jump of latency in half of the worlds as where the
weights leave the chip. A rule sees latencies only; it breaks a budget when the true p95 of what it
chose is above. Regret counts how many variants smaller than need be.

    python -m tools.simulate_policy [--worlds 5000] [--seed 1]
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgescale.device.statistics import nearest_rank
from edgescale.selection.policy import LOOK_RUNS, LargestWithin
from edgescale.selection.sequential import RULES, TailLimit

VARIANTS = 9
STEP = 1.35
NOISE = (0.02, 0.10)  # sigma of the logarithm
SPIKE_SHARE = (0.0, 0.04)
SPIKE_FACTOR = (1.3, 3.0)  # each spike's own
CONTENTION = (0.0, 0.2)  # stationary sigma of the logarithm
RHO = (0.0, 0.9)  # of contention, from one run to the next
CLIFF_SHARE = 0.5
CLIFF_FACTOR = (1.3, 2.5)
_GRID = np.linspace(*SPIKE_FACTOR, 33)


@dataclass(frozen=True)
class World:
    """A family of which the truth is known; ``medians_ms`` rise along the variants."""

    medians_ms: NDArray[np.float64]  # (variants,)
    noise: float
    contention: float
    rho: float
    spike_share: float
    seed: int

    @property
    def sigma(self) -> float:
        """Returns that of the logarithm without spikes."""
        return math.hypot(self.noise, self.contention)

    def true_quantiles_ms(self, fraction: float) -> NDArray[np.float64]:
        """Returns each variant's quantile of the marginal distribution, found by bisection."""
        low, high = 0.0, 20.0  # of the median: all variants have the same noise
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self._below(middle) < fraction else (low, middle)
        return np.asarray(self.medians_ms * high)

    def samples_ms(self, variant: int, count: int) -> NDArray[np.float64]:
        """Returns the first latencies of a variant: the same ones however many are asked for."""
        # One generator each, row by row, so that a longer request begins alike.
        normal = np.random.default_rng((self.seed, variant, 0)).standard_normal((count, 2))
        chance = np.random.default_rng((self.seed, variant, 1)).random((count, 2))
        lasting = normal[:, 1].tolist()
        fresh = math.sqrt(1 - self.rho**2)
        for index in range(1, count):
            lasting[index] = self.rho * lasting[index - 1] + fresh * lasting[index]
        low, high = SPIKE_FACTOR
        factor = np.where(chance[:, 0] < self.spike_share, low + chance[:, 1] * (high - low), 1.0)
        noise = self.noise * normal[:, 0] + self.contention * np.array(lasting)
        return np.asarray(self.medians_ms[variant] * np.exp(noise) * factor)

    def _below(self, of_median: float) -> float:
        """Returns the share of the runs below a multiple of the median."""
        ratio = math.log(of_median)
        plain = _phi(ratio / self.sigma)
        spiked = np.mean([_phi((ratio - math.log(factor)) / self.sigma) for factor in _GRID])
        return float((1 - self.spike_share) * plain + self.spike_share * spiked)


class Drawn:
    """The latencies of one world, as a rule asks for them; counts what was measured."""

    def __init__(self, world: World) -> None:
        """Draws nothing yet."""
        self._world = world
        self._drawn: dict[str, list[float]] = {}
        self._used: dict[str, int] = {}

    @property
    def runs(self) -> int:
        """Returns how many inferences were asked for."""
        return sum(self._used.values())

    def latencies(self, variant: str, count: int) -> Sequence[float]:
        """Returns the first ``count`` latencies of a variant."""
        known = self._drawn.get(variant, [])
        if len(known) < count:
            known = self._world.samples_ms(int(variant), 2 * count).tolist()
            self._drawn[variant] = known
        self._used[variant] = max(self._used.get(variant, 0), count)
        return known[:count]


Policy = Callable[[Sequence[str], Drawn, float], str | None]


def certified(variants: Sequence[str], drawn: Drawn, limit_ms: float) -> str | None:
    """Chooses as ``edgescale select`` does."""
    return LargestWithin(drawn, [TailLimit(limit_ms, RULES[95])]).search(variants).chosen


def measuring_all(runs: int, figure: Callable[[Sequence[float]], float]) -> Policy:
    """Returns the rule "measure each variant, take the largest whose figure is in the limit"."""

    def chosen(variants: Sequence[str], drawn: Drawn, limit_ms: float) -> str | None:
        figures = [(one, figure(drawn.latencies(one, runs))) for one in variants]
        return next((one for one, ms in reversed(figures) if ms <= limit_ms), None)

    return chosen


def mean(latencies_ms: Sequence[float]) -> float:
    """Returns the arithmetic mean."""
    return sum(latencies_ms) / len(latencies_ms)


POLICIES: dict[str, Policy] = {
    "mean of 10 runs": measuring_all(10, mean),
    "mean of 10 runs, 20 % margin": measuring_all(10, lambda found: 1.2 * mean(found)),
    "p95 of 50 runs": measuring_all(50, lambda found: nearest_rank(found, 0.95)),
    "edgescale select": certified,
}


@dataclass(frozen=True)
class Score:
    """What a policy came to over many worlds; shares are of all worlds."""

    violations: float
    far_over: float  # true p95 more than 5 % above the limit
    regret: float  # mean number of variants smaller than the largest that truly fits
    exact: float
    runs: float  # mean number of inferences


def worlds(count: int, seed: int) -> list[tuple[World, float]]:
    """Returns worlds with a budget each, uniform in log latency."""
    random = np.random.default_rng(seed)
    return [_world(random) for _ in range(count)]


def score(policy: Policy, made: Sequence[tuple[World, float]]) -> Score:
    """Runs a policy in every world."""
    names = [str(index) for index in range(VARIANTS)]
    over = far = exact = regret = runs = 0.0
    for world, limit_ms in made:
        drawn = Drawn(world)
        answer = policy(names, drawn, limit_ms)
        chosen = -1 if answer is None else int(answer)
        truth_ms = world.true_quantiles_ms(0.95)
        best = max((index for index, ms in enumerate(truth_ms) if ms <= limit_ms), default=-1)
        over += chosen > best
        far += chosen >= 0 and truth_ms[chosen] > 1.05 * limit_ms
        exact += chosen == best
        regret += max(0, best - chosen)
        runs += drawn.runs
    return Score(*(value / len(made) for value in (over, far, regret, exact, runs)))


def main() -> None:
    """Prints the parameters and one row per policy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(
        f"{asked.worlds} worlds, seed {asked.seed}: {VARIANTS} variants x{STEP} apart, lognormal"
        f" noise {_span(NOISE)}, contention {_span(CONTENTION)} as AR(1) with rho {RHO[0]} to"
        f" {RHO[1]}, spikes {_span(SPIKE_SHARE)} of x{SPIKE_FACTOR[0]} to x{SPIKE_FACTOR[1]}, in"
        f" {CLIFF_SHARE:.0%} a cliff of x{CLIFF_FACTOR[0]} to x{CLIFF_FACTOR[1]}; budget uniform in"
        f" log latency from half the fastest median to twice the slowest; rule: {RULES[95]}, after"
        f" a look of {LOOK_RUNS} runs"
    )
    made = worlds(asked.worlds, asked.seed)
    print(
        f"{'policy':30s} {'violations':>10s} {'>5 % over':>10s} {'regret':>7s} {'exact':>7s} runs"
    )
    for name, policy in POLICIES.items():
        one = score(policy, made)
        print(
            f"{name:30s} {one.violations:10.2%} {one.far_over:10.2%} {one.regret:7.3f}"
            f" {one.exact:7.1%} {one.runs:.0f}"
        )


def _world(random: np.random.Generator) -> tuple[World, float]:
    medians_ms = 5.0 * np.power(STEP, np.arange(VARIANTS, dtype=np.float64))
    if random.random() < CLIFF_SHARE:
        medians_ms[random.integers(1, VARIANTS) :] *= random.uniform(*CLIFF_FACTOR)
    world = World(
        medians_ms,
        noise=random.uniform(*NOISE),
        contention=random.uniform(*CONTENTION),
        rho=random.uniform(*RHO),
        spike_share=random.uniform(*SPIKE_SHARE),
        seed=int(random.integers(2**31)),
    )
    low, high = math.log(medians_ms[0] / 2), math.log(2 * medians_ms[-1])
    return world, math.exp(random.uniform(low, high))


def _span(shares: tuple[float, float]) -> str:
    return f"{shares[0]:.0%} to {shares[1]:.0%}"


def _phi(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


if __name__ == "__main__":
    main()
