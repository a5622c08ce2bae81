import json
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgescale.device.profile import DeviceProfile, Measurement
from edgescale.errors import DeviceError, NotForThisDevice, NothingFits, ProfileError
from edgescale.family.store import Family
from edgescale.selection.budget import Budget
from edgescale.selection.choice import limit_tests, select, select_by
from edgescale.selection.figures import StoredFigures
from edgescale.selection.sequential import FITS
from tests.fakes import fake_family, measured, profile_of

MIB = 2**20


@cache
def family() -> Family:
    with tempfile.TemporaryDirectory() as folder:
        return fake_family(Path(folder), {"s": 100_000_000, "m": 200_000_000, "l": 400_000_000})


def profile(*figures: tuple[float, int]) -> DeviceProfile:
    """Returns a profile by p95 in ms and memory; a twentieth of the runs is a tenth above the p95.

    Their mean is 0.96 of it.
    """
    pairs = zip(family().manifest.variants, figures, strict=True)
    entries = [measured(one, p95_ms=ms, memory_bytes=size) for one, (ms, size) in pairs]
    return profile_of(family(), entries)


TAIL = [9.0, 9.0, 9.0, 9.0, 20.0]
LADDER = ((10.0, 60 * MIB), (20.0, 70 * MIB), (40.0, 90 * MIB))


def test_without_a_budget_the_largest_that_was_measured_wins() -> None:
    selection = select(family(), profile(*LADDER))
    assert selection.chosen.name == "l"
    assert [one.kind for one in selection.rejections] == ["smaller", "smaller"]
    assert selection.rejections[0].text == "'l' is larger"
    assert [variant.name for variant, _ in selection.ladder] == ["s", "m", "l"]


@pytest.mark.parametrize(
    ("budget", "chosen"),
    [
        pytest.param(Budget(latency_ms=44.0), "l", id="no run over it"),
        pytest.param(Budget(latency_ms=40.0), "m", id="5 % over it is no proof"),
        pytest.param(Budget(min_fps=50), "m", id="a slower rate"),
        pytest.param(Budget(min_fps=55), "s", id="rate"),
        pytest.param(Budget(memory_bytes=70 * MIB), "m", id="memory of both processes"),
        pytest.param(Budget(latency_ms=25, memory_bytes=65 * MIB), "s", id="both"),
    ],
)
def test_each_limit_counts(budget: Budget, chosen: str) -> None:
    assert select(family(), profile(*LADDER), budget).chosen.name == chosen


def test_a_rejection_says_which_limit_and_by_how_much() -> None:
    budget = Budget(latency_ms=25.0, min_fps=40.0, memory_bytes=80 * MIB)
    selection = select(family(), profile(*LADDER), budget)
    assert selection.chosen.name == "m"
    smaller, larger = selection.rejections
    assert (smaller.variant, smaller.kind, larger.variant) == ("s", "smaller", "l")
    assert larger.text == (
        "p95 latency 40.0 ms > 25.0 ms: 15.0 ms (60.0 %) too slow;"
        " 26.04 fps < 40.00 fps: 13.96 fps (34.9 %) too few;"
        " memory 90.00 MiB > 80.00 MiB: 10.00 MiB (12.5 %) too much"
    )
    excess = larger.excesses[0]
    assert (excess.measured, excess.allowed, excess.over, excess.over_percent) == (40, 25, 15, 60)


def test_what_lies_in_the_noise_of_the_limit_is_undecided() -> None:
    latencies = [10.0] * 96 + [12.0] * 4
    entries = [measured(one, latencies_ms=latencies * 2) for one in family().manifest.variants[:1]]
    with pytest.raises(
        NothingFits, match="too close to the limit to tell: 8 of 200 runs"
    ) as caught:
        select(family(), profile_of(family(), entries), Budget(latency_ms=11.0))
    assert caught.value.rejections[0].kind == "undecided"


def test_a_few_runs_are_held_against_the_limit_by_their_median() -> None:
    s, m, _ = family().manifest.variants
    entries = [measured(s), measured(m, latencies_ms=[30.0] * 5)]
    selection = select(family(), profile_of(family(), entries), Budget(latency_ms=20.0))
    assert selection.chosen.name == "s"
    text = selection.rejections[0].text
    assert text == "median latency of 5 runs 30.0 ms > 20.0 ms: 10.0 ms (50.0 %) too slow"


