from itertools import pairwise

import pytest

from edgescale.selection.controller import HEAD_ROOM, HEAT, LATE, TRIAL, Controller, Rules, Rung

LADDER = (Rung("a", 5.0, 5.5), Rung("b", 10.0, 11.0), Rung("c", 20.0, 22.0))
LIMIT_MS = 25.0


def controller(**changes: object) -> Controller:
    return Controller(LADDER, LIMIT_MS, **changes)  # type: ignore[arg-type]


def feed(one: Controller, latency_ms: float, results: int) -> int:
    """Gives so many results; the last answer. The swap is left to the caller."""
    return [one.observe(latency_ms) for _ in range(results)][-1]


def settle(one: Controller, slowdown: float, windows: int) -> list[int]:
    """Plays windows of an even slowdown, with swaps at once; the rungs that ran."""
    ran = [one.running]
    for _ in range(windows * one.window_results):
        wanted = one.observe(slowdown * LADDER[one.running].median_ms)
        if wanted != one.running:
            one.switched(wanted)
            ran.append(wanted)
    return ran


def test_a_quiet_board_stays_on_the_largest() -> None:
    assert settle(controller(), 1.0, 50) == [2]


def test_down_at_once_when_the_percentile_of_the_window_is_lost() -> None:
    one = controller()
    assert feed(one, 26.0, 5) == 2
    assert feed(one, 26.0, 1) == 1
    assert one.why == LATE


def test_a_few_late_frames_in_each_window_are_what_the_percentile_allows() -> None:
    one = controller()
    for _ in range(20):
        feed(one, 30.0, 5)
        assert feed(one, 20.0, 95) == 2


def test_a_p99_allows_five_in_five_hundred() -> None:
    one = controller(percentile=99)
    assert one.window_results == 500
    feed(one, 20.0, 300)
    assert feed(one, 26.0, 5) == 2
    assert feed(one, 26.0, 1) == 1


def test_several_steps_down_when_the_slowdown_asks_for_it() -> None:
    one = controller()
    assert feed(one, 60.0, 6) == 0
    assert one.slowdown == pytest.approx(3.0)


def test_scattered_late_frames_cost_one_step() -> None:
    one = controller()
    wanted = 2
    for index in range(60):
        wanted = one.observe(90.0 if index % 10 == 9 else 20.0)
    assert wanted == 1


def test_the_smallest_has_nowhere_to_go() -> None:
    one = controller()
    assert settle(one, 20.0, 30) == [2, 0]


def test_worse_while_the_next_one_is_still_loading_asks_for_a_smaller_one() -> None:
    one = controller()
    assert feed(one, 30.0, 6) == 1
    assert feed(one, 90.0, 6) == 0


def test_up_only_after_head_room_and_rest() -> None:
    one = controller()
    feed(one, 30.0, 6)
    one.switched(1)
    rules = Rules()
    before = rules.lasting * one.window_results - 1
    assert feed(one, 10.0, before) == 1
    assert feed(one, 10.0, 1) == 2
    assert one.why == HEAD_ROOM


def test_one_slow_window_breaks_the_head_room() -> None:
    one = controller()
    one.switched(1)
    feed(one, 10.0, (Rules().lasting - 1) * one.window_results)
    assert feed(one, 18.0, one.window_results) == 1
    assert feed(one, 10.0, (Rules().lasting - 1) * one.window_results) == 1
    assert feed(one, 10.0, one.window_results) == 2


def test_up_by_several_rungs_when_all_of_it_has_passed() -> None:
    one = controller()
    settle(one, 3.0, 1)
    assert one.running == 0
    assert settle(one, 1.0, 30) == [0, 2]


def test_within_the_profile_its_own_verdict_counts() -> None:
    tight = (Rung("a", 10.0, 11.0), Rung("b", 22.0, 24.5))
    one = Controller(tight, LIMIT_MS)
    one.switched(0)
    assert feed(one, 10.2, Rules().lasting * one.window_results) == 1


def test_a_delay_of_every_frame_is_no_factor_and_the_larger_one_is_tried() -> None:
    one = controller()
    one.switched(0)
    rests = Rules().trial * one.window_results
    assert (
        feed(one, 5.0 + 3.0, Rules().lasting * one.window_results - 1) == 0
    )  # x1.6: by that the middle one is the limit
    ladder = (Rung("a", 1.0, 1.1), Rung("b", 12.0, 13.0))
    one = Controller(ladder, LIMIT_MS)
    one.switched(0)
    assert feed(one, 3.0, rests) == 1
    assert one.why == TRIAL


def go_up(one: Controller) -> int:
    """Plays quiet windows until the way leads up; how many."""
    waited = 1
    while feed(one, LADDER[one.running].median_ms, one.window_results) == one.running:
        waited += 1
        assert waited < 10_000
    one.switched(one.wanted)
    return waited


def fall(one: Controller) -> None:
    feed(one, 60.0, 6)
    one.switched(one.wanted)


PLENTY = Rules(moves_per_thousand=1e6, moves_saved=100)


