"""The search space: candidates of one cost, none twice, none lost without a reason."""

from dataclasses import replace

import pytest

from edgescale.architecture.baseline import Baseline, find_baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.network import laid_out
from edgescale.errors import ArchitectureError, SearchError
from edgescale.scaling.coefficients import Coefficients
from edgescale.scaling.variant import ScalingRules, SearchedNetwork, scale
from edgescale.search.space import COST_TOLERANCE, Space, make_space, numbers, sample
from tests.search_records import BASELINE, CLASSES, RULES, small_space

EDGETPU = find_baseline("efficientnet-edgetpu")
PUBLISHED = Coefficients(1.2, 1.1, 1.15)
NO_TRIM = ScalingRules(trim=False)


def edgetpu_space(step: str = "0.05", tolerance: str = "0.1", phi: float = 1) -> Space:
    return make_space(EDGETPU, classes=1000, rules=NO_TRIM, phi=phi, step=step, tolerance=tolerance)


@pytest.mark.parametrize(
    ("step", "tolerance", "points", "distinct"),
    [
        ("0.05", "0.1", 109, 85),
        ("0.05", "0.2", 217, 141),
        ("0.1", "0.1", 21, 20),
        ("0.1", "0.2", 37, 34),
    ],
)
def test_points_and_distinct_networks_are_as_many_as_enumerated(
    step: str, tolerance: str, points: int, distinct: int
) -> None:
    space = edgetpu_space(step, tolerance)
    assert (space.points, space.distinct) == (points, distinct)


@pytest.mark.parametrize(("step", "points", "distinct"), [("0.05", 54, 49), ("0.1", 10, 10)])
def test_the_counts_of_a_tolerance_without_the_published_coefficients(
    step: str, points: int, distinct: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgescale.search.space.check_incumbent", lambda *_: None)
    space = edgetpu_space(step, "0.05")
    assert (space.points, space.distinct) == (points, distinct)


@pytest.mark.parametrize(
    ("space", "off_grid"), [(edgetpu_space(), 0), (small_space(), 1), (edgetpu_space(phi=-1), 0)]
)
def test_every_point_is_one_candidate_or_left_out_with_a_reason(
    space: Space, off_grid: int
) -> None:
    listed = [point for one in space.candidates for point in (one.coefficients, *one.aliases)]
    listed += [one.coefficients for one in space.left_out]
    assert len(listed) == len(set(listed)) == space.points + off_grid
    digests = [one.variant.architecture.digest for one in space.candidates]
    assert len(set(digests)) == len(digests)
    assert [one.identity for one in space.candidates] == [digest[:12] for digest in digests]
    assert all(one.reason for one in space.left_out)


@pytest.mark.parametrize("space", [edgetpu_space(), small_space(), edgetpu_space(phi=-1)])
def test_all_candidates_cost_what_the_incumbent_costs(space: Space) -> None:
    assert space.target_macs == space.incumbent.variant.cost.macs
    for one in space.candidates:
        assert abs(one.variant.cost.macs / space.target_macs - 1) <= COST_TOLERANCE
        assert one.variant.cost.macs == sum(layer.macs for layer in one.variant.architecture.layers)
        assert one.variant.resolution == one.variant.architecture.resolution


def test_without_the_common_cost_they_would_differ() -> None:
    ratios = [
        scale(EDGETPU, 1, rules=replace(NO_TRIM, coefficients=one.coefficients)).macs_ratio
        for one in edgetpu_space().candidates
    ]
    assert max(ratios) / min(ratios) > 1.25


def test_the_incumbent_comes_first_and_is_what_the_recipe_builds() -> None:
    for rules in (NO_TRIM, ScalingRules(Coefficients(1.4, 1.1, 1.0))):
        space = make_space(EDGETPU, classes=10, rules=rules, phi=1, step="0.1", tolerance="0.1")
        first, *others = space.candidates
        assert first.incumbent
        assert first.coefficients == PUBLISHED
        built = scale(EDGETPU, 1, classes=10, rules=replace(rules, coefficients=PUBLISHED))
        assert first.variant == built
        assert not any(one.incumbent for one in others)


@pytest.mark.parametrize("space", [edgetpu_space(), small_space("0.05"), small_space("0.02")])
def test_the_others_follow_in_order_of_their_coefficients(space: Space) -> None:
    points = [numbers(one.coefficients) for one in space.candidates[1:]]
    assert points == sorted(points)


def test_equation_4_searches_the_same_networks_at_phi_1() -> None:
    linear = replace(RULES, coefficients=Coefficients.of("linear"))
    space = make_space(BASELINE, classes=CLASSES, rules=linear, phi=1, step="0.1", tolerance="0.1")
    assert space.incumbent.coefficients == Coefficients(0.2, 0.1, 0.15, "linear")
    assert {one.identity for one in space.candidates} <= {
        one.identity for one in small_space().candidates
    }
    assert all(one.coefficients.equation == "linear" for one in space.candidates)


def test_networks_that_differ_in_resolution_alone_are_one_candidate() -> None:
    candidates = small_space("0.05").candidates
    scaled = {replace(one.variant.architecture, resolution=0, layers=()) for one in candidates}
    assert len(scaled) == len(candidates)
    for one in candidates[1:]:
        assert one.variant.resolution % 2 == 0, "an odd size costs what the even one above it does"


def test_points_out_of_reach_are_left_out_with_numbers() -> None:
    coarse = replace(NO_TRIM, resolution_step=64)
    space = make_space(EDGETPU, classes=10, rules=coarse, phi=1, step="0.05", tolerance="0.2")
    assert space.left_out
    assert "% off" in space.left_out[0].reason
    assert f"{space.target_macs:,}" in space.left_out[0].reason
    assert "5 % is allowed on a grid of 64 px" in space.left_out[0].reason


def test_points_that_are_no_network_are_left_out_and_the_others_stay() -> None:
    one_block = replace(BASELINE, blocks=(parse_block("r1_k3_s22_e2_i8_o8_c1"),))
    space = make_space(one_block, classes=10, rules=RULES, phi=-2, step="0.1", tolerance="0.1")
    assert any("vanishes at depth coefficient" in one.reason for one in space.left_out)
    assert len(space.candidates) > 1


def test_a_space_is_the_same_each_time() -> None:
    assert edgetpu_space() == edgetpu_space()


def test_phi_0_has_nothing_to_compare() -> None:
    with pytest.raises(SearchError, match="phi 0 is the baseline whatever the coefficients"):
        edgetpu_space(phi=0)


def test_a_tolerance_that_refuses_the_published_coefficients_is_refused() -> None:
    with pytest.raises(SearchError, match=r"tolerance 0\.05 refuses the published 1\.2/1\.1/1\.15"):
        edgetpu_space(tolerance="0.05")


def test_a_phi_at_which_a_stage_vanishes_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="phi -9 is too small"):
        edgetpu_space(phi=-9)