def test_a_larger_and_faster_one_drops_another() -> None:
    figures = ((10.0, MIB), (40.0, MIB), (20.0, MIB))
    selection = select(family(), profile(*figures), Budget(latency_ms=100.0))
    assert selection.chosen.name == "l"
    assert selection.rejections[1].kind == "dominated"
    assert selection.rejections[1].text == ("'l' is larger and faster (median 18.0 ms < 36.0 ms)")
    assert [variant.name for variant, _ in selection.ladder] == ["s", "l"]


def test_what_was_dropped_comes_back_when_its_better_fails() -> None:
    # m is faster at the median, but every fifth run takes 20 ms; s takes 10 ms always.
    s, m, _ = family().manifest.variants
    entries = [measured(s, latencies_ms=[10.0] * 200), measured(m, latencies_ms=TAIL * 40)]
    selection = select(family(), profile_of(family(), entries), Budget(latency_ms=12.0))
    assert selection.chosen.name == "s"
    assert selection.rejections[0].state == "does not fit"


def test_one_that_failed_beats_nobody_but_others_still_do(tmp_path: Path) -> None:
    # d is the fastest at the median and fails at the tail; b is slow, and c beats it.
    four = fake_family(tmp_path, {"a": 1, "b": 2, "c": 3, "d": 4})
    times = {"a": [1.0] * 200, "b": [5.0, 5.0, 5.0, 12.0] * 50, "c": [4.0] * 200}
    times["d"] = [3.5, 3.5, 3.5, 12.0] * 50
    entries = [measured(one, latencies_ms=times[one.name]) for one in four.manifest.variants]
    selection = select(four, profile_of(four, entries), Budget(latency_ms=10.0))
    assert selection.chosen.name == "c"
    states = {one.variant: one.state for one in selection.rejections}
    assert states == {"a": "fits", "b": "dropped", "d": "does not fit"}


def test_one_that_breaks_the_memory_drops_nobody() -> None:
    figures = ((10.0, MIB), (40.0, MIB), (20.0, 90 * MIB))
    budget = Budget(latency_ms=100.0, memory_bytes=50 * MIB)
    assert select(family(), profile(*figures), budget).chosen.name == "m"


def test_to_adapt_the_next_smaller_one_needs_memory_too() -> None:
    figures = StoredFigures(family(), profile(*LADDER))
    budget = Budget(memory_bytes=115 * MIB)  # l takes 90, and the worker of m 35
    assert select_by(family(), figures, budget).chosen.name == "l"
    assert select_by(family(), figures, budget, adapt=True).chosen.name == "m"


def test_a_wanted_accuracy_is_asked_of_the_family() -> None:
    with pytest.raises(NothingFits) as caught:
        select(family(), profile(*LADDER), Budget(min_accuracy=0.5))
    texts = {one.text for one in caught.value.rejections}
    assert texts == {"its accuracy is not known (imported)"}


def test_weights_on_the_chip_are_no_limit_for_a_cpu() -> None:
    with pytest.raises(NotForThisDevice, match="would run on the CPU"):
        select(family(), profile(*LADDER), Budget(on_chip_only=True))


def test_nothing_fits_carries_every_rejection_and_names_the_nearest_miss() -> None:
    with pytest.raises(NothingFits, match=r"nearest miss is 's': p95 latency 10.0 ms") as caught:
        select(family(), profile(*LADDER), Budget(latency_ms=9.0))
    assert [one.variant for one in caught.value.rejections] == ["s", "m", "l"]
    assert caught.value.exit_code == 3


def test_the_nearest_miss_is_judged_by_its_worst_limit() -> None:
    # s: 10 % too slow and 9 times too large; m: 50 % too slow.
    figures = ((11.0, 10 * MIB), (15.0, MIB), (40.0, MIB))
    with pytest.raises(NothingFits, match="nearest miss is 'm'"):
        select(family(), profile(*figures), Budget(latency_ms=10.0, memory_bytes=MIB))


def test_a_memory_limit_that_nothing_can_keep_is_told_as_such() -> None:
    with pytest.raises(NothingFits, match=r"the main process alone takes 30.00 MiB; allow more"):
        select(family(), profile(*LADDER), Budget(memory_bytes=20 * MIB))


