"""How long a trial may keep silent."""

import threading

from edgescale.search.patience import Patience, Silence
from edgescale.search.training import Epoch


def epoch(number: int, wall_s: float) -> Epoch:
    return Epoch(number, 0.5, 0.5, wall_s, wall_s)


def test_the_limit_follows_the_longest_epoch_of_all_trials_and_is_ten_minutes_at_least() -> None:
    patience = Patience()
    assert patience.limit_s == 6 * 3600
    patience.heard(epoch(1, 2.0))
    assert patience.limit_s == 600
    patience.heard(epoch(4, 400.0))
    patience.heard(epoch(1, 3.0))
    assert patience.limit_s == 20 * 100


def test_epochs_of_a_checkpoint_told_in_a_row_do_not_make_it_short() -> None:
    patience = Patience()
    for number in (1, 2, 3):
        patience.heard(epoch(number, 3 * 3600.0 + 0.001 * number))  # three of an hour each
    assert patience.limit_s >= 20 * 3600


def test_silence_is_acted_on_once_and_a_word_begins_it_anew() -> None:
    acted = threading.Event()
    patience = Patience(least_s=0.2, first_s=0.2, times=0, step_s=0.01)
    with Silence(patience, acted.set) as silence:
        for _ in range(6):
            assert not acted.wait(0.05)
            silence.heard(epoch(1, 0.1))
        assert silence.said == ""
        assert acted.wait(20)
    assert silence.said.startswith("it kept silent for 0 minutes")
    assert threading.active_count() == 1
