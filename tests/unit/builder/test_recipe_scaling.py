"""The variants of a recipe: phis, times, limits; and the data folder that a flag names."""

from pathlib import Path

import pytest

from edgescale.builder.recipe import Recipe
from edgescale.builder.recipe_file import read_recipe
from edgescale.errors import RecipeError
from edgescale.scaling.solve import Limits

RECIPE = """
name = "tiny"
[baseline]
name = "efficientnet-lite"
[variants]
{}
[data]
folder = "images"
crop_fraction = 0.9
[training]
epochs = 3
"""


def read(variants: str, folder: Path, data_folder: Path | None = None) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(variants))
    return read_recipe(path, data_folder)


def test_every_limit_is_read(tmp_path: Path) -> None:
    recipe = read("max_bytes = 1\nmax_file_bytes = 2\nmax_macs = 3\nmax_parameters = 4", tmp_path)
    assert recipe.variants.limits == Limits(1, 2, 3, 4)
    assert recipe.resolved()["variants"] == {
        "phis": [],
        "times": [],
        "names": [],
        "max_bytes": 1,
        "max_file_bytes": 2,
        "max_macs": 3,
        "max_parameters": 4,
    }


def test_times_alone_are_variants_enough(tmp_path: Path) -> None:
    recipe = read("times = [0.5, 2]", tmp_path)
    assert list(recipe.variants.times) == [0.5, 2]
    assert recipe.variants.limits is None


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ("times = [0]", "0 is no number of times"),
        ("times = [-2]", "-2 is no number of times"),
        ("times = [1e9]", "no number of times"),
        ("times = [2, 2]", "stands there twice"),
        ("max_bytes = 0", "max_bytes: expected a whole number from 1"),
        ("max_macs = 1.5", "max_macs: expected a whole number from 1"),
        ("max_macs = nan", "max_macs: expected a whole number from 1"),
        ("max_macs = true", "max_macs: expected a whole number from 1"),
        ("max_macs = '4MB'", "max_macs: '4MB' is not a count like"),
        ("max_bytes = '4M'", "max_bytes: '4M' is not a size like"),
        ("max_macs = '9e40'", "max_macs: expected at most"),
        ("phis = [1]\ntimes = [2]", "times = 2 is phi 1, which phis names too"),
        ("max_byte = 9", "unknown key 'max_byte', did you mean 'max_bytes'"),
        ("", "no variants"),
    ],
)
def test_refuses_in_one_sentence(variants: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as problem:
        read(variants, tmp_path)
    assert said in str(problem.value)
    assert "recipe.toml.variants" in str(problem.value)


def test_a_data_folder_beats_the_recipe_and_leaves_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    recipe = read("phis = [0]", tmp_path / "recipes", Path("mine"))
    assert recipe.data is not None
    assert recipe.data.folder == tmp_path / "mine"
    assert recipe.data.crop_fraction == 0.9
    assert recipe.resolved() == read("phis = [0]", tmp_path / "recipes").resolved()


def test_a_data_folder_takes_the_place_of_a_dataset(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    text = RECIPE.format("phis = [0]").replace('folder = "images"', 'dataset = "cluttered-digits"')
    path.write_text(text)
    data = read_recipe(path, Path("mine")).data
    assert data is not None
    assert (data.dataset, data.folder_as_written) == (None, "mine")


def test_limits_are_numbers_or_texts_with_a_unit(tmp_path: Path) -> None:
    written = "max_bytes = '6.6MB'\nmax_file_bytes = '8 MiB'\nmax_macs = 1e9\nmax_parameters = '5M'"
    recipe = read(written, tmp_path)
    assert recipe.variants.limits == Limits(6_600_000, 8 * 2**20, 10**9, 5_000_000)
    assert recipe.resolved()["variants"]["max_macs"] == 10**9
    assert isinstance(recipe.resolved()["variants"]["max_macs"], int)


@pytest.mark.parametrize("more", ["phis = [0]", "times = [2]", "max_macs = '1G'"])
def test_published_weights_go_with_published_names_only(more: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    text = RECIPE.format(f"names = ['lite0']\n{more}") + '[weights]\nfrom = "published"\n'
    path.write_text(text)
    with pytest.raises(RecipeError, match="and its names lite0, lite1, lite2 only"):
        read_recipe(path)
    path.write_text(text.replace(more, ""))
    assert read_recipe(path).variants.names == ("lite0",)


def test_a_network_of_ones_own_has_no_published_weights(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    own = 'stem_filters = 8\nblocks = ["r1_k3_s11_e4_i8_o8"]\nhead_filters = 8\nresolution = 32'
    (tmp_path / "efficientnet-lite.toml").write_text(own)
    path.write_text(
        RECIPE.format("names = ['lite0']").replace(
            'name = "efficientnet-lite"', 'file = "efficientnet-lite.toml"'
        )
        + '[weights]\nfrom = "published"\n'
    )
    with pytest.raises(RecipeError, match="published weights exist for"):
        read_recipe(path)
