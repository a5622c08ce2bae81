"""How many threads an interpreter runs fastest with on this CPU, found by trying.

More threads are often slower: small layers cost more to share out than to compute, and a quota or
another program may leave fewer cores than the machine has.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from edgescale.device.bench import Bench
from edgescale.device.picture import texture
from edgescale.device.probe import probe
from edgescale.device.profile import ThreadTrial
from edgescale.device.rig import Rig
from edgescale.device.side_by_side import UNCOUNTED
from edgescale.device.statistics import nearest_rank
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from edgescale.units import milliseconds

log = logging.getLogger(__name__)

MOST_THREADS = 8  # of an interpreter; beyond, int8 networks of this size gain nothing
_ROUNDS = 5
_RUNS_PER_ROUND = 4
_WARMUP_RUNS = 3
_FASTER = 0.95  # more threads must take at most this share of the time of fewer


def search_threads(
    family: Family, settings: WorkerSettings, variants: Sequence[VariantRecord], rig: Rig
) -> tuple[int, tuple[ThreadTrial, ...]]:
    """Returns the thread count to use, and the counts that were tried for it.

    On the CPU, with no count asked for, one variant of middle size runs with 1, 2, 4 ... threads
    up to the usable cores, in blocks that alternate. More threads win only where they are at least
    5 % faster than fewer: they take cores from the video decoder, and noise alone gives 2 %.

    Args:
        family: the family.
        settings: with ``auto`` resolved; a count in it is taken as it is, and so is an Edge TPU,
            which needs one.
        variants: those that will be measured.
        rig: what is measured with.

    Raises:
        EdgescaleError: the machine lacks the runtime.
    """
    counts = thread_counts()
    if settings.threads is not None or settings.device != "cpu" or len(counts) == 1:
        return settings.threads or 1, ()
    middle = len(variants) // 2
    by_size = sorted(variants, key=lambda one: one.macs)
    for place in sorted(range(len(by_size)), key=lambda place: abs(place - middle)):
        trials = _tried(family, by_size[place], settings, counts, rig)
        if trials:
            threads = fastest(trials)
            tried = ", ".join(f"{one.threads}: {milliseconds(one.median_ms)}" for one in trials)
            log.info("threads: %d (medians of '%s': %s)", threads, by_size[place].name, tried)
            return threads, trials
    return 1, ()  # nothing runs here, and who measures will say why


def _tried(
    family: Family,
    variant: VariantRecord,
    settings: WorkerSettings,
    counts: Sequence[int],
    rig: Rig,
) -> tuple[ThreadTrial, ...]:
    """Returns the medians of one variant, none where it does not run."""
    frame = texture()
    with ExitStack() as stack:
        benches = []
        for count in counts:
            bench = Bench(family, variant, replace(settings, threads=count), rig)
            stack.callback(bench.close)
            bench.start()
            bench.warm_up(frame, _WARMUP_RUNS)
            benches.append(bench)
        for _ in range(_ROUNDS):
            for bench in benches:
                bench.block(frame, _RUNS_PER_ROUND, uncounted=UNCOUNTED)
    return tuple(
        ThreadTrial(count, nearest_rank(bench.latencies_ms, 0.5))
        for count, bench in zip(counts, benches, strict=True)
        if bench.problem is None
    )


def thread_counts() -> tuple[int, ...]:
    """Returns 1, 2, 4 ... and the number of usable cores; a CPU quota makes fewer of them."""
    machine = probe()
    cores = min(machine.usable_cores, MOST_THREADS)
    if machine.cpu_quota_cores is not None:
        cores = min(cores, max(1, int(machine.cpu_quota_cores)))
    powers = [2**power for power in range(4) if 2**power < cores]
    return (*powers, cores)


def fastest(trials: Sequence[ThreadTrial]) -> int:
    """Returns the thread count worth its cores, 1 where nothing could be tried."""
    best: ThreadTrial | None = None
    for trial in trials:
        if best is None or trial.median_ms <= _FASTER * best.median_ms:
            best = trial
    return 1 if best is None else best.threads
