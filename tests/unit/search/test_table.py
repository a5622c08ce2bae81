"""The table of candidates: the same for equal trials, however they were run."""

import random
from dataclasses import replace

from edgescale.search.score import Scoring
from edgescale.search.table import alias_lines, markdown, table_lines
from edgescale.search.view import StudyView
from tests.search_records import ended_early, small_space, trials_of

SPACE = small_space()
RECORDS = (
    *trials_of(SPACE, {0: [0.80, 0.81], 1: [0.90, 0.92], 2: [0.70, 0.71]}),
    ended_early(SPACE.candidates[3], 0, "pruned", "behind"),
)
VIEW = StudyView({}, SPACE, RECORDS, Scoring())


def test_the_best_comes_first_and_what_is_not_compared_last() -> None:
    lines = table_lines(VIEW)
    assert len(lines) == 2 + 4
    cells = [line.split(" | ") for line in lines]
    assert [row[7] for row in cells[2:]] == [
        "91.00 ± 1.41 %",
        "80.50 ± 0.71 %",
        "70.50 ± 0.71 %",
        "-",
    ]
    assert cells[2][0].startswith("| 1")
    assert cells[3][-1] == "published, chosen |", "worse than the best, but one of two challengers"
    assert cells[5][-1] == "seed 0 pruned, seed 1 did not run |"
    assert all(len(row) == len(cells[0]) for row in cells)


def test_both_intervals_stand_side_by_side() -> None:
    planted = trials_of(SPACE, {0: [0.80, 0.82, 0.78], 1: [0.81, 0.81, 0.81], 2: [0.5, 0.52, 0.51]})
    cells = [line.split(" | ") for line in table_lines(replace(VIEW, records=planted))]
    assert cells[0][9:11] == [
        "to the best, 95 % each pair by itself",
        "gain on the published, 95 % for all challengers together",
    ]
    assert cells[2][9:11] == ["-", "+1.00 [-6.17, +8.17]"]
    assert cells[3][9:11] == ["-1.00 [-5.97, +3.97]", "-"]
    assert cells[3][-1] == "published, tied with the best, chosen |"


def test_times_machines_and_order_do_not_show_in_the_table() -> None:
    elsewhere = [
        replace(
            trial, number=50 - index, wall_s=1.5, cpu_s=9.0, engine="ray", host="there", retries=2
        )
        for index, trial in enumerate(RECORDS)
    ]
    random.Random(1).shuffle(elsewhere)
    assert table_lines(replace(VIEW, records=tuple(elsewhere))) == table_lines(VIEW)


def test_another_score_changes_the_table() -> None:
    other = replace(RECORDS[0], score=0.79, validation_accuracy=(0.2, 0.79))
    assert table_lines(replace(VIEW, records=(other, *RECORDS[1:]))) != table_lines(VIEW)


def test_the_points_of_one_network_are_listed_for_what_was_tried() -> None:
    assert next(iter(alias_lines(VIEW))) == "- 1.2/1.1/1.15: 1/1.1/1.3, 1.1/1.1/1.2, 1.2/1.1/1.2"
    assert not any("1.7/1/1.1" in line for line in alias_lines(VIEW)), "it was not tried"


def test_a_bar_in_a_text_does_not_break_the_table() -> None:
    assert markdown(("a",), [("x|y",)])[-1] == "| x/y |"
