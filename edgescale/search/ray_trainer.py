"""The process of one trial on a worker of a Ray cluster, and the folder it trains in.

A folder is removed with its trial. What a kill leaves is removed by the engine, or by the next
trial on that machine; so a folder's name says whose it is.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgescale.search.training import TrialJob

Events = Callable[[TrialJob, Path], Iterator[dict[str, Any]]]

_PREFIX = "edgescale-trial-"


class Trainer:
    """The process of one trial on a worker.

    Args:
        events: trains a job in a folder and yields its events.
    """

    def __init__(self, events: Events) -> None:
        remove_left_over()
        self._events = events
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))

    def train(self, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Trains; yields first where, then the events, the last one with the node's name."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        yield {"event": "started", "node": node, "folder": str(self._folder)}
        for event in self._events(TrialJob(**job), self._folder):
            if event["event"] == "done":
                outcome = event["outcome"]
                outcome["host"] = f"{outcome['host']} (Ray node {node[:8]})"
                outcome["versions"]["ray"] = ray.__version__
            yield event

    def end(self) -> None:
        """Removes the trial's files and ends the process, in the middle of an epoch if need be."""
        remove_folder(str(self._folder))
        os._exit(0)


def remove_folder(folder: str) -> None:
    """Removes the folder of a trial on this machine."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_left_over() -> None:
    """Removes the folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name[len(_PREFIX) :].partition("-")[0]
        if pid.isdigit() and not _lives(int(pid)):
            remove_folder(str(folder))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
