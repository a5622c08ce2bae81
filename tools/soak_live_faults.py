"""What a soak does to its camera, and whether the run told of it.

A fault is foretold to be an outage only where nothing else may come of it: a connection that is
cut, or a stall that outlasts the read timeout. Garbage may be skipped, and a change of size is
no outage at all.
"""

import json
import math
import random
import re
import sys
import time
from dataclasses import dataclass, field
from typing import IO

from edgescale.stream.sources.capture import READ_TIMEOUT_S

LONGEST_PAUSE_S = 15.0  # a read timeout, the longest wait until the next try, and the opening
_FAULTS = ("stall", "close_clients", "garbage", "resize 320 240", "resize 640 480", "restart 0.5")
LONGEST_FAULT_S = 7.0  # longer than the read timeout, so that some stalls are outages
_CUT = ("close_clients", "restart 0.5")
_NOTICED_WITHIN_S = 0.2  # beyond the read timeout
_TOLD_WITHIN_S = 2.0  # until the event is read here, on a busy machine
_SUMMARY = re.compile(r"^\d+ frames.* dropped(?:, (\d+) outages? of ([\d.]+) s)?")


@dataclass(frozen=True)
class Fault:
    """What the camera is told, when in seconds, and for how long; 0 where that is its own."""

    at_s: float
    order: str
    lasts_s: float = 0.0

    @property
    def is_outage(self) -> bool:
        """Says whether it must be one."""
        return self.order in _CUT or self.lasts_s > READ_TIMEOUT_S + _NOTICED_WITHIN_S

    @property
    def told_within_s(self) -> float:
        """Returns after how long an outage must have been told."""
        return _TOLD_WITHIN_S if self.order in _CUT else READ_TIMEOUT_S + _TOLD_WITHIN_S


@dataclass
class Heard:
    """What the run has said so far; times are of this machine's monotonic clock."""

    results: int = 0
    last_s: float = 0.0
    longest_pause_s: float = 0.0
    lost_at_s: list[float] = field(default_factory=list)
    back_at_s: list[float] = field(default_factory=list)
    away_s: float = 0.0  # by the events
    summary: tuple[int, float] | None = None  # outages and their seconds

    def listen(self, lines: IO[str]) -> None:
        """Reads JSON lines until the run ends."""
        for line in lines:
            record, now_s = json.loads(line), time.monotonic()
            if record.get("event") == "source-lost":
                self.lost_at_s.append(now_s)
            elif record.get("event") == "source-back":
                self.back_at_s.append(now_s)
                self.away_s += record["outage_s"]
            if "event" in record:
                continue
            if self.results:
                self.longest_pause_s = max(self.longest_pause_s, now_s - self.last_s)
            self.results, self.last_s = self.results + 1, now_s

    def listen_beside(self, lines: IO[str]) -> None:
        """Passes stderr on, and notes the summary in it."""
        for line in lines:
            sys.stderr.write(line)
            if found := _SUMMARY.match(line):
                self.summary = int(found[1] or 0), float(found[2] or 0.0)

    def told(self, fault: Fault, at_s: float) -> bool:
        """Says whether it was away in the time in which a fault at this moment must be told."""
        ends_s = [*self.back_at_s, *[math.inf] * (len(self.lost_at_s) - len(self.back_at_s))]
        away = zip(self.lost_at_s, ends_s, strict=True)
        return any(lost <= at_s + fault.told_within_s and back >= at_s for lost, back in away)


def planned(faults: int, seconds: float, seed: int) -> list[Fault]:
    """Returns what happens, its times from the start; the last quiet part shows recovery."""
    if not faults:
        return []
    chance = random.Random(seed)
    space_s = (seconds - 2 * LONGEST_PAUSE_S) / faults
    found = []
    for number in range(faults):
        at_s = LONGEST_PAUSE_S + number * space_s
        order = chance.choice(_FAULTS)
        lasts_s = chance.uniform(0.2, min(LONGEST_FAULT_S, space_s)) if order == "stall" else 0.0
        found.append(Fault(at_s, order, lasts_s))
        if lasts_s:
            found.append(Fault(at_s + lasts_s, "resume"))
    return found
