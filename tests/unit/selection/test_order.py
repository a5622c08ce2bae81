from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from edgescale.family.store import Family, artifact_from
from edgescale.inference.evaluation import Evaluation, save_evaluation
from edgescale.selection.order import ordered
from tests.fakes import fake_family


def evaluated(folder: Path, macs: dict[str, int], right: dict[str, range], n: int = 200) -> Family:
    """Returns a family of which each variant answers these of n images rightly."""
    family = fake_family(folder, macs)
    variants = []
    for variant in family.manifest.variants:
        if variant.name in right:
            answers = tuple((0,) if index in right[variant.name] else (1,) for index in range(n))
            evaluation = Evaluation("a" * 64, (0,) * n, answers)
            path = folder / f"{variant.name}.evaluation.json"
            save_evaluation(path, evaluation)
            accuracy = evaluation.accuracy(artifact_from(folder, path))
            variant = replace(variant, accuracy=accuracy)
        variants.append(variant)
    return Family(folder, replace(family.manifest, variants=tuple(variants)))


def names(family: Family) -> list[str]:
    return [variant.name for variant in ordered(family, family.manifest.variants).variants]


def test_without_accuracies_macs_order(tmp_path: Path) -> None:
    family = fake_family(tmp_path, {"b": 3, "a": 5, "c": 1})
    order = ordered(family, family.manifest.variants)
    assert [variant.name for variant in order.variants] == ["c", "b", "a"]
    assert order.text == "ordered by MACs: no pair was evaluated on the same images"


def test_a_proven_accuracy_goes_before_macs(tmp_path: Path) -> None:
    # The largest by MACs misses 60 images that the middle one gets: far outside chance.
    right = {"s": range(100), "m": range(160), "l": range(100)}
    family = evaluated(tmp_path, {"s": 1, "m": 2, "l": 3}, right)
    order = ordered(family, family.manifest.variants)
    assert [variant.name for variant in order.variants] == ["s", "l", "m"]
    assert "2 of 3 pairs" in order.text


def test_what_chance_explains_does_not_order(tmp_path: Path) -> None:
    right = {"s": range(102), "l": range(100)}  # two images more
    family = evaluated(tmp_path, {"s": 1, "l": 2}, right)
    assert names(family) == ["s", "l"]
    assert "resolves no pair" in ordered(family, family.manifest.variants).text


def test_other_images_are_not_compared(tmp_path: Path) -> None:
    family = evaluated(tmp_path, {"s": 1, "l": 2}, {"s": range(200), "l": range(20)})
    assert names(family) == ["l", "s"]
    first, second = family.manifest.variants
    assert first.accuracy is not None
    moved = replace(first, accuracy=replace(first.accuracy, images_sha256="b" * 64))
    assert [one.name for one in ordered(family, (moved, second)).variants] == ["s", "l"]


def test_a_damaged_evaluation_leaves_macs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    family = evaluated(tmp_path, {"s": 1, "l": 2}, {"s": range(200), "l": range(20)})
    (tmp_path / "s.evaluation.json").write_text("{}")
    assert names(family) == ["s", "l"]
    assert "'s' is ordered by its MACs" in caplog.text


def test_the_order_does_not_depend_on_the_order(tmp_path: Path) -> None:
    right = {"a": range(150), "b": range(100), "d": range(20)}
    family = evaluated(tmp_path, {"a": 1, "b": 2, "c": 2, "d": 9}, right)
    found = {
        tuple(one.name for one in ordered(family, variants).variants)
        for variants in permutations(family.manifest.variants)
    }
    assert len(found) == 1
