"""Loads the cores in the middle of a live run and draws what ``classify --adapt`` does about it.

Frames lie in memory and come at a camera's pace, the newest one first, as from a camera; models,
workers and load are real. Prints how long after the load begins the run steps down, and how long
after its end it is back up.

    python -m tools.plot_adaptation FAMILY -o OUT.png [--fps 60] [--burners 4] [--load-s 10]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgescale.device.picture import texture
from edgescale.family.store import load_family
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.stream.event import Event
from edgescale.stream.frame import Frame
from edgescale.stream.live_run import LiveRun
from edgescale.stream.pipeline import FrameResult, run
from edgescale.stream.place import Wish, first_place

_BURN = "while True: pass"
_LONGEST_WAIT_S = 150.0  # for the way back up
_AFTER_S = 8.0  # drawn beyond it
_SETTLED_S = 10.0  # on the largest variant, before the load begins


class PacedFrames:
    """A live source: the frame of the moment, made before the run; ends when told to."""

    name = "memory"
    live = True

    def __init__(self, fps: float) -> None:
        """Shifts one picture, so that no two frames are the same."""
        self.fps: float | None = fps
        self.dropped = 0
        self.ended = False
        self._images = [np.roll(texture(), 8 * shift, axis=1) for shift in range(8)]

    def __iter__(self) -> Iterator[Frame]:
        """Yields the newest frame; waits where that one has been given already."""
        start_s, last = time.monotonic(), -1
        fps = self.fps or 1.0
        while not self.ended:
            index = int((time.monotonic() - start_s) * fps)
            if index == last:
                time.sleep(max(0.0, start_s + (index + 1) / fps - time.monotonic()))
                continue
            self.dropped += index - last - 1
            last = index
            yield Frame(index, self._images[index % len(self._images)], start_s + index / fps)

    def close(self) -> None:
        """Does nothing: the frames are in memory."""


@dataclass
class Record:
    """What happened, in seconds since the run began."""

    start_s: float = field(default_factory=time.monotonic)
    results: list[tuple[float, float, str]] = field(default_factory=list)  # s, ms, variant
    switches: list[tuple[float, Event]] = field(default_factory=list)
    load_s: list[float] = field(default_factory=list)  # when it began and ended

    def now_s(self) -> float:
        """Returns the time of the run."""
        return time.monotonic() - self.start_s

    def on_event(self, event: Event) -> None:
        """Notes and prints an event."""
        print(f"{self.now_s():7.2f} s  {event.kind}: {event.text}")
        if event.kind == "switched":
            self.switches.append((self.now_s(), event))

    def add(self, result: FrameResult) -> None:
        """Notes a result."""
        self.results.append((self.now_s(), result.latency_ms, result.variant))

    def only(self, name: str, since_s: float) -> bool:
        """Says whether no other variant has answered since a time."""
        latest = next((s for s, _, ran in reversed(self.results) if ran != name), -1.0)
        return latest < since_s

    def first(self, after_s: float, names: Sequence[str], same: bool) -> float | None:
        """Returns when, after a time, the first result of one of these variants came."""
        times = (s for s, _, name in self.results if s > after_s and (name in names) == same)
        return next(times, None)


def main() -> None:
    """Runs, prints and draws."""
    asked = _arguments()
    family = load_family(asked.family)
    with tempfile.TemporaryDirectory() as profiles:
        settings = WorkerSettings(device="cpu", threads=1)
        budget = Budget(latency_ms=asked.latency_budget)
        place = first_place(Wish(family, settings, None, budget, adapt=True, profiles=profiles))
        if asked.latency_budget is None:
            latency = place.measurement.latency_ms if place.measurement else None
            budget = Budget(latency_ms=round(2 * latency.p95, 1) if latency else 10.0)
        wish = Wish(family, settings, None, budget, adapt=True, profiles=profiles)
        place = first_place(wish)
        ladder = [variant.name for variant, _ in place.ladder]
        print(f"budget {budget.latency_ms} ms; ladder: {', '.join(ladder)}; {asked.fps:g} fps")
        record = Record()
        with LiveRun(wish, place, on_event=record.on_event) as live:
            _play(live, PacedFrames(asked.fps), record, asked)
    _report(record, ladder[-1], budget.latency_ms or 0.0)
    _draw(record, ladder, budget.latency_ms or 0.0, asked.out)


def _play(live: LiveRun, source: PacedFrames, record: Record, asked: argparse.Namespace) -> None:
    """Burns the cores for some seconds, and goes on until the run is back up."""
    top = live.supervisor.variant.name
    with ExitStack() as stack:
        burners = stack.enter_context(ExitStack())
        for result in run(source, live.supervisor, watch=live):
            record.add(result)
            now_s = record.now_s()
            if (
                not record.load_s
                and now_s >= asked.quiet_s
                and record.only(top, now_s - _SETTLED_S)
            ):
                for _ in range(asked.burners):
                    burner = subprocess.Popen([sys.executable, "-c", _BURN])
                    burners.callback(burner.wait)
                    burners.callback(burner.kill)
                record.load_s.append(record.now_s())
                print(f"{record.now_s():7.2f} s  load: {asked.burners} burners")
            elif len(record.load_s) == 1 and now_s >= record.load_s[0] + asked.load_s:
                burners.close()
                record.load_s.append(record.now_s())
                print(f"{record.now_s():7.2f} s  load ended")
            elif len(record.load_s) == 2:
                back_s = record.first(record.load_s[1], [top], same=True)
                done = back_s is not None and now_s > back_s + _AFTER_S
                source.ended = done or now_s > record.load_s[1] + _LONGEST_WAIT_S


def _report(record: Record, top: str, limit_ms: float) -> None:
    began_s, ended_s = record.load_s
    down_s = record.first(began_s, [top], same=False)
    up_s = record.first(ended_s, [top], same=True)
    print(
        "stepped down "
        + ("never" if down_s is None else f"{down_s - began_s:.2f} s after the load began")
        + ", back up "
        + ("never" if up_s is None else f"{up_s - ended_s:.1f} s after it ended")
    )
    spans = (("before", 0.0, began_s), ("under load", began_s, ended_s), ("after", ended_s, 1e9))
    for name, low_s, high_s in spans:
        times = [ms for s, ms, _ in record.results if low_s <= s < high_s]
        late = sum(ms > limit_ms for ms in times)
        print(f"  {name}: {len(times)} results, {late} late ({100 * late / len(times):.1f} %)")


def _draw(record: Record, ladder: Sequence[str], limit_ms: float, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (upper, lower) = plt.subplots(
        2, 1, sharex=True, figsize=(11, 6), height_ratios=(3, 1), layout="constrained"
    )
    colours = plt.get_cmap("viridis")(np.linspace(0.1, 0.85, len(ladder)))
    for name, colour in zip(ladder, colours, strict=True):
        points = [(s, ms) for s, ms, ran in record.results if ran == name]
        if points:
            upper.scatter(*zip(*points, strict=True), s=5, color=colour, label=name)
    upper.axhline(limit_ms, color="firebrick", linewidth=1.2, label=f"budget {limit_ms:g} ms")
    for axes in (upper, lower):
        axes.axvspan(*record.load_s, color="orange", alpha=0.25, label="load on all cores")
    upper.set_ylabel("latency of a result, ms (log)")
    upper.set_yscale("log")
    upper.legend(loc="upper right", fontsize=8)
    times = [s for s, _, _ in record.results]
    lower.step(times, [ladder.index(ran) for *_, ran in record.results], where="post")
    lower.set_yticks(range(len(ladder)), ladder, fontsize=8)
    lower.set_ylim(-0.5, len(ladder) - 0.5)
    lower.set_xlabel("time, s")
    upper.set_title("classify --adapt on a CPU whose cores are taken away for a while")
    figure.savefig(out, dpi=110)
    print(f"drawn: {out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", type=Path, help="a family with at least three variants")
    parser.add_argument("-o", "--out", type=Path, default=Path("adaptation.png"))
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--latency-budget", type=float, help="ms; else twice the largest's p95")
    parser.add_argument("--quiet-s", type=float, default=12.0)
    parser.add_argument("--load-s", type=float, default=10.0)
    parser.add_argument("--burners", type=int, default=2 * len(os.sched_getaffinity(0)))
    return parser.parse_args()


if __name__ == "__main__":
    main()
