"""Limits: one more variant that keeps them, what it uses, and a file that breaks its own."""

import re
from pathlib import Path
from typing import Any

import pytest

from edgescale.architecture.file_size import file_bytes
from edgescale.builder.budget import budget_line, checked_size
from edgescale.builder.plan import Digests, Plan, make_plan
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.errors import BuildError, RecipeError

TABLE: dict[str, Any] = {
    "name": "tiny",
    "baseline": {
        "stem_filters": 8,
        "blocks": ["r1_k3_s11_e4_i8_o8_c1_noskip", "r2_k3_s22_e4_i8_o16"],
        "head_filters": 32,
        "depth_divisor": 4,
        "resolution": 32,
    },
    "data": {"dataset": "cluttered-digits"},
    "training": {"epochs": 3},
}


def plan(**variants: Any) -> Plan:
    recipe = recipe_from_table({**TABLE, "variants": variants}, Path("recipe.toml"))
    return make_plan(recipe, Digests("d", "d", None))


def test_times_are_phis() -> None:
    assert [planned.name for planned in plan(times=[0.25, 1, 4]).variants] == [
        "phi-2", "phi0", "phi2",
    ]  # fmt: skip


def test_a_limit_makes_one_more_variant() -> None:
    made = plan(phis=[0], max_bytes=12_000)
    assert made.solution is not None
    name = made.solution.variant.name
    assert {planned.name for planned in made.variants} == {"phi0", name}
    assert made.variant(name).variant.cost.weight_bytes <= 12_000
    line = budget_line(made)
    assert line is not None
    assert re.match(rf"{name} is the largest .* uses \d\d\.\d % of max_bytes; the next, phi", line)
    assert budget_line(plan(phis=[0])) is None


def test_a_limit_that_a_listed_variant_meets_best_makes_none() -> None:
    (alone,) = plan(max_parameters=10_000).variants
    listed = plan(phis=[alone.variant.phi], max_parameters=10_000)
    assert [planned.name for planned in listed.variants] == [alone.name]


def test_all_limits_hold_together() -> None:
    one, other = {"max_bytes": 20_000}, {"max_macs": 300_000}
    (both,) = plan(**one, **other).variants
    assert both.variant.cost.macs <= 300_000
    assert both.variant.cost.weight_bytes <= 20_000
    assert (
        both.name
        == min(
            (plan(**limit).variants[0] for limit in (one, other)), key=lambda p: p.variant.phi or 0
        ).name
    )


def test_a_limit_below_the_smallest_network_is_one_sentence() -> None:
    with pytest.raises(RecipeError, match="recipe 'tiny', variants: "):
        plan(max_bytes=10)


def test_a_file_within_its_limit_says_what_it_uses() -> None:
    made = plan(phis=[3], max_file_bytes=30_000)
    solved, other = made.variants
    assert solved.max_file_bytes == 30_000
    assert checked_size(made, solved, 29_000) == "0.03 MB int8, 96.7 % of max_file_bytes"
    assert checked_size(made, other, 29_000) == "0.03 MB int8"


def test_a_file_over_its_limit_names_the_phi_that_fits() -> None:
    made = plan(max_file_bytes=30_000)
    (solved,) = made.variants
    missed = 31_000 - file_bytes(solved.variant.architecture)
    with pytest.raises(BuildError) as problem:
        checked_size(made, solved, 31_000)
    lower = plan(max_file_bytes=30_000 - missed)
    assert lower.variants[0].variant.phi is not None
    assert str(problem.value) == (
        "its file has 31,000 bytes, 1,000 more than max_file_bytes = 30,000; phi"
        f" {lower.variants[0].variant.phi:g} is predicted to fit: build phis ="
        f" [{lower.variants[0].variant.phi:g}] in place of the limits"
    )


def test_a_file_that_no_network_would_fit_into_says_so() -> None:
    made = plan(max_file_bytes=30_000)
    with pytest.raises(BuildError, match="no network of this baseline is predicted to fit"):
        checked_size(made, made.variants[0], 80_000)


def test_a_changed_limit_checks_the_file_again_and_trains_nothing_again() -> None:
    one, other = plan(max_file_bytes=30_000), plan(max_file_bytes=30_001)
    first, second = one.variants[0].keys, other.variants[0].keys
    assert one.variants[0].name == other.variants[0].name
    assert [stage for stage in first if first[stage] != second[stage]] == ["quantise", "evaluate"]


def test_a_file_exactly_at_its_limit_passes() -> None:
    made = plan(max_file_bytes=30_000)
    (solved,) = made.variants
    assert checked_size(made, solved, 30_000) == "0.03 MB int8, 100.0 % of max_file_bytes"
    assert checked_size(made, solved, 29_999).endswith("99.997 % of max_file_bytes")
    with pytest.raises(BuildError, match="1 more than max_file_bytes"):
        checked_size(made, solved, 30_001)


def test_a_limit_that_is_met_exactly_is_used_up_and_the_next_is_over() -> None:
    (solved,) = plan(max_macs=300_000).variants
    needed = solved.variant.cost.macs
    line = budget_line(plan(max_macs=needed))
    assert line is not None
    assert "uses 100.0 % of max_macs" in line
    made = plan(max_macs=needed)
    assert made.solution is not None
    assert made.solution.next is not None
    almost = budget_line(plan(max_macs=made.solution.next.cost.macs - 1))
    assert almost is not None
    assert not almost.endswith("would use 100.0 %")


def test_times_of_equation_4_are_refused() -> None:
    table = {**TABLE, "variants": {"times": [4]}, "scaling": {"equation": "linear"}}
    recipe = recipe_from_table(table, Path("recipe.toml"))
    with pytest.raises(RecipeError, match=r"phi = log2 N, .* Equation 3 .*max_macs in a recipe"):
        make_plan(recipe, Digests("d", "d", None))
