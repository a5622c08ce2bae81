"""Months of bad weather in a second: random faults on a camera whose clock the test moves."""

import random
import threading
import time

import pytest

from edgescale.errors import SourceLost, SourceNotFound
from edgescale.inference.preparation import Image
from edgescale.stream.event import Event
from edgescale.stream.sources.capture import Capture, EndOfStream
from edgescale.stream.sources.live_source import LiveSource, Opener, Timing
from tests.fakes import Clock, picture

_FAULTS = 200
_READ_TIMEOUT_S = 5.0


class Weather:
    """A camera of 20 fps that meets one fault after another, and then ends."""

    def __init__(self, seed: int) -> None:
        self.clock, self._random = Clock(), random.Random(seed)
        self.faults = 0
        self.outages = 0
        self._refusals, self._is_playing = 0, True
        self._width = 32
        self._left = 5

    def sleep(self, seconds: float) -> None:
        self.clock.now_s += seconds

    def open(self) -> Capture:
        if self._refusals:
            self._refusals -= 1
            raise SourceNotFound("source 'cam': nothing answers")
        self._left = self._random.randint(0, 5)
        return self

    def grab(self) -> bool:
        self.clock.now_s += 0.05
        if self._left:
            self._left -= 1
            self._is_playing = True
            return True
        if self.faults == _FAULTS:
            raise EndOfStream
        self.faults += 1
        return self._fault(self._random.choice(("stall", "close", "garbage", "size", "restart")))

    def _fault(self, kind: str) -> bool:
        if self._random.random() < 0.1:
            self.clock.now_s += self._random.choice((-30.0, 3600.0))  # the machine slept
        if kind == "size":
            self._width, self._left = self._random.choice((16, 32, 64)), 3
            self._is_playing = True
            return True
        # A capture that breaks off before its first frame does not end the outage it is in.
        self.outages += self._is_playing
        self._is_playing = False
        if kind == "stall":
            self.clock.now_s += _READ_TIMEOUT_S
        if kind == "restart":
            self._refusals = self._random.randint(1, 12)
        if kind == "garbage":
            raise SourceLost("cam: a frame cannot be decoded")
        return False

    def retrieve(self) -> Image:
        return picture(width=self._width)

    def release(self) -> None:
        pass


@pytest.mark.parametrize("seed", range(5))
def test_no_fault_ends_or_hangs_a_live_source_and_every_outage_is_counted(seed: int) -> None:
    weather, events = Weather(seed), list[Event]()
    source = LiveSource(
        "cam",
        Opener(weather.open, drain=False),
        on_event=events.append,
        timing=Timing(_READ_TIMEOUT_S, weather.clock, weather.sleep),
    )
    began_s = time.monotonic()
    frames = list(source)
    assert time.monotonic() - began_s < 30
    assert weather.faults == _FAULTS
    (state,) = source.states()
    kinds = [event.kind for event in events]
    lost, back = kinds.count("source-lost"), kinds.count("source-back")
    assert lost == state.outages == weather.outages > _FAULTS / 3
    assert back in (lost, lost - 1)
    assert (
        state.outage_s
        >= sum(float(event.details["outage_s"]) for event in events if event.kind == "source-back")
        > 0
    )
    assert state.state == "ended"
    assert len(frames) + state.dropped == state.captured
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    source.close()
    assert not any(thread.name == "capture cam" for thread in threading.enumerate())
