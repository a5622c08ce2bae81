"""Measures variants side by side: one worker each, in blocks that alternate between them.

Alternating spreads a slow moment of the machine over all variants instead of one.
"""

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgescale.device.bench import Bench, Measured, Plan, Progress
from edgescale.device.picture import texture
from edgescale.device.rig import Rig, Weight
from edgescale.device.statistics import share
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings

log = logging.getLogger(__name__)

# Of a block, after other variants had the caches: the first run of a 1 ms model takes half as much
# again and the second a third; a model of 10 ms shows nothing.
UNCOUNTED = 2
_WORKERS_AT_ONCE = 8  # each holds an interpreter: 30 to 100 MiB
_LONG_S = 20.0  # a wait that is announced


def measure(  # noqa: PLR0913 - what, how much, with what, and who is asked and told
    family: Family,
    variants: Sequence[VariantRecord],
    *,
    settings: WorkerSettings,
    plan: Plan,
    rig: Rig,
    room: Callable[[VariantRecord], None] | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Measures the variants; one that fails is recorded with its error and the rest goes on.

    One for which ``room`` raises is not started.

    Raises:
        EdgescaleError: the machine lacks the runtime or the device, or no variant at all could be
            measured (then the first one's error).
    """
    benches = [Bench(family, variant, settings, rig, room) for variant in variants]
    steps = len(benches) * plan.runs
    done = 0
    clocks: list[float | None] = []
    for group in groups(benches, settings.device):
        for finished in _measured_group(group, plan, lambda: clocks.append(rig.cpu_mhz())):
            done += finished
            if progress is not None:
                progress(done, steps)
    runtimes = [bench.runtime for bench in benches if bench.problem is None and bench.runtime]
    if not runtimes:
        raise next(bench.problem for bench in benches if bench.problem is not None)
    figures = tuple(bench.measurement() for bench in benches)
    return Measured(*runtimes[0], figures, clocks[0], clocks[-1])


def groups(benches: Sequence[Bench], device: str) -> list[Sequence[Bench]]:
    """Splits the variants into those whose workers live at the same time.

    A second process on an Edge TPU kills the first one's work, so there it is one at a time.
    """
    size = _WORKERS_AT_ONCE if device == "cpu" else 1
    return [benches[start : start + size] for start in range(0, len(benches), size)]


def _measured_group(
    group: Sequence[Bench], plan: Plan, read_clock: Callable[[], None]
) -> Iterator[int]:
    """Measures one group, giving the number of runs after each block; ends all its workers."""
    frame = texture()
    try:
        more = _started(group, frame, plan.warmup_runs)
        expected_s = plan.runs * sum(bench.expected_ms for bench in group) / 1000
        if expected_s > _LONG_S:
            names = ", ".join(bench.variant.name for bench in group)
            log.info("%d runs of each of %s take about %.0f s", plan.runs, names, expected_s)
        read_clock()
        for runs in share(plan.runs, plan.rounds):
            for bench in group:
                bench.block(frame, runs, uncounted=UNCOUNTED if len(group) > 1 else 0)
                yield runs
        read_clock()
        for bench in group:
            bench.throughput(frame, min(plan.runs, plan.pipelined_runs))
        for bench in group:
            bench.weigh(more)
    finally:
        for bench in group:
            bench.close()


def _started(group: Sequence[Bench], frame: NDArray[np.uint8], warmup_runs: int) -> Weight:
    """Starts and warms up all, and returns what each would weigh more if it were alone.

    Workers share the pages of their libraries, so that each weighs less beside others than it will
    when it serves. The first one is weighed before and after the others come; they run the same
    program, so what it lost is what each of them lost.
    """
    first: Bench | None = None
    alone = Weight(0, 0)
    for bench in group:
        bench.start()
        bench.warm_up(frame, warmup_runs)
        if first is None and bench.worker is not None:
            first, alone = bench, bench.weigh()
    if first is None or first.worker is None:
        return Weight(0, 0)
    return alone.beyond(first.weigh())
