"""What runs trials: the seam between a study and the machines that train.

A study asks an engine for one trial from each of ``slots`` threads at a time; it never learns
where a trial ran, so that every engine gives the same study.
"""

from typing import Protocol

from edgescale.errors import SearchError
from edgescale.search.training import OnEpoch, TrialJob, TrialOutcome


class TrialFailed(SearchError):
    """The training of one trial failed; the others go on."""


class TrialStopped(SearchError):
    """``on_epoch`` asked for no further epoch."""


class EngineClosed(SearchError):
    """The engine was closed while the trial ran; the trial goes on with the next search."""


class Engine(Protocol):
    """Runs trials.

    Attributes:
        name: as ``--engine`` takes it.
        slots: trials that may run at a time.
    """

    name: str
    slots: int

    def run(self, job: TrialJob, on_epoch: OnEpoch) -> TrialOutcome:
        """Trains one trial; blocks, and is called from ``slots`` threads at a time.

        ``on_epoch`` is told every epoch in order from the first, those of an earlier run of the
        trial included. When this returns, ``weights.npz`` lies in the job's folder.

        Raises:
            TrialFailed: the training failed.
            TrialStopped: ``on_epoch`` returned False; no weights are kept.
            EngineClosed: ``close`` was called meanwhile, from another thread.
        """

    def close(self) -> None:
        """Ends every trial that still runs; may be called twice, and from any thread."""
