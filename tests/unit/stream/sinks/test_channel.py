"""How one output's queue and thread end, whatever the sink does."""

import threading

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.channel import Channel
from edgescale.stream.sinks.outputs import Outputs
from tests.live_fakes import LONG_S, NotingSink, blocked, giving, until
from tests.results import entered, frame_result


@pytest.mark.parametrize("failing", ["result", "close"])
def test_a_sink_that_exits_ends_no_thread_without_a_word(failing: str) -> None:
    told: list[bool] = []
    sink = blocked(queue_size=1)
    sink.failing, sink.raises = failing, SystemExit(3)
    outputs = Outputs([sink], wait=True, on_failure=lambda why, end: told.append(end))
    giver = giving(outputs, 3)
    assert sink.entered.wait(LONG_S)
    sink.free.set()
    giver.join(LONG_S)
    assert not giver.is_alive()
    outputs.close()
    assert (told, sink.closed) == ([True], 1)
    assert [str(one) for one in outputs.failures] == ["slow: failed (SystemExit: 3)"]


def test_a_sink_is_closed_whatever_becomes_of_the_news_that_it_failed() -> None:
    def told(why: SinkFailed, must_end: bool) -> None:
        raise KeyError("x")

    sink = NotingSink("bad", failing="result")
    outputs = Outputs([sink], on_failure=told)
    outputs.give(frame_result(0))
    outputs.close()
    assert sink.closed == 1
    assert [str(one) for one in outputs.failures] == ["bad: broken"]


def test_who_waits_for_room_goes_on_when_the_sink_ends_meanwhile() -> None:
    sink = blocked(queue_size=1)
    fed = Channel(sink)
    fed.hold_back()
    fed.start()
    fed.put(None, frame_result(0))
    assert sink.entered.wait(LONG_S)
    fed.put(None, frame_result(1))
    giver = threading.Thread(target=fed.put, args=(None, frame_result(2)))
    giver.start()
    until(lambda: fed._givers == 1)
    fed.end()
    giver.join(LONG_S)
    assert not giver.is_alive()
    sink.free.set()
    fed.join()
    assert sink.indices == [0, 1]
    assert (fed.status().written, fed.status().dropped) == (2, 1)


@pytest.mark.parametrize("step", ["_fit", "_drop_oldest"])
def test_a_result_that_comes_while_it_ends_takes_no_end_away(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end comes between two steps of a giver, before what it does with the queue."""
    sink = blocked(queue_size=1)
    fed = Channel(sink)
    fed.start()
    fed.put(None, frame_result(0))
    assert sink.entered.wait(LONG_S)
    if step == "_drop_oldest":
        fed.put(None, frame_result(1))
    done = getattr(fed, step)

    def ended_first(*given: int) -> None:
        if step == "_drop_oldest":
            done()
        fed.end()
        done(*given)

    monkeypatch.setattr(fed, step, ended_first)
    fed._picture_bytes = 0
    fed.put(None, frame_result(2))
    sink.free.set()
    fed.join()
    assert fed.failure is None
    assert sink.indices == [0]
    assert fed.status().dropped == (1 if step == "_fit" else 2)


def test_a_sink_of_events_is_given_no_results_and_loses_none() -> None:
    sink = blocked(queue_size=1)
    sink.takes_results = False  # type: ignore[attr-defined]
    outputs = Outputs([sink], wait=True)
    for index in range(9):  # would wait for ever if they were queued
        outputs.give(frame_result(index))
        if index == 0:
            outputs.tell(entered(), frame_result(index))
    sink.free.set()
    outputs.close()
    assert (sink.order, sink.events) == (["entered"], [("entered", 0)])
    (status,) = outputs.statuses()
    assert (status.written, status.dropped) == (0, 0)


def test_a_sink_that_counts_by_itself_and_goes_on_is_believed() -> None:
    sink = NotingSink()
    sink.written, sink.lost, sink.error = 7, 2, "no room"  # type: ignore[attr-defined]
    outputs = Outputs([sink])
    outputs.give(frame_result(0))
    outputs.close()
    (status,) = outputs.statuses()
    assert (status.written, status.dropped, status.error) == (7, 2, "no room")
    assert outputs.failures == ()
