"""Checks choices against an exhaustive measurement on this machine.

Every variant is measured many times, in blocks that alternate; then ``select`` chooses anew at each
budget, from nothing, as on a fresh device. A choice agrees when it is the largest variant whose p95
is within the budget. Where it is not, the figures may not tell: then the budget lies inside the
95 % interval of the p95 of the one chosen, or of each larger one that was passed over.

    python -m tools.check_choices FAMILY [--runs 1000] [--budgets 10] [--seed 1] [--threads 1]
"""

import argparse
import logging
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgescale.cli import show
from edgescale.device.bench import Plan
from edgescale.device.measure import profile_with
from edgescale.device.probe import pressure
from edgescale.device.profile import DeviceProfile
from edgescale.device.statistics import quantile_interval
from edgescale.errors import NothingFits
from edgescale.family.store import Family, load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.choice import choose
from edgescale.selection.order import ordered
from edgescale.units import milliseconds


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
    truth = profile_with(family, settings, plan=Plan(runs=asked.runs, rounds=50))
    machine, noise = truth.machine, truth.noise
    print(
        f"{family.manifest.name}: {asked.runs} runs of each variant in blocks that alternate;"
        f" {machine.cpu_model}, {machine.usable_cores} cores, {truth.runtime}"
        f" {truth.runtime_version}, {truth.threads} thread(s), PSI during it"
        f" {noise.psi_during_percent or 0:.0f} %, load now {pressure().load}"
    )
    print(show.table(("variant", "n", "median", "p95", "95 % interval"), _rows(truth)))
    tails = [entry.latency_ms.p95 for entry in truth.variants if entry.latency_ms]
    random = np.random.default_rng(asked.seed)
    low, high = np.log(0.9 * min(tails)), np.log(1.3 * max(tails))
    limits = np.exp(np.sort(random.uniform(low, high, asked.budgets)))
    agreed, rows = 0, []
    for limit_ms in limits:
        row, agrees = _checked(family, settings, truth, float(limit_ms))
        rows.append(row)
        agreed += agrees
    print(show.table(("budget", "chosen", "exhaustive", "verdict", "runs", "CPU-s"), rows))
    print(f"{agreed} of {asked.budgets} agree, or the figures cannot tell")
    with tempfile.TemporaryDirectory() as folder:
        for what in ("from nothing, threads searched", "with a fresh profile"):
            command = [sys.executable, "-m", "edgescale", "-q", "select", str(asked.family)]
            command += [f"--profiles={folder}", "--device=cpu", f"--latency-budget={limits[-1]}"]
            before = _cpu_s()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(f"edgescale select {what}: {_cpu_s() - before:.1f} CPU-s")
    sys.exit(agreed < asked.budgets)


def _rows(truth: DeviceProfile) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for entry in truth.variants:
        found = entry.latency_ms
        if found is None:
            rows.append((entry.variant, "-", "-", "-", entry.error or ""))
            continue
        low, high = quantile_interval(entry.latencies_ms, 0.95)
        ends = f"{milliseconds(low)} to {milliseconds(high or 0)}"
        figures = (milliseconds(found.median), milliseconds(found.p95), ends)
        rows.append((entry.variant, str(entry.n), *figures))
    return rows


def _checked(
    family: Family, settings: WorkerSettings, truth: DeviceProfile, limit_ms: float
) -> tuple[tuple[str, ...], bool]:
    """Chooses with nothing stored; returns the row and whether it agrees."""
    before = _cpu_s()
    with tempfile.TemporaryDirectory() as folder:
        try:
            selection, profile = choose(family, settings, Budget(limit_ms), folder=folder)
            chosen, runs = selection.chosen.name, sum(one.n or 0 for one in profile.variants)
        except NothingFits:
            chosen, runs = "", 0
    cpu_s = _cpu_s() - before
    names = [variant.name for variant in ordered(family, family.manifest.variants).variants]
    best = ""
    for name in names:
        entry = truth.measurement(name)
        if entry and entry.latency_ms and entry.latency_ms.p95 <= limit_ms:
            best = name
    places = {name: place for place, name in enumerate(["", *names])}
    passed_over = names[places[chosen] : places[best]]  # larger than the chosen one
    clear = any(_clearly(truth, name, limit_ms) == "fits" for name in passed_over)
    clear = clear or (chosen != best and _clearly(truth, chosen, limit_ms) == "over")
    verdict = "agrees" if chosen == best else "differs" if clear else "cannot tell"
    row = (milliseconds(limit_ms), chosen or "none", best or "none", verdict, str(runs))
    return (*row, f"{cpu_s:.1f}"), verdict != "differs"


def _clearly(truth: DeviceProfile, name: str, limit_ms: float) -> str:
    """Says on which side of the limit the 95 % interval of a p95 lies; empty where on both."""
    entry = truth.measurement(name)
    if entry is None or not entry.latencies_ms:
        return ""
    low, high = quantile_interval(entry.latencies_ms, 0.95)
    if low > limit_ms:
        return "over"
    return "fits" if high is not None and high < limit_ms else ""


def _cpu_s() -> float:
    """Returns the CPU time of this process and the children that ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(kind)[:2]) for kind in kinds)


if __name__ == "__main__":
    main()
