"""A long run of ``edgescale classify`` on a camera: does it grow, does it stop, does it lose track?

The camera and the double of the Edge TPU are processes of their own, the command is the real one.
Private memory is what counts for growth: shared pages are split between whoever runs at the time.
With ``--faults`` the camera stalls, closes, sends garbage, changes its size and restarts, at random
times; every outage has to be told, and results have to come again after each.

    python tools/soak_live.py [--seconds S] [--fps F] [--faults N] [-- MORE ARGUMENTS OF classify]
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is in no wheel

from tools.bench_live_camera import Camera, camera
from tools.bench_live_cost import pss_of
from tools.bench_live_scene import SIZES, Scene, conditions, double_behaves, scene
from tools.bench_live_slope import SPANS, slope_interval

MOST_MIB_PER_HOUR = 1.0
_WARM_UP_S = 60.0
_LONGEST_PAUSE_S = 15.0  # a read timeout, the longest wait until the next try, and the opening
_SAMPLES_PER_SPAN = 4
_FAULTS = ("stall", "close_clients", "garbage", "resize 320 240", "resize 640 480", "restart 0.5")
_LONGEST_FAULT_S = 7.0  # longer than the read timeout, so that some stalls are outages


@dataclass
class Heard:
    """What the run has said so far."""

    results: int = 0
    last_s: float = 0.0
    longest_pause_s: float = 0.0
    events: Counter[str] = field(default_factory=Counter)

    def listen(self, lines: IO[str]) -> None:
        """Reads JSON lines until the run ends."""
        for line in lines:
            record = json.loads(line)
            if "event" in record:
                self.events[str(record["event"])] += 1
                continue
            now_s = time.monotonic()
            if self.results:
                self.longest_pause_s = max(self.longest_pause_s, now_s - self.last_s)
            self.results, self.last_s = self.results + 1, now_s


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


def main() -> int:
    """Soaks and reports."""
    asked = _arguments()
    print(conditions(), flush=True)
    with (
        scene() as made,
        double_behaves(latency_ms=asked.latency),
        camera(asked.fps, SIZES["720p"]) as seen,
    ):
        heard, samples, code, warm_s = _soaked(made, seen, asked)
    print(conditions())
    return _report(asked, heard, samples.after(warm_s), code)


def _soaked(
    made: Scene, seen: Camera, asked: argparse.Namespace
) -> tuple[Heard, Samples, int, float]:
    command = [
        sys.executable, "-m", "edgescale", "classify", str(made.family.folder), "--json",
        "--source", seen.url, "--variant", made.variant.name,
        "--device", "usb", "--edgetpu-library", str(made.library), *asked.more,
    ]  # fmt: skip
    heard, samples = Heard(), Samples()
    every_s = min(5.0, asked.seconds / SPANS / _SAMPLES_PER_SPAN)
    faults = _fault_times(asked)
    with subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        listener = threading.Thread(target=heard.listen, args=(run.stdout,))
        listener.start()
        begun_s = time.monotonic()
        next_s = begun_s
        while time.monotonic() < begun_s + asked.seconds and run.poll() is None:
            samples.take(run.pid)
            while faults and time.monotonic() >= begun_s + faults[0][0]:
                seen.tell(faults.pop(0)[1])
            next_s += every_s
            time.sleep(max(0.0, next_s - time.monotonic()))
        if run.poll() is None:
            run.send_signal(signal.SIGTERM)
        listener.join(30)
        code = run.wait(30)
    return heard, samples, code, begun_s + min(_WARM_UP_S, asked.seconds / 2)


def _fault_times(asked: argparse.Namespace) -> list[tuple[float, str]]:
    """Returns when the camera is told what, from the start; the last quiet part shows recovery."""
    if not asked.faults:
        return []
    chance = random.Random(asked.seed)
    space_s = (asked.seconds - 2 * _LONGEST_PAUSE_S) / asked.faults
    found = []
    for number in range(asked.faults):
        at_s = _LONGEST_PAUSE_S + number * space_s
        fault = chance.choice(_FAULTS)
        found.append((at_s, fault))
        if fault == "stall":
            found.append((at_s + chance.uniform(0.2, min(_LONGEST_FAULT_S, space_s)), "resume"))
    return found


def _report(asked: argparse.Namespace, heard: Heard, samples: Samples, code: int) -> int:
    if len(samples.at_s) < SPANS:
        print(f"  the run ended early with {code}: {len(samples.at_s)} samples  MISSED")
        return 1
    low, high = (3600 * one for one in slope_interval(samples.at_s, samples.private_mib))
    more = samples.descriptors[-1] - samples.descriptors[0]
    lost, back = heard.events["source-lost"], heard.events["source-back"]
    lines = {
        f"private memory after {len(samples.at_s)} samples: {samples.private_mib[0]:.1f} to"
        f" {samples.private_mib[-1]:.1f} MiB, slope {low:+.1f} to {high:+.1f} MiB/h,"
        f" holds 0 or ends below {MOST_MIB_PER_HOUR:g}": low <= 0 or high < MOST_MIB_PER_HOUR,
        f"PSS at most {max(samples.pss_mib):.0f} MiB": True,
        f"descriptors: {samples.descriptors[0]} to {samples.descriptors[-1]}": more <= 0,
        f"{heard.results} results, {heard.results / asked.seconds:.1f} per s, longest pause"
        f" {heard.longest_pause_s:.2f} s <= {_LONGEST_PAUSE_S:g} s": (
            heard.results > 0 and heard.longest_pause_s <= _LONGEST_PAUSE_S
        ),
        f"{asked.faults} faults, {lost} outages told, {back} ends of them": lost == back,
        f"exit code {code}, 143 by SIGTERM": code == 143,
    }
    for line, good in lines.items():
        print(f"  {line}  {'reached' if good else 'MISSED'}")
    return int(not all(lines.values()))


def _private_mib(process: psutil.Process) -> float:
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--fps", type=float, default=30.0, help="of the camera")
    parser.add_argument("--latency", type=float, default=10.0, help="of an invoke, in ms")
    parser.add_argument("--faults", type=int, default=0, help="of the camera, at random times")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("more", nargs="*", help="for classify, after --")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
