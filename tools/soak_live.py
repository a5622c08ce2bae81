"""A long run of ``edgescale classify`` on a camera: does it grow, does it stop, does it lose track?

The camera and the double of the Edge TPU are processes of their own, the command is the real one.
Private memory is what counts for growth: shared pages are split between whoever runs at the time.
With ``--faults`` the camera stalls, closes, sends garbage, changes its size and restarts, at random
times. Every outage has to be told and counted in the summary, every fault that must be an outage
has to be one, and results have to come again after each.

    python tools/soak_live.py [--seconds S] [--fps F] [--faults N] [-- MORE ARGUMENTS OF classify]
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mode
from typing import TypeVar

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is in no wheel

from tools.bench_live_camera import Camera, camera
from tools.bench_live_cost import MIB, pss_of
from tools.bench_live_scene import SIZES, Scene, conditions, double_behaves, scene
from tools.bench_live_slope import SPANS, slope_interval
from tools.soak_live_faults import LONGEST_FAULT_S, LONGEST_PAUSE_S, Fault, Heard, planned

MOST_MIB_PER_HOUR = 1.0
_WARM_UP_S = 60.0
_SAMPLES_PER_SPAN = 4
_SHORT_S = 600.0
_MOST_PICTURES = 2  # by which a short run may grow

T = TypeVar("T")


@dataclass(frozen=True)
class Samples:
    """Memory and descriptors of all processes of the run, with the time in seconds."""

    at_s: list[float] = field(default_factory=list)
    private_mib: list[float] = field(default_factory=list)
    pss_mib: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def take(self, pid: int) -> None:
        """Adds one sample."""
        try:
            parts = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            private, fds = sum(map(_private_mib, parts)), sum(one.num_fds() for one in parts)
        except (psutil.Error, OSError):
            return  # a worker that is being replaced
        self.at_s.append(time.monotonic())
        self.private_mib.append(private)
        self.pss_mib.append(pss_of(pid).all_mib)
        self.descriptors.append(fds)

    def after(self, start_s: float) -> "Samples":
        """Returns those after a time."""
        first = next((at for at, time_s in enumerate(self.at_s) if time_s >= start_s), 0)
        return Samples(
            self.at_s[first:], self.private_mib[first:], self.pss_mib[first:],
            self.descriptors[first:],
        )  # fmt: skip


@dataclass
class Run:
    """A run that was watched: the faults with the times at which the camera was told."""

    heard: Heard = field(default_factory=Heard)
    samples: Samples = field(default_factory=Samples)
    faults: list[tuple[float, Fault]] = field(default_factory=list)
    code: int = 0


def main() -> int:
    """Soaks and reports."""
    asked = _arguments()
    print(conditions(), flush=True)
    with (
        scene() as made,
        double_behaves(latency_ms=asked.latency),
        camera(asked.fps, SIZES[asked.size]) as seen,
    ):
        run = _soaked(made, seen, asked)
    print(conditions())
    return report(asked, run)


def _soaked(made: Scene, seen: Camera, asked: argparse.Namespace) -> Run:
    command = [
        sys.executable, "-m", "edgescale", "classify", str(made.family.folder), "--json",
        "--source", seen.url, "--variant", made.variant.name,
        "--device", "usb", "--edgetpu-library", str(made.library), *asked.more,
    ]  # fmt: skip
    here = os.environ | {"TMPDIR": str(made.folder)}  # another soak's Edge TPU is not this one's
    pipe, found = subprocess.PIPE, Run()
    with subprocess.Popen(command, env=here, stdout=pipe, stderr=pipe, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        listeners = [
            threading.Thread(target=found.heard.listen, args=(run.stdout,)),
            threading.Thread(target=found.heard.listen_beside, args=(run.stderr,)),
        ]
        for one in listeners:
            one.start()
        begun_s = time.monotonic()
        _watch(run, seen, found, asked)
        if run.poll() is None:
            run.send_signal(signal.SIGTERM)
        for one in listeners:
            one.join(30)
        found.code = run.wait(30)
    found.samples = found.samples.after(begun_s + min(_WARM_UP_S, asked.seconds / 2))
    return found


def _watch(
    run: "subprocess.Popen[str]", seen: Camera, found: Run, asked: argparse.Namespace
) -> None:
    """Takes samples and disturbs the camera, each at its time."""
    every_s = min(5.0, asked.seconds / SPANS / _SAMPLES_PER_SPAN)
    faults = planned(asked.faults, asked.seconds, asked.seed)
    begun_s = next_s = now_s = time.monotonic()
    while now_s < begun_s + asked.seconds and run.poll() is None:
        if now_s >= next_s:
            found.samples.take(run.pid)
            next_s += every_s
        while faults and now_s >= begun_s + faults[0].at_s:
            found.faults.append((now_s, faults[0]))
            seen.tell(faults.pop(0).order)
        due_s = min(next_s, *(begun_s + one.at_s for one in faults[:1]), begun_s + asked.seconds)
        time.sleep(max(0.0, due_s - time.monotonic()))
        now_s = time.monotonic()


def report(asked: argparse.Namespace, run: Run) -> int:
    """Prints every limit with the figure; returns the exit code."""
    samples, heard = run.samples, run.heard
    if len(samples.at_s) < SPANS:
        print(f"  the run ended early with {run.code}: {len(samples.at_s)} samples  MISSED")
        return 1
    # The usual number: while a source is away there is one less.
    fds = [mode(part) for part in halves(samples.descriptors)]
    # The next fault may come while the last one is being got over.
    longest_s = LONGEST_PAUSE_S + (LONGEST_FAULT_S if asked.faults else 0)
    lines = {
        **_memory_line(asked, samples),
        f"PSS at most {max(samples.pss_mib):.0f} MiB": True,
        f"descriptors: {fds[0]} to {fds[1]}": fds[1] <= fds[0],
        f"{heard.results} results, {heard.results / asked.seconds:.1f} per s, longest pause"
        f" {heard.longest_pause_s:.2f} s <= {longest_s:g} s": (
            heard.results > 0 and heard.longest_pause_s <= longest_s
        ),
        **_outage_lines(asked, run),
        f"exit code {run.code}, 143 by SIGTERM": run.code == 143,
    }
    for line, good in lines.items():
        print(f"  {line}  {'reached' if good else 'MISSED'}")
    return int(not all(lines.values()))


def halves(values: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Returns the first half and the second."""
    middle = len(values) // 2
    return values[:middle], values[middle:]


