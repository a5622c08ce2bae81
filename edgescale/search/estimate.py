"""What a search will take, from a few measured steps of its incumbent on this machine."""

import math
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edgescale.builder.tensorflow_setup import require_tensorflow
from edgescale.search.definition import Search
from edgescale.search.local import LocalEngine


@dataclass(frozen=True)
class Estimate:
    """Seconds of one trial of the incumbent, and hours of the whole search."""

    trial_s: float
    hours: float
    cpu_hours: float


def estimate(search: Search, slots: int) -> Estimate:
    """Trains some twenty steps after a warm-up; nothing is kept.

    Candidates cost the same, so one speaks for all; the baseline's trials count by their MACs. One
    thread trains a trial, so its wall time is its CPU time where each slot has a core. The last
    trials need as long as the first, though slots are idle beside them.

    Args:
        search: what is searched.
        slots: trials at a time that have a core each.

    Raises:
        BuildError: TensorFlow is missing, or the training failed.
        SearchError: the training failed.
    """
    require_tensorflow()
    incumbent, own = search.space.incumbent, search.baseline
    with tempfile.TemporaryDirectory() as place, closing(LocalEngine(1)) as engine:
        job = search.job(incumbent, 0, Path(place))
        Path(job.folder).mkdir(parents=True)
        start_s, epoch_s = engine.measure(job)
    trial_s = start_s + search.epochs * epoch_s
    seeds = len(search.seeds)
    whole = search.trials * trial_s
    if search.options.baseline == "trained":
        share = own.variant.cost.macs / search.space.target_macs
        whole -= seeds * search.epochs * epoch_s * (1 - share)
    rounds = math.ceil(search.trials / slots)
    return Estimate(trial_s, rounds * whole / search.trials / 3600, whole / 3600)
