"""The plan of a build: which stages, which keys, and phis that make no family."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgescale.builder import published_weights
from edgescale.builder.build import scaling_warnings
from edgescale.builder.find_recipe import shipped_recipes
from edgescale.builder.plan import Digests, Plan, make_plan
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.builder.stages import Work
from edgescale.builder.toml_file import parse_toml
from edgescale.errors import DataError, RecipeError
from edgescale.family.store import sha256_of

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


# The keys of an earlier version: another one would train every family again.
PINNED = {
    "phi-1": {
        "network": "5217403766c1896669171e376be1da4e17a3282ba4f19a2cab61ef0b1fa7197d",
        "weights": "bd1785a727920b5d9211e4405b60151e84a217153ae036705ae903d00332cfdd",
        "train": "5bf4089a4db78f747a3ff059dd1def9c5611eeeabf9acce1e31cff695f471bd6",
        "quantise": "ad40eaab55433a87efcfb07501cb6f43f7201746f4c6341d6dbdff93d3eeefff",
        "evaluate": "1608e479ccbf2ef20ec218b78820143c8d95d2ac7ae862c8ce96985e46197250",
    },
    "phi0": {
        "network": "719d27741004d9494e05015657127c30070393c164d0f1f11c636e68c80874e7",
        "weights": "9feae21fe6b3c9ec3cdd289ed0ebcdfdb379cd6572e1bd737434e9e4fc28795a",
        "train": "4cf7a6d27abe5d2e1569d864187f7d5bf8ea469d79d1dac4c9b9a0db27a93c43",
        "quantise": "87a24d91d343969e4fd1e9b2ded29cffceb28464fa0f7c1ccb3560a23b972399",
        "evaluate": "985b5e50c59ccf33155a294f4b988cee3abdc9dff3501784a3c760ece8a6df32",
    },
    "phi1": {
        "network": "efbfe3fd384ea2981f82f26f3ca043c4df3cf81a40b034ab81ee56dc224259bc",
        "weights": "b038d54bf08470e6b8b476e844e665ad78915b943e0c2b047a1788717b6a164b",
        "train": "79653d2fa286d166da3a9e071ac442b730de9336d68c3155d9004c2c88dd3f82",
        "quantise": "a3bb843b43c55f929d892494496e6879ba0a14ed964d82341fba79e5502ddb35",
        "evaluate": "192eb51ab704eee9e4959a7bc8fadf1b127772e9548cae181398cc629a97675c",
    },
}


def test_keys_are_those_of_families_that_were_built_before() -> None:
    made = plan(digests=Digests("d" * 64, "d" * 64, None))
    assert {planned.name: dict(planned.keys) for planned in made.variants} == PINNED
    lite = plan("imagenet-lite", Digests(None, "c" * 64, None))
    assert [planned.keys["quantise"][:12] for planned in lite.variants] == [
        "b98f5cf35223",
        "25f59c9d0732",
        "6a2bd0513566",
    ]


def test_other_weights_to_start_from_are_trained_again(tmp_path: Path) -> None:
    plans = []
    for content in (b"one", b"other"):
        path = tmp_path / content.decode()
        path.write_bytes(content)
        plans.append(plan(weights={"from": "file", "file": str(path)}))
    assert changed_stages(*plans) == ["weights", "train", "quantise", "evaluate"]
    digest = sha256_of(tmp_path / "one")
    assert plans[0].recipe.resolved()["weights"] == {
        "from": "file",
        "file": str(tmp_path / "one"),
        "sha256": digest,
    }


def test_a_missing_file_of_weights_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"weights\.file: .*none\.npz cannot be read"):
        plan(weights={"from": "file", "file": str(tmp_path / "none.npz")})


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
