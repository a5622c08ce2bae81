"""The plan of a build: which stages, which keys, and phis that make no family."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgescale.builder import published_weights
from edgescale.builder.build import scaling_warnings
from edgescale.builder.find_recipe import shipped_recipes
from edgescale.builder.plan import Digests, Plan, make_plan
from edgescale.builder.recipe_file import parse_toml, recipe_from_table
from edgescale.builder.stages import Work
from edgescale.errors import DataError, RecipeError

DIGESTS = Digests("d" * 64, "c" * 64, None)


def plan(shipped: str = "cluttered-digits", digests: Digests = DIGESTS, **tables: Any) -> Plan:
    path = shipped_recipes()[shipped]
    table = parse_toml(path)
    for key, value in tables.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return make_plan(recipe_from_table(table, path), digests)


def changed_stages(first: Plan, second: Plan) -> list[str]:
    one, two = first.variants[0].keys, second.variants[0].keys
    return [stage for stage in one if one[stage] != two[stage]]


def test_variants_go_from_the_least_macs_to_the_most() -> None:
    assert [planned.name for planned in plan().variants] == ["phi-1", "phi0", "phi1"]
    assert list(plan().variants[0].keys) == ["network", "weights", "train", "quantise", "evaluate"]
    assert plan().labels == tuple("0123456789")


def test_equal_inputs_give_equal_keys() -> None:
    assert plan().variants[1].keys == plan().variants[1].keys


@pytest.mark.parametrize(
    ("tables", "stages"),
    [
        pytest.param({"quantisation": {"images": 10}}, ["quantise", "evaluate"], id="quantise"),
        pytest.param({"training": {"epochs": 9}}, ["train", "quantise", "evaluate"], id="train"),
        pytest.param({"training": {"seed": 9}}, ["weights", "train", "quantise", "evaluate"],
                     id="seed"),
        pytest.param({"data": {"crop_fraction": 0.9}}, ["train", "quantise", "evaluate"],
                     id="preparation"),
        pytest.param({"scaling": {"beta": 1.3}},
                     ["network", "weights", "train", "quantise", "evaluate"], id="network"),
        pytest.param({"name": "other"}, [], id="name"),
    ],
)  # fmt: skip
def test_a_change_reaches_its_stage_and_those_after_it(
    tables: dict[str, Any], stages: list[str]
) -> None:
    assert changed_stages(plan(), plan(**tables)) == stages


def test_other_data_trains_again() -> None:
    other = plan(digests=Digests("e" * 64, "c" * 64, None))
    assert changed_stages(plan(), other) == ["train", "quantise", "evaluate"]


def test_other_evaluation_images_are_evaluated_again() -> None:
    one, two = (
        plan("imagenet-lite", Digests(None, "c" * 64, digest * 64), evaluation={"folder": "x"})
        for digest in "ef"
    )
    assert changed_stages(one, two) == ["evaluate"]


def test_other_published_weights_are_quantised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = Digests(None, "c" * 64, None)
    before = plan("imagenet-lite", digests)
    source = replace(published_weights.SOURCES["lite0"], sha256="0" * 64)
    monkeypatch.setitem(published_weights.SOURCES, "lite0", source)
    assert changed_stages(before, plan("imagenet-lite", digests)) == ["weights", "quantise"]


def test_another_training_has_another_checkpoint(tmp_path: Path) -> None:
    def checkpoint(made: Plan) -> Path:
        return Work(tmp_path, made, made.variants[0], lambda done, loss: None).checkpoint()

    assert checkpoint(plan()) == checkpoint(plan(quantisation={"images": 70}))
    assert checkpoint(plan()) != checkpoint(plan(training={"epochs": 9}))


def test_a_family_that_grows_hangs_on_the_variant_before() -> None:
    grown = plan(weights={"from": "previous"})
    assert [planned.previous for planned in grown.variants] == [None, "phi-1", "phi0"]
    longer = plan(weights={"from": "previous"}, variants={"phis": [-1.5, -1, 0, 1]})
    assert longer.variants[1].name == "phi-1"
    assert longer.variants[1].keys["network"] == grown.variants[0].keys["network"]
    assert longer.variants[1].keys["weights"] != grown.variants[0].keys["weights"]


def test_published_variants_are_neither_trained_nor_evaluated() -> None:
    lite = plan("imagenet-lite", Digests(None, "c" * 64, None))
    assert [list(planned.keys) for planned in lite.variants] == [
        ["network", "weights", "quantise"]
    ] * 3
    assert lite.variants[0].preparation.crop_fraction == 224 / 256
    assert lite.variants[2].preparation.crop_fraction == 260 / 292
    assert lite.variants[0].variant.phi is None


def test_two_phis_that_make_one_network_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"'phi0' and 'phi0\.01' are the same network"):
        plan(variants={"phis": [0, 0.01]})


def test_a_phi_below_what_the_network_allows_is_refused() -> None:
    with pytest.raises(RecipeError, match="phi -12 is too small for 'edgetpu-tiny'"):
        plan(variants={"phis": [-12, 0]})


def test_nearly_equal_networks_are_told() -> None:
    rules = {"alpha": 1.0, "gamma": 1.0, "resolution_trim": False}
    near = plan(variants={"phis": [0, 0.4, 3]}, scaling=rules)
    warnings = scaling_warnings([planned.variant for planned in near.variants])
    assert len(warnings) == 1
    assert warnings[0].startswith("phi0 and phi0.4 are nearly one network")
    assert scaling_warnings([planned.variant for planned in plan().variants]) == []


def test_published_weights_that_no_package_carries_are_refused() -> None:
    with pytest.raises(RecipeError, match="no package carries weights for 'lite4'"):
        plan("imagenet-lite", Digests(None, "c" * 64, None), variants={"names": ["lite4"]})


def test_missing_data_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    path = shipped_recipes()["cluttered-digits"]
    table = {**parse_toml(path), "data": {"folder": "none"}}
    with pytest.raises(DataError, match="no such folder"):
        make_plan(recipe_from_table(table, tmp_path / "recipe.toml"))


def test_published_weights_without_data_need_their_own_number_of_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    path = shipped_recipes()["imagenet-lite"]
    table = {**parse_toml(path), "labels": {"file": "labels.txt"}}
    recipe = recipe_from_table(table, tmp_path / "recipe.toml")
    with pytest.raises(RecipeError, match=r"know 1000 classes, but \[labels\] names 2"):
        make_plan(recipe, Digests(None, "c" * 64, None))
