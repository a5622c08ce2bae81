"""What ``edgescale classify`` costs as a whole: memory of all its processes, CPU until a result."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from edgescale.inference.child import pss_bytes
from tools.bench_live_scene import Scene

MIB = 2**20


@dataclass(frozen=True)
class Memory:
    """PSS of the main process and its workers, in MiB, at the moment of the largest sum."""

    main_mib: float
    workers_mib: float

    @property
    def all_mib(self) -> float:
        """Returns the sum."""
        return self.main_mib + self.workers_mib

    @property
    def text(self) -> str:
        """Returns the sum and its parts."""
        return (
            f"PSS {self.all_mib:.0f} MiB (main {self.main_mib:.0f}, worker {self.workers_mib:.0f})"
        )


def memory(scene: Scene, source: str | Path, *more: str, frames: int) -> Memory:
    """Runs ``classify`` on so many frames and returns its largest PSS by ``smaps_rollup``."""
    command = [*_command(scene, source), "--max-frames", str(frames), *more]
    with subprocess.Popen(command, env=_environment(scene), stdout=subprocess.DEVNULL) as run:
        largest = Memory(0.0, 0.0)
        while run.poll() is None:
            largest = max(largest, pss_of(run.pid), key=lambda one: one.all_mib)
            time.sleep(0.2)
    if run.returncode:
        raise SystemExit(f"classify ended with {run.returncode}")
    return largest


def pss_of(pid: int) -> Memory:
    """Returns the present PSS of a process and of all below it; nothing where it has ended."""
    try:
        below = psutil.Process(pid).children(recursive=True)
        return Memory(pss_bytes(pid) / MIB, sum(pss_bytes(one.pid) for one in below) / MIB)
    except (psutil.Error, ProcessLookupError):
        return Memory(0.0, 0.0)


@dataclass(frozen=True)
class Start:
    """CPU seconds of all processes from the command to its first result, and of that the invoke."""

    cpu_s: float
    invoke_cpu_s: float

    @property
    def beyond_invoke_s(self) -> float:
        """Returns what is ours."""
        return self.cpu_s - self.invoke_cpu_s


def start(scene: Scene, source: str | Path, *, times: int) -> Start:
    """Runs ``classify`` for one frame by a stored profile, so many times; returns the median.

    The clean end is in it. The model's first invoke is that of the result, as CPU time at most.
    """
    command = [*_command(scene, source, by_budget=True), "--max-frames", "1", "--json"]
    _cpu_s_of(command, scene)  # measures and stores the profile
    found = [_cpu_s_of(command, scene) for _ in range(times)]
    return Start(
        statistics.median(one.cpu_s for one in found),
        statistics.median(one.invoke_cpu_s for one in found),
    )


def _cpu_s_of(command: Sequence[str], scene: Scene) -> Start:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        command, env=_environment(scene), capture_output=True, text=True, timeout=120, check=False
    )
    if run.returncode:
        raise SystemExit(run.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    first = next(line for line in map(json.loads, run.stdout.splitlines()) if "invoke_ms" in line)
    return Start(spent_s, first["invoke_ms"] / 1000)


def _command(scene: Scene, source: str | Path, *, by_budget: bool = False) -> list[str]:
    chosen = ["--latency-budget", "1000"] if by_budget else ["--variant", scene.variant.name]
    folder = str(scene.family.folder)
    return [sys.executable, "-m", "edgescale", "classify", folder, "--source", str(source), *chosen]


def _environment(scene: Scene) -> dict[str, str]:
    return os.environ | {"EDGESCALE_DEVICES": str(scene.folder / "profiles")}
