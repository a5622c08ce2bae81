import threading
import time

import numpy as np
import pytest

from edgescale.errors import ReaderLeft, SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.sinks import channel
from edgescale.stream.sinks.outputs import Outputs
from tests.live_fakes import LONG_S, NotingSink, blocked, giving, until
from tests.results import frame_result


def test_every_sink_gets_every_result_and_event_in_order_in_its_own_thread() -> None:
    sinks = [NotingSink("one", queue_size=50), NotingSink("two", queue_size=50)]
    outputs = Outputs(sinks)
    for index in range(20):
        outputs.give(frame_result(index))
        if index == 9:
            outputs.tell(Event("switched", "now"), frame_result(index))
    outputs.close()
    for sink in sinks:
        assert sink.indices == list(range(20))
        assert sink.order[10] == "switched"
        assert sink.events == [("switched", 9)]
        assert sink.threads == {f"output {sink.name}"}
        assert sink.closed == 1
    assert [status.written for status in outputs.statuses()] == [20, 20]


def test_a_slow_sink_of_a_live_source_loses_its_oldest_and_slows_nobody() -> None:
    slow, quick = blocked(queue_size=3), NotingSink("quick", queue_size=100)
    outputs = Outputs([slow, quick])
    outputs.give(frame_result(0))
    assert slow.entered.wait(LONG_S)
    for index in range(1, 100):
        outputs.give(frame_result(index))  # would wait for ever if it waited
    slow.free.set()
    outputs.close()
    assert quick.indices == list(range(100))
    assert slow.indices == [0, 97, 98, 99]
    assert [(one.written, one.dropped) for one in outputs.statuses()] == [(4, 96), (100, 0)]


def test_large_pictures_fill_a_queue_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    image = frame_result(0).image
    monkeypatch.setattr(channel, "MOST_BYTES", 3 * image.nbytes)
    slow = blocked(queue_size=50)
    outputs = Outputs([slow])
    outputs.give(frame_result(0))
    assert slow.entered.wait(LONG_S)
    for index in range(1, 20):
        outputs.give(frame_result(index))
    for index in range(20, 22):  # each alone has more than all may have
        outputs.give(frame_result(index, image=np.concatenate([image] * 4)))
    slow.free.set()
    outputs.close()
    assert slow.indices == [0, 21]
    assert outputs.statuses()[0].dropped == 20


def test_an_event_is_not_dropped_with_the_results_around_it() -> None:
    slow = blocked(queue_size=2)
    outputs = Outputs([slow])
    outputs.give(frame_result(0))
    assert slow.entered.wait(LONG_S)
    outputs.tell(Event("entered", "a cat"), frame_result(0))
    for index in range(1, 50):
        outputs.give(frame_result(index))
    slow.free.set()
    outputs.close()
    assert slow.order == ["0", "entered", "48", "49"]


def test_a_slow_sink_of_a_file_loses_nothing_and_holds_the_run_back() -> None:
    slow = blocked(queue_size=2)
    outputs = Outputs([slow], wait=True)
    given: list[int] = []
    giver = giving(outputs, 30, given)
    assert slow.entered.wait(LONG_S)
    until(lambda: len(given) == 3)  # one is held, two wait
    time.sleep(0.05)
    assert len(given) == 3
    slow.free.set()
    giver.join(LONG_S)
    outputs.close()
    assert slow.indices == list(range(30))
    assert outputs.statuses()[0].dropped == 0


def test_a_sink_that_is_live_by_nature_holds_no_file_back() -> None:
    page = blocked(queue_size=2)
    page.always_live = True  # type: ignore[attr-defined]
    outputs = Outputs([page], wait=True)
    for index in range(20):
        outputs.give(frame_result(index))
    page.free.set()
    outputs.close()
    assert outputs.statuses()[0].dropped > 0


