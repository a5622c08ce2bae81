import threading
import time

import pytest

from edgescale.errors import SourceLost
from edgescale.stream.frame import Frame
from edgescale.stream.sources.slot import LatestFrame
from tests.fakes import picture


def frame(index: int) -> Frame:
    return Frame(index, picture(), 0.0)


def test_the_newest_frame_replaces_the_unread_one_and_the_drop_is_counted() -> None:
    slot = LatestFrame()
    for index in range(3):
        slot.put(frame(index))
    taken = slot.take(0.1)
    assert taken is not None
    assert taken.index == 2
    assert slot.dropped == 2


def test_no_frame_is_given_twice() -> None:
    slot = LatestFrame()
    slot.put(frame(0))
    slot.take(0.1)
    with pytest.raises(TimeoutError):
        slot.take(0.01)


def test_a_closed_slot_gives_its_last_frame_and_then_the_end() -> None:
    slot = LatestFrame()
    slot.put(frame(0))
    slot.close()
    assert slot.take(0.1) is not None
    assert slot.take(0.1) is None


def test_the_capture_error_reaches_the_consumer_and_the_first_one_counts() -> None:
    slot = LatestFrame()
    slot.close(SourceLost("unplugged"))
    slot.close()
    with pytest.raises(SourceLost, match="unplugged"):
        slot.take(0.1)


def test_a_waiting_consumer_is_woken_by_the_end() -> None:
    slot = LatestFrame()
    threading.Timer(0.05, slot.close).start()
    started_s = time.monotonic()
    assert slot.take(20) is None
    assert time.monotonic() - started_s < 10
