"""Checks choices against an exhaustive measurement on this machine.

``select`` chooses at each budget from nothing, as on a fresh device. Before each choice every
variant is measured in one block, so that the exhaustive figures are of the same span of time: a
shared machine is faster in one minute than in the next. A choice agrees when it is the largest
variant whose p95 over all blocks is within the budget. Where it is not, the figures may not tell:
then the budget lies inside the 95 % interval of the p95 of the one chosen, or of each larger one
that was passed over. There are two intervals: one takes runs for independent of each other; the
other resamples whole blocks, and so also knows that the machine's speed drifts between them.

    python -m tools.check_choices FAMILY [--runs 1000] [--budgets 10] [--seed 1] [--threads 1]
"""

import argparse
import logging
import math
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgescale.cli import show
from edgescale.device.bench import Plan
from edgescale.device.measure import profile_with
from edgescale.device.profile import DeviceProfile
from edgescale.device.statistics import nearest_rank, quantile_interval
from edgescale.errors import NothingFits
from edgescale.family.store import Family, load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.choice import choose
from edgescale.selection.order import ordered
from edgescale.units import milliseconds

_RESAMPLES = 4000


def main() -> None:
    """Prints the measurement, one row per budget, and how many choices agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--budgets", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    family = load_family(asked.family)
    settings = WorkerSettings(device="cpu", threads=asked.threads)
    parts = [_block(family, settings, asked)]
    first = [tail.p95 for tail in _tails(family, parts).values()]
    random = np.random.default_rng(asked.seed)
    low, high = np.log(0.9 * min(first)), np.log(1.3 * max(first))
    limits = [float(one) for one in np.exp(np.sort(random.uniform(low, high, asked.budgets)))]
    choices = []
    for limit_ms in random.permutation(limits):
        choices.append(_chosen(family, settings, float(limit_ms)))
        if len(parts) < asked.budgets:
            parts.append(_block(family, settings, asked))
    tails, truth = _tails(family, parts), parts[0]
    psi = [part.noise.psi_during_percent or 0 for part in parts]
    print(
        f"{family.manifest.name}: {asked.runs} runs of each variant in {len(parts)} blocks between"
        f" the choices; {truth.machine.cpu_model}, {truth.machine.usable_cores} cores,"
        f" {truth.runtime} {truth.runtime_version}, {truth.threads} thread(s), PSI during the"
        f" blocks {min(psi):.0f} to {max(psi):.0f} %"
    )
    figures = [
        (
            name,
            str(tail.n),
            milliseconds(tail.median),
            milliseconds(tail.p95),
            _span(tail.of_runs),
            _span(tail.of_blocks),
        )
        for name, tail in tails.items()
    ]
    print(show.table(("variant", "n", "median", "p95", "95 % of runs", "95 % of blocks"), figures))
    judged = [(one, *_judged(tails, one)) for one in sorted(choices)]
    rows = [
        (
            milliseconds(choice.limit_ms),
            choice.name or "none",
            best or "none",
            verdict,
            str(choice.runs),
            f"{choice.cpu_s:.1f}",
        )
        for choice, best, verdict in judged
    ]
    print(show.table(("budget", "chosen", "exhaustive", "verdict", "runs", "CPU-s"), rows))
    verdicts = [verdict for _, _, verdict in judged]
    counted = {name: verdicts.count(name) for name in dict.fromkeys(verdicts)}
    print(f"of {len(choices)} choices, {', '.join(f'{k}: {n}' for k, n in counted.items())}")
    with tempfile.TemporaryDirectory() as folder:
        for what in ("from nothing, threads searched", "with a fresh profile"):
            command = [sys.executable, "-m", "edgescale", "-q", "select", str(asked.family)]
            command += [f"--profiles={folder}", "--device=cpu", f"--latency-budget={limits[-1]}"]
            before = _cpu_s()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(f"edgescale select {what}: {_cpu_s() - before:.1f} CPU-s")
    sys.exit("differs" in verdicts)


@dataclass(frozen=True)
class Tail:
    """A variant's p95 in milliseconds over all blocks, with two 95 % intervals of it."""

    n: int
    median: float
    p95: float
    of_runs: tuple[float, float]  # runs are independent of each other
    of_blocks: tuple[float, float]  # blocks are; 4,000 resamples of them