def _memory_line(asked: argparse.Namespace, samples: Samples) -> dict[str, bool]:
    """Judges growth.

    How many pictures are held at a moment is by chance, a few on a busy machine. In minutes that
    looks like a slope; so a short run may also show by the least of each half that it holds none,
    outages left out, in which a camera's buffers are given back.
    """
    mib = samples.private_mib
    low, high = (3600 * one for one in slope_interval(samples.at_s, mib))
    good = low <= 0 or high < MOST_MIB_PER_HOUR
    limit = f"holds 0 or ends below {MOST_MIB_PER_HOUR:g}"
    if samples.at_s[-1] - samples.at_s[0] < _SHORT_S:
        first, second = map(min, halves(_while_playing(samples)))
        width, height = SIZES[asked.size]
        most_mib = _MOST_PICTURES * width * height * 3 / MIB
        good = good or second - first < most_mib
        limit += f"; or least of a half {second - first:+.2f} MiB, below {most_mib:.2f}"
    return {
        f"private memory after {len(mib)} samples: {mib[0]:.1f} to {mib[-1]:.1f} MiB,"
        f" slope {low:+.1f} to {high:+.1f} MiB/h, {limit}": good
    }


def _while_playing(samples: Samples) -> list[float]:
    usual = mode(samples.descriptors)
    pairs = zip(samples.private_mib, samples.descriptors, strict=True)
    return [mib for mib, descriptors in pairs if descriptors >= usual]


def _outage_lines(asked: argparse.Namespace, run: Run) -> dict[str, bool]:
    heard = run.heard
    lost, back = len(heard.lost_at_s), len(heard.back_at_s)
    certain = [(at_s, one) for at_s, one in run.faults if one.is_outage]
    seen = sum(heard.told(one, at_s) for at_s, one in certain)
    counted, counted_s = heard.summary or (-1, -1.0)
    return {
        f"{asked.faults} faults, {lost} outages told, {back} ends of them": lost == back,
        f"{len(certain)} faults that must be outages, {seen} were": seen == len(certain),
        f"the summary counts {counted} outages of {counted_s:.1f} s, the events {lost} of"
        f" {heard.away_s:.1f} s": counted == lost and abs(counted_s - heard.away_s) < 0.1,
    }


def _private_mib(process: psutil.Process) -> float:
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / MIB


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--size", choices=SIZES, default="720p", help="of its pictures at first")
    parser.add_argument("--fps", type=float, default=30.0, help="of the camera")
    parser.add_argument("--latency", type=float, default=10.0, help="of an invoke, in ms")
    parser.add_argument("--faults", type=int, default=0, help="of the camera, at random times")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("more", nargs="*", help="for classify, after --")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
