"""When the run counts as serving."""

from edgescale.stream.web.health import SILENCE_S, Health
from tests.fakes import Clock
from tests.watched_run import snapshot, source_status


def test_nothing_seen_is_not_serving() -> None:
    clock = Clock()
    health = Health({}, clock)
    assert not health.serving()
    health.observe(snapshot(source_status("door", frames=0, state="opening")))
    assert not health.serving()


def test_results_are_and_silence_while_a_source_plays_is_not() -> None:
    clock = Clock()
    health = Health({}, clock)
    health.observe(snapshot(source_status("door", frames=1)))
    assert health.serving()
    clock.now_s += SILENCE_S + 1
    health.observe(snapshot(source_status("door", frames=1)))
    assert not health.serving()
    health.observe(snapshot(source_status("door", frames=2)))
    assert health.serving()


def test_a_source_that_is_away_is_no_reason_to_restart_while_we_look() -> None:
    clock = Clock()
    health = Health({}, clock)
    lost = snapshot(source_status("door", frames=0, state="lost", reason="no route"))
    health.observe(lost)
    clock.now_s += SILENCE_S + 1
    assert not health.serving()
    health.observe(lost)
    assert health.serving()


def test_one_that_plays_without_results_outweighs_one_that_is_away() -> None:
    health = Health({}, Clock())
    sources = source_status("door", frames=0, state="lost"), source_status("yard", frames=0)
    health.observe(snapshot(*sources))
    assert not health.serving()


def test_the_first_result_after_an_outage_is_waited_for() -> None:
    clock = Clock()
    health = Health({}, clock)
    health.observe(snapshot(source_status("door", frames=1)))
    clock.now_s += SILENCE_S + 1
    health.observe(snapshot(source_status("door", frames=1, state="lost")))
    for after_s, serving in ((1.0, True), (SILENCE_S, False)):
        clock.now_s += after_s
        health.observe(snapshot(source_status("door", frames=1)))
        assert health.serving() == serving


def test_a_pause_that_is_wanted_is_allowed_and_no_longer_one() -> None:
    clock = Clock()
    slow, quick = Health({"door": 150.0}, clock), Health({"door": 1.0}, clock)
    for health in (slow, quick):
        health.observe(snapshot(source_status("door", frames=1)))
    served: list[tuple[bool, bool]] = []
    for moment_s in (SILENCE_S - 1, SILENCE_S + 1, 149.0, 151.0):
        clock.now_s = moment_s
        served.append((slow.serving(), quick.serving()))
    assert served == [(True, True), (True, False), (True, False), (False, False)]
