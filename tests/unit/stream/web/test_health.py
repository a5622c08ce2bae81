"""When the run counts as serving."""

from edgescale.stream.web.health import SILENCE_S, Health
from tests.watched_run import snapshot, source_status


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_nothing_seen_is_not_serving() -> None:
    clock = Clock()
    health = Health(clock)
    assert not health.serving()
    health.observe(snapshot(source_status("door", frames=0, state="opening")))
    assert not health.serving()


def test_results_are_and_silence_while_a_source_plays_is_not() -> None:
    clock = Clock()
    health = Health(clock)
    health.observe(snapshot(source_status("door", frames=1)))
    assert health.serving()
    clock.now_s += SILENCE_S + 1
    health.observe(snapshot(source_status("door", frames=1)))
    assert not health.serving()
    health.observe(snapshot(source_status("door", frames=2)))
    assert health.serving()


def test_a_source_that_is_away_is_no_reason_to_restart_while_we_look() -> None:
    clock = Clock()
    health = Health(clock)
    lost = snapshot(source_status("door", frames=0, state="lost", reason="no route"))
    health.observe(lost)
    clock.now_s += SILENCE_S + 1
    assert not health.serving()
    health.observe(lost)
    assert health.serving()


def test_one_that_plays_without_results_outweighs_one_that_is_away() -> None:
    health = Health(Clock())
    sources = source_status("door", frames=0, state="lost"), source_status("yard", frames=0)
    health.observe(snapshot(*sources))
    assert not health.serving()