def test_failures_make_it_wait_longer_each_time_and_are_forgiven() -> None:
    one, waits = controller(rules=PLENTY), []
    fall(one)
    for _ in range(4):
        waits.append(go_up(one))
        fall(one)
    # The first two at once and, as the largest is barred, to the one below it.
    assert waits[0] == PLENTY.lasting
    assert waits == sorted(waits)
    assert waits[-1] >= 4 * PLENTY.lasting
    settle(one, 1.0, PLENTY.back_off * PLENTY.forgiven_after)
    assert one.running == 2
    fall(one)
    assert go_up(one) == PLENTY.lasting


def test_no_variant_is_gone_up_to_twice_within_sixty_windows() -> None:
    """Even where every way up is a mistake at once, so that nothing swings A-B-A-B-A."""
    one, ups, windows = controller(rules=PLENTY), [], 0.0
    fall(one)
    while windows < 500:
        latency_ms = 60.0 if one.running == 2 else LADDER[one.running].median_ms
        before = one.running
        wanted = one.observe(latency_ms)
        windows += 1 / one.window_results
        if wanted != before:
            one.switched(wanted)
            if wanted == 2:
                ups.append(windows)
    assert len(ups) >= 2
    assert all(later - earlier > 60 for earlier, later in pairwise(ups))


def test_moves_are_saved_up_before_they_are_spent() -> None:
    rules = Rules(again_after=0, failed_within=0)
    one, moves, windows = controller(rules=rules), 0, 6000
    for window in range(windows):
        loaded = window % 20 < 8
        wanted = feed(one, (3.0 if loaded else 1.0) * LADDER[one.running].median_ms, 100)
        if wanted != one.running:
            one.switched(wanted)
            moves += 1
    assert moves <= rules.moves_saved + windows * rules.moves_per_thousand / 1000 + 2
    assert moves >= 0.7 * windows * rules.moves_per_thousand / 1000


def test_a_way_up_of_one_rung_needs_more_saved_than_a_longer_one() -> None:
    rules = Rules(moves_saved=4.0, moves_per_thousand=0.001)
    near, far = controller(rules=rules), controller(rules=rules)
    near.switched(1)
    far.switched(0)
    assert settle(near, 1.0, 20) == [1]
    assert settle(far, 1.0, 20) == [0, 2]


def test_room_for_more_that_came_later_is_not_held_back_by_what_was_before() -> None:
    one = controller(rules=Rules(small_up_needs=100.0))
    one.switched(0)
    feed(one, 9.0, 4 * one.window_results)  # x1.8: room for the middle one, too few moves saved
    assert feed(one, 5.0, (Rules().lasting - 1) * one.window_results) == 0
    assert feed(one, 5.0, one.window_results) == 2


def test_a_broken_window_ends_the_head_room_of_the_smallest() -> None:
    one = controller()
    one.switched(0)
    feed(one, 5.0, (Rules().lasting - 1) * one.window_results)
    feed(one, 60.0, 6)
    assert feed(one, 5.0, (Rules().lasting - 1) * one.window_results) == 0
    assert feed(one, 5.0, one.window_results) == 2


def test_heavy_tails_alone_delay_the_way_up_but_do_not_bar_it() -> None:
    tight = (Rung("a", 5.0, 5.5), Rung("b", 20.0, 24.0))
    one = Controller(tight, LIMIT_MS)
    one.switched(0)

    def window() -> int:
        return [one.observe(8.0 if result % 10 == 0 else 5.0) for result in range(100)][-1]

    assert [window() for _ in range(Rules().trial)] == [0] * (Rules().trial - 1) + [1]
    assert one.why == TRIAL


def test_a_rung_that_cannot_be_loaded_is_asked_for_later_and_less_often() -> None:
    one = controller()
    asked = []
    for result in range(5000):
        if one.observe(30.0) != one.running:
            asked.append(result)
            one.refused()
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert waits[0] >= 2 * one.window_results
    assert waits == sorted(waits)
    assert waits[-1] >= 8 * one.window_results


def test_near_the_trip_point_it_runs_what_keeps_the_budget_at_half_the_clock() -> None:
    one = controller(trip_points_c=(85.0,))
    feed(one, 20.0, 100)
    assert one.heat(70.0) == 2
    assert one.heat(84.0) == 1  # 2 x 11 ms fit, 2 x 22 ms do not
    assert one.why == HEAT


def test_a_rise_towards_the_trip_point_costs_one_step_and_heat_bars_the_way_up() -> None:
    ladder = (*LADDER[:2], Rung("c", 11.0, 12.0))
    one = Controller(ladder, LIMIT_MS, trip_points_c=(85.0,))
    for celsius in (79.0, 79.5, 80.0, 80.5):
        assert one.heat(celsius) == 2
    assert one.heat(81.0) == 1
    one.switched(1)
    for _ in range(6):
        one.heat(81.0)
    assert feed(one, 10.0, 60 * one.window_results) == 1
    for _ in range(6):
        one.heat(70.0)
    assert feed(one, 10.0, one.window_results) == 2


def test_what_fits_at_half_the_clock_too_stays() -> None:
    ladder = (Rung("a", 5.0, 5.5), Rung("b", 10.0, 11.0))
    one = Controller(ladder, LIMIT_MS, trip_points_c=(85.0,))
    assert one.heat(84.0) == 1


def test_an_empty_ladder_is_refused() -> None:
    with pytest.raises(ValueError, match="ladder is empty"):
        Controller((), LIMIT_MS)