@pytest.mark.parametrize("failing", ["result", "event", "tick", "close"])
def test_a_sink_that_fails_is_told_once_closed_and_never_called_again(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "TICK_S", 0.01)
    told: list[tuple[str, bool]] = []
    bad, good = NotingSink("bad", queue_size=50, failing=failing), NotingSink(queue_size=50)
    outputs = Outputs([bad, good], on_failure=lambda why, end: told.append((str(why), end)))
    for index in range(3):
        outputs.give(frame_result(index))
        outputs.tell(Event("switched", "now"))
    if failing != "close":
        until(lambda: bool(told))
        outputs.give(frame_result(3))
    outputs.close()
    assert told == [("bad: broken", False)]
    assert [str(one) for one in outputs.failures] == ["bad: broken"]
    assert bad.closed == 1
    assert good.indices[:3] == [0, 1, 2]
    bad_status = outputs.statuses()[0]
    assert bad_status.error == "bad: broken"
    assert bad_status.written + bad_status.dropped == (3 if failing == "close" else 4) - (
        failing == "result"
    )


def test_a_mistake_in_a_sink_is_a_failure_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    outputs = Outputs([NotingSink("odd", failing="result", error=KeyError("x"))])
    outputs.give(frame_result(0))
    outputs.close()
    assert [str(one) for one in outputs.failures] == ["odd: failed (KeyError: 'x')"]
    assert "output odd" in caplog.text


def test_a_failed_sink_of_a_file_frees_who_waits_for_it() -> None:
    told: list[bool] = []
    sink = blocked(queue_size=1)
    sink.failing = "result"
    outputs = Outputs([sink], wait=True, on_failure=lambda why, end: told.append(end))
    giver = giving(outputs, 9)
    assert sink.entered.wait(LONG_S)
    sink.free.set()
    giver.join(LONG_S)
    assert not giver.is_alive()
    outputs.close()
    assert told == [True]


def test_a_sink_that_failed_before_the_source_was_open_ends_a_file_too() -> None:
    told: list[bool] = []
    sink = NotingSink("early", failing="event")
    outputs = Outputs([sink], on_failure=lambda why, end: told.append(end))
    outputs.tell(Event("switched", "now"))
    until(lambda: bool(told))
    outputs.hold_back()
    outputs.close()
    assert told == [False, True]


def test_a_reader_that_left_is_no_failure() -> None:
    told: list[SinkFailed] = []
    sink = NotingSink("lines", failing="result", error=ReaderLeft("gone"))
    outputs = Outputs([sink], wait=True, on_failure=lambda why, end: told.append(why))
    outputs.give(frame_result(0))
    outputs.close()
    assert [type(one) for one in told] == [ReaderLeft]
    assert outputs.failures == ()
    assert outputs.statuses()[0].error == ""


def test_a_dead_sink_is_left_at_the_end_and_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channel, "PATIENCE_S", 0.1)
    dead = blocked(queue_size=4)
    outputs = Outputs([dead])
    for index in range(4):
        outputs.give(frame_result(index))
    assert dead.entered.wait(LONG_S)
    outputs.close()
    (failure,) = outputs.failures
    assert "did not finish within" in str(failure)
    assert "3 results that waited are lost" in str(failure)
    dead.free.set()
    until(lambda: not any(one.name == "output slow" for one in threading.enumerate()))


def test_a_dead_sink_of_a_file_is_not_waited_for_once_the_run_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel, "PATIENCE_S", 0.1)
    dead = blocked(queue_size=1)
    outputs = Outputs([dead], wait=True)
    giver = giving(outputs, 3)
    assert dead.entered.wait(LONG_S)
    outputs.hurry()
    giver.join(LONG_S)
    assert not giver.is_alive()
    dead.free.set()
    outputs.close()


def test_a_slow_sink_that_makes_progress_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "PATIENCE_S", 0.2)
    monkeypatch.setattr(channel, "_LOOK_S", 0.02)

    class Slow(NotingSink):
        def result(self, result: object) -> None:
            time.sleep(0.05)
            self.indices.append(0)

    slow = Slow(queue_size=12)
    outputs = Outputs([slow], wait=True)
    for index in range(12):  # 0.6 s of work
        outputs.give(frame_result(index))
    outputs.close()
    assert len(slow.indices) == 12
    assert outputs.failures == ()


def test_a_sink_ticks_without_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "TICK_S", 0.01)
    sink = NotingSink()
    outputs = Outputs([sink])
    until(lambda: sink.ticks >= 3)
    outputs.close()
    assert sink.order == []


def test_a_queue_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="queue_size must be at least 1"):
        Outputs([NotingSink(queue_size=0)])