def test_a_search_that_is_left_with_the_incumbent_alone_is_refused() -> None:
    coarse = replace(RULES, resolution_step=32)
    with pytest.raises(
        SearchError, match=r"nothing to compare .* of 1 points 1 are left out \(its"
    ):
        make_space(BASELINE, classes=10, rules=coarse, phi=1, step="1", tolerance="0.1")


def test_a_sample_begins_with_the_incumbent_and_repeats() -> None:
    space = edgetpu_space()
    drawn = sample(space, 6, seed=3)
    assert drawn == sample(space, 6, seed=3)
    assert drawn != sample(space, 6, seed=4)
    assert drawn[0] == space.incumbent
    assert len({one.identity for one in drawn}) == 6
    assert set(drawn) <= set(space.candidates)
    assert sample(space, 7, seed=3)[:6] == drawn
    assert set(sample(space, len(space.candidates), seed=0)) == set(space.candidates)


@pytest.mark.parametrize("n", [0, -1, 1000])
def test_a_sample_of_more_than_there_are_is_refused(n: int) -> None:
    with pytest.raises(SearchError, match=f"{n} candidates were asked for"):
        sample(small_space(), n, seed=0)


def test_the_baseline_may_be_anything() -> None:
    fixed: Baseline = replace(BASELINE, fix_stem_head=True)
    space = make_space(fixed, classes=10, rules=RULES, phi=1.5, step="0.05", tolerance="0.1")
    assert len(space.candidates) > 2


def test_a_search_with_the_coefficients_of_another_one_has_the_same_space() -> None:
    network = replace(small_space().incumbent.variant.architecture, resolution=20, layers=())
    searched = SearchedNetwork(1, 20, laid_out(network).digest)
    rules = replace(RULES, searched=searched)
    assert scale(BASELINE, 1, classes=CLASSES, rules=rules).resolution == 20
    space = make_space(BASELINE, classes=CLASSES, rules=rules, phi=1, step="0.1", tolerance="0.1")
    assert space == small_space()
