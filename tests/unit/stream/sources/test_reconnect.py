from collections.abc import Iterator

from edgescale.stream.sources.reconnect import BackOff, Staleness
from tests.fakes import Clock


class Time(Clock):
    """A clock that sleeping moves."""

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def waits(time: Time, back_off: BackOff, count: int, *, attempt_s: float = 0.0) -> Iterator[float]:
    for _ in range(count):
        before_s = time()
        back_off.wait(None, lambda: False)
        yield time() - before_s
        time.now_s += attempt_s


def test_the_wait_doubles_from_a_quarter_second_to_five_seconds_and_begins_anew() -> None:
    time = Time()
    back_off = BackOff(time, time.sleep)
    assert list(waits(time, back_off, 7)) == [0.25, 0.5, 1, 2, 4, 5, 5]
    back_off.reset()
    assert list(waits(time, back_off, 2)) == [0.25, 0.5]


def test_an_attempt_that_took_long_needs_no_further_wait() -> None:
    time = Time()
    got = list(waits(time, BackOff(time, time.sleep), 8, attempt_s=5.0))
    assert got == [0.25] * 8


def test_a_place_that_begins_to_answer_ends_the_wait() -> None:
    time = Time()
    back_off = BackOff(time, time.sleep)
    list(waits(time, back_off, 6))
    before_s = time()
    back_off.wait(lambda: time() > before_s + 1.4, lambda: False)
    assert time() - before_s == 1.5
    before_s = time()
    back_off.wait(lambda: True, lambda: False)  # it answered all the time, and gave no video
    assert time() - before_s == 5


def test_a_wait_ends_when_it_is_told_to() -> None:
    time = Time()
    back_off = BackOff(time, time.sleep)
    list(waits(time, back_off, 6))
    before_s = time()
    back_off.wait(None, lambda: time() >= before_s + 1)
    assert time() - before_s == 1


def test_frames_that_need_no_wait_are_old_until_two_in_a_row_do() -> None:
    staleness = Staleness(drain=True)
    waited_s = [0.001] * 9 + [0.03, 0.001, 0.03, 0.03, 0.001]
    stale = [staleness.is_stale(one, 0.033, 0.033 * place) for place, one in enumerate(waited_s)]
    assert stale == [True] * 12 + [False] * 2


def test_what_was_learnt_of_a_slow_camera_is_used_after_it_was_opened_again() -> None:
    staleness = Staleness(drain=True)
    for place in range(20):
        staleness.is_stale(0.2, 0.2, 0.2 * place)
    staleness.opened()
    assert staleness.is_stale(0.05, 0.05, 10.0)
    assert staleness.is_stale(0.05, 0.05, 10.05)
    assert staleness.is_stale(0.15, 0.15, 10.2)
    assert not staleness.is_stale(0.15, 0.15, 10.4)


def test_a_stream_faster_than_its_decoder_is_not_drained_for_ever() -> None:
    staleness = Staleness(drain=True)
    assert staleness.is_stale(0.0, 0.01, 5.0)
    assert staleness.is_stale(0.0, 0.01, 5.99)
    assert not staleness.is_stale(0.0, 0.01, 6.0)


def test_a_stream_that_is_all_backlog_is_not_drained_again_until_it_has_to_be_waited_for() -> None:
    staleness = Staleness(drain=True)
    assert not staleness.lost()  # there was no frame at all
    staleness.opened()
    assert [staleness.is_stale(0.0, 0.001, 0.0) for _ in range(9)] == [True] * 9
    assert staleness.lost()
    for _ in range(2):  # and so the next openings
        staleness.opened()
        assert [staleness.is_stale(0.0, 0.001, 1.0) for _ in range(9)] == [False] * 9
        assert not staleness.lost()
    staleness.opened()
    assert [staleness.is_stale(0.03, 0.033, 2.0) for _ in range(3)] == [False] * 3
    staleness.opened()
    assert staleness.is_stale(0.0, 0.001, 3.0)


def test_a_pipe_is_never_drained() -> None:
    assert not Staleness(drain=False).is_stale(0.0, 0.01, 5.0)