def test_what_was_not_measured_is_rejected_with_its_reason() -> None:
    full = profile(*LADDER)
    failed = Measurement("l", full.variants[2].model_sha256, error="ended with SIGSEGV")
    selection = select(family(), replace(full, variants=(*full.variants[:1], failed)))
    assert selection.chosen.name == "s"
    texts = {one.variant: one.text for one in selection.rejections}
    assert texts["l"] == "could not be measured: ended with SIGSEGV"
    assert texts["m"].startswith("could not be measured: its model is not in the profile")


def test_when_nothing_runs_at_all_that_is_the_error() -> None:
    full = profile(*LADDER)
    failed = [Measurement(one.variant, one.model_sha256, "it crashed") for one in full.variants]
    with pytest.raises(DeviceError, match="no variant of 'fakes' runs on this machine: s could"):
        select(family(), replace(full, variants=tuple(failed)), Budget(latency_ms=5))


def test_figures_of_another_model_file_are_not_believed() -> None:
    full = profile(*LADDER)
    other = replace(full.variants[2], model_sha256="0" * 64)
    selection = select(family(), replace(full, variants=(*full.variants[:2], other)))
    assert selection.chosen.name == "m"
    assert "its model is not in the profile" in selection.rejections[1].text


def test_a_profile_of_another_family_is_refused() -> None:
    with pytest.raises(ProfileError, match="of family 'other'"):
        select(family(), replace(profile(*LADDER), family="other"))


def test_of_equal_macs_the_faster_one_wins(tmp_path: Path) -> None:
    twins = fake_family(tmp_path, {"slow": 5, "fast": 5})
    slow, fast = twins.manifest.variants
    both = profile_of(twins, [measured(slow, p95_ms=9), measured(fast, p95_ms=3)])
    selection = select(twins, both)
    assert selection.chosen.name == "fast"
    assert selection.rejections[0].kind == "dominated"


def test_a_selection_goes_into_json() -> None:
    record = select(family(), profile(*LADDER), Budget(latency_ms=25)).to_dict()
    assert json.loads(json.dumps(record))["rejections"][1]["excesses"][0]["over"] == 15


figures = st.tuples(
    st.floats(1, 100).map(lambda value: round(value, 1)),
    st.integers(1, 100).map(lambda value: value * MIB),
)
limits = st.one_of(st.none(), st.integers(1, 120))


def fits(entry: Measurement, budget: Budget) -> bool:
    states = [test.judge(entry.latencies_ms).state for test in limit_tests(budget)]
    keeps = budget.memory_bytes is None or entry.memory_bytes <= budget.memory_bytes
    return keeps and all(state == FITS for state in states)


def budget_of(latency_ms: int | None, min_fps: int | None, memory_mib: int | None) -> Budget:
    return Budget(latency_ms, min_fps, None if memory_mib is None else memory_mib * MIB)


@given(figures, figures, figures, limits, limits, limits)
def test_the_chosen_one_fits_and_no_larger_one_does(
    s: tuple[float, int],
    m: tuple[float, int],
    l: tuple[float, int],  # noqa: E741 - the variants are s, m and l
    latency_ms: int | None,
    min_fps: int | None,
    memory_mib: int | None,
) -> None:
    budget, made = budget_of(latency_ms, min_fps, memory_mib), profile(s, m, l)
    fitting = {entry.variant for entry in made.variants if fits(entry, budget)}
    try:
        selection = select(family(), made, budget)
    except NothingFits:
        assert not fitting
        return
    assert selection.chosen.name in fitting
    larger = [v.name for v in family().manifest.variants if v.macs > selection.chosen.macs]
    assert not fitting.intersection(larger)
    named = {one.variant for one in selection.rejections}
    assert named == {"s", "m", "l"} - {selection.chosen.name}
    assert all(one.text for one in selection.rejections)


@given(figures, figures, figures, st.integers(1, 100), st.integers(1, 100), st.integers(0, 50))
def test_raising_a_budget_never_lowers_the_pick(
    s: tuple[float, int],
    m: tuple[float, int],
    l: tuple[float, int],  # noqa: E741 - the variants are s, m and l
    latency_ms: int,
    memory_mib: int,
    more: int,
) -> None:
    made = profile(s, m, l)
    before = _macs(made, budget_of(latency_ms, None, memory_mib))
    assert _macs(made, budget_of(latency_ms + more, None, memory_mib)) >= before
    assert _macs(made, budget_of(latency_ms, None, memory_mib + more)) >= before


def _macs(made: DeviceProfile, budget: Budget) -> int:
    try:
        return select(family(), made, budget).chosen.macs
    except NothingFits:
        return 0
