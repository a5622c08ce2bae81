"""A folder per class: the split, its digest, and folders that cannot be trained on."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgescale.builder.class_folders import ClassFolders, evaluation_digest, evaluation_images
from edgescale.builder.recipe import DataRecipe
from edgescale.errors import DataError


def write_images(folder: Path, count: int, value: int) -> None:
    import cv2

    folder.mkdir(parents=True)
    for index in range(count):
        picture = np.full((8, 10, 3), (value, index, 0), np.uint8)
        cv2.imwrite(str(folder / f"{index:02}.png"), picture)


@pytest.fixture
def recipe(tmp_path: Path) -> DataRecipe:
    write_images(tmp_path / "data/cat", 10, 50)
    write_images(tmp_path / "data/dog", 20, 250)
    return DataRecipe(None, tmp_path / "data", "data", 0.1, 0.2, 0, 1.0)


def scan(recipe: DataRecipe) -> ClassFolders:
    assert recipe.folder is not None
    return ClassFolders.scan(recipe.folder, recipe)


def test_every_class_is_split_in_the_same_ratio(recipe: DataRecipe) -> None:
    data = scan(recipe)
    assert data.labels == ("cat", "dog")
    parts = data.training(0), data.validation(), data.test()
    assert [np.bincount(part.classes).tolist() for part in parts] == [[7, 14], [1, 2], [2, 4]]
    seen = {(int(label), int(image[0, 0, 1])) for part in parts
            for image, label in zip(part.images, part.classes, strict=True)}  # fmt: skip
    assert len(seen) == 30
    assert data.test().images[0].shape == (8, 10, 3)
    assert data.test().images[0][0, 0, 2] == 50


def test_the_split_hangs_on_the_seed_and_nothing_else(recipe: DataRecipe) -> None:
    def chosen(seed: int) -> list[int]:
        part = scan(replace(recipe, seed=seed)).test()
        return [int(image[0, 0, 1]) for image in part.images]

    assert chosen(0) == chosen(0)
    assert chosen(0) != chosen(1)


def test_the_digest_follows_names_contents_and_split(recipe: DataRecipe) -> None:
    assert recipe.folder is not None
    digest = scan(recipe).digest
    assert scan(recipe).digest == digest
    assert scan(replace(recipe, seed=1)).digest != digest
    path = recipe.folder / "cat" / "00.png"
    path.write_bytes(path.read_bytes() + b"x")
    changed = scan(recipe).digest
    assert changed != digest
    path.rename(path.with_name("zz.png"))
    assert scan(recipe).digest != changed


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param("empty", "bird: holds 0 image", id="empty-class"),
        pytest.param("one", "holds 1 class folder", id="one-class"),
        pytest.param("none", "no such folder", id="no-folder"),
    ],
)
def test_refuses_what_cannot_be_trained_on(spoil: str, said: str, recipe: DataRecipe) -> None:
    assert recipe.folder is not None
    if spoil == "empty":
        (recipe.folder / "bird").mkdir()
    elif spoil == "one":
        (recipe.folder / "dog").rename(recipe.folder / ".dog")
    else:
        recipe.folder.rename(recipe.folder.with_name("gone"))
    with pytest.raises(DataError, match=said):
        scan(recipe)


def test_an_unreadable_image_is_named(recipe: DataRecipe) -> None:
    assert recipe.folder is not None
    for path in (recipe.folder / "dog").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"dog/\d\d\.png: not a readable image"):
        list(scan(recipe).test().images)


def test_an_evaluation_folder_takes_the_order_of_the_labels(recipe: DataRecipe) -> None:
    assert recipe.folder is not None
    part = evaluation_images(recipe.folder, ("dog", "mouse", "cat"))
    assert np.bincount(part.classes).tolist() == [20, 0, 10]
    digest = evaluation_digest(recipe.folder, ("dog", "mouse", "cat"))
    assert digest != evaluation_digest(recipe.folder, ("cat", "mouse", "dog"))
    with pytest.raises(DataError, match="dog"):
        evaluation_images(recipe.folder, ("mouse", "cat"))


def test_file_names_that_are_not_utf8_are_digested(recipe: DataRecipe) -> None:
    assert recipe.folder is not None
    digest = scan(recipe).digest
    path = recipe.folder / "cat" / "00.png"
    path.rename(path.with_name(os.fsdecode(b"\xe9.png")))
    assert scan(recipe).digest != digest


def test_a_class_name_that_is_not_utf8_is_refused(recipe: DataRecipe) -> None:
    assert recipe.folder is not None
    (recipe.folder / "cat").rename(recipe.folder / os.fsdecode(b"caf\xe9"))
    with pytest.raises(DataError, match=r"class folder 'caf\\udce9' has a name that is not UTF-8"):
        scan(recipe)


@pytest.mark.parametrize("kind", ["dangling", "folder"])
def test_what_is_named_like_an_image_and_is_no_file_is_named(kind: str, recipe: DataRecipe) -> None:
    assert recipe.folder is not None
    path = recipe.folder / "cat" / "x.png"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere.png")
    said = r"x\.png: cannot be read \(.*\); replace or remove it"
    with pytest.raises(DataError, match=said):
        _ = scan(recipe).digest
    with pytest.raises(DataError, match=said):
        evaluation_digest(recipe.folder, ("cat", "dog"))


def test_a_broken_image_of_any_part_is_found_by_the_check(recipe: DataRecipe) -> None:
    assert recipe.folder is not None
    scan(recipe).check_images()
    (recipe.folder / "dog" / "07.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"dog/07\.png: not a readable image"):
        scan(recipe).check_images()