def _tail(blocks: Sequence[tuple[float, ...]]) -> Tail:
    runs = [ms for block in blocks for ms in block]
    low, high = quantile_interval(runs, 0.95)
    random = np.random.default_rng(0)
    drawn = [
        nearest_rank(np.concatenate([blocks[index] for index in indices]).tolist(), 0.95)
        for indices in random.integers(len(blocks), size=(_RESAMPLES, len(blocks)))
    ]
    ends = np.quantile(drawn, (0.025, 0.975))
    return Tail(
        n=len(runs),
        median=nearest_rank(runs, 0.5),
        p95=nearest_rank(runs, 0.95),
        of_runs=(low, math.inf if high is None else high),
        of_blocks=(float(ends[0]), float(ends[1])),
    )


def _tails(family: Family, parts: Sequence[DeviceProfile]) -> dict[str, Tail]:
    """Returns the exhaustive figures of each variant that could be measured, smallest first."""
    found = {}
    for variant in ordered(family, family.manifest.variants).variants:
        entries = [part.measurement(variant.name) for part in parts]
        blocks = [entry.latencies_ms for entry in entries if entry and entry.latencies_ms]
        if blocks:
            found[variant.name] = _tail(blocks)
    return found


def _span(ends: tuple[float, float]) -> str:
    return f"{milliseconds(ends[0])} to {milliseconds(ends[1])}"


@dataclass(frozen=True, order=True)
class Choice:
    """What ``select`` chose from nothing at one budget; the name is empty where nothing fits."""

    limit_ms: float
    name: str
    runs: int
    cpu_s: float


def _block(family: Family, settings: WorkerSettings, asked: argparse.Namespace) -> DeviceProfile:
    plan = Plan(runs=asked.runs // asked.budgets, rounds=1)
    return profile_with(family, settings, plan=plan)


def _chosen(family: Family, settings: WorkerSettings, limit_ms: float) -> Choice:
    before = _cpu_s()
    with tempfile.TemporaryDirectory() as folder:
        try:
            selection, profile = choose(family, settings, Budget(limit_ms), folder=folder)
            name, runs = selection.chosen.name, sum(one.n or 0 for one in profile.variants)
        except NothingFits:
            name, runs = "", 0
    return Choice(limit_ms, name, runs, _cpu_s() - before)


def _judged(tails: dict[str, Tail], choice: Choice) -> tuple[str, str]:
    """Returns what the exhaustive figures would have chosen, and how the choice compares."""
    fitting = [name for name, tail in tails.items() if tail.p95 <= choice.limit_ms]
    best = fitting[-1] if fitting else ""
    if choice.name == best:
        return best, "agrees"
    if _within(choice, best, {name: tail.of_runs for name, tail in tails.items()}):
        return best, "within runs"
    if _within(choice, best, {name: tail.of_blocks for name, tail in tails.items()}):
        return best, "within blocks"
    return best, "differs"


def _within(choice: Choice, best: str, ends: dict[str, tuple[float, float]]) -> bool:
    """Says whether the budget lies inside the intervals of all that decided otherwise."""
    places = ["", *ends]
    larger = places[places.index(choice.name) + 1 : places.index(best) + 1]  # passed over
    too_slow = choice.name != "" and ends[choice.name][0] > choice.limit_ms
    return not too_slow and all(ends[name][1] >= choice.limit_ms for name in larger)


def _cpu_s() -> float:
    """Returns the CPU time of this process and the children that ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(kind)[:2]) for kind in kinds)


if __name__ == "__main__":
    main()
