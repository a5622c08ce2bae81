"""Recipes: what is filled in, and every way to get one wrong told in one sentence."""

import re
from pathlib import Path

import pytest

from edgescale.builder.find_recipe import shipped_recipes
from edgescale.builder.recipe import Recipe
from edgescale.builder.recipe_file import read_recipe
from edgescale.errors import RecipeError
from edgescale.scaling.coefficients import Coefficients

GOOD = """
name = "tiny"
[baseline]
stem_filters = 8
blocks = ["r1_k3_s11_e4_i8_o8_c1_noskip", "r2_k3_s22_e4_i8_o16"]
head_filters = 16
depth_divisor = 4
resolution = 16
[variants]
phis = [0, 1]
[data]
folder = "images"
[training]
epochs = 3
"""
PUBLISHED = """
name = "lite"
[baseline]
name = "efficientnet-lite"
[variants]
names = ["lite0"]
[labels]
set = "imagenet"
[weights]
from = "published"
"""


def read(text: str, folder: Path) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(text)
    return read_recipe(path)


def test_defaults_are_filled_in_and_paths_go_from_the_file(tmp_path: Path) -> None:
    recipe = read(GOOD, tmp_path)
    assert recipe.data is not None
    assert recipe.data.folder == tmp_path / "images"
    resolved = recipe.resolved()
    assert resolved["data"]["folder"] == "images"
    assert resolved["scaling"]["alpha"] == 1.2
    assert resolved["training"]["batch_size"] == 64
    assert resolved["quantisation"] == {"dataset": "training", "images": 200, "seed": 0}
    assert str(tmp_path) not in repr(resolved)


def test_published_weights_need_no_training(tmp_path: Path) -> None:
    recipe = read(PUBLISHED, tmp_path)
    assert recipe.training is None
    assert recipe.labels is not None
    assert len(recipe.labels) == 1000
    assert recipe.labels[0].startswith("tench")
    assert recipe.quantisation.dataset == "skimage-photos"


@pytest.mark.parametrize("name", ["cluttered-digits", "imagenet-lite"])
def test_shipped_recipes_can_be_read(name: str) -> None:
    assert read_recipe(shipped_recipes()[name]).name == name


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("epochs = 3", "epocs = 3", "found 'epocs', did you mean 'epochs'", id="typo"),
        pytest.param("epochs = 3", "epochs = 3\nepoch = 1", "unknown key 'epoch', did you mean"
                     " 'epochs'", id="unknown-key"),
        pytest.param("epochs = 3", 'epochs = "3"', "training.epochs: expected a whole number",
                     id="text-for-number"),
        pytest.param("epochs = 3", "epochs = true", "expected a whole number", id="true"),
        pytest.param("epochs = 3", "epochs = 2\nwarmup_epochs = 2",
                     "warmup_epochs is 2 of 2 epochs", id="warm-up"),
        pytest.param("epochs = 3", "epochs = 3\nlearning_rate = nan", "learning_rate", id="nan"),
        pytest.param("epochs = 3", "epochs = 3\n[traning]", "unknown key 'traning', did you mean"
                     " 'training'", id="unknown-table"),
        pytest.param("[training]\nepochs = 3", "", "need [training]", id="scratch-untrained"),
        pytest.param("phis = [0, 1]", "phis = []", "no variants", id="no-variants"),
        pytest.param("phis = [0, 1]", "phis = [0, 0]", "stands there twice", id="double-phi"),
        pytest.param("phis = [0, 1]", 'phis = ["0"]', "a list of numbers", id="text-phi"),
        pytest.param("phis = [0, 1]", "phis = [99]", "not between", id="huge-phi"),
        pytest.param("_o16", "_o16_q7", "token 'q7' is not known", id="block-token"),
        pytest.param("r2_k3", "k3", "'r' (repeats) is missing", id="block-missing"),
        pytest.param("_i8_o16", "_i9_o16", "must be equal", id="stages-apart"),
        pytest.param('folder = "images"', "", "either dataset", id="no-data-source"),
        pytest.param('folder = "images"', 'dataset = "digits"', "is not known", id="dataset"),
        pytest.param('name = "tiny"', 'name = "a/b"', "letters, digits", id="name"),
        pytest.param('name = "tiny"', "", "'name' is missing", id="no-name"),
        pytest.param("[training]", '[labels]\nset = "imagenet"\n[training]', "not both",
                     id="labels-and-data"),
        pytest.param("[training]", '[weights]\nfrom = "publised"\n[training]',
                     "did you mean 'published'", id="weights"),
        pytest.param("[training]", '[weights]\nfrom = "published"\n[training]',
                     "lite0, lite1, lite2 only", id="published-of-another"),
        pytest.param("[training]", "[scaling]\nalpha = 3\n[training]", "alpha is 3", id="alpha"),
        pytest.param("[training]", '[evaluation]\nfolder = "x"\n[training]',
                     "families without [data]", id="evaluation-and-data"),
        pytest.param("stem_filters = 8", 'name = "efficientnet-edgtpu"\nstem_filters = 0',
                     "stem_filters: expected a whole number from 1", id="stem"),
        pytest.param("[baseline]", "[baseline", "not valid TOML", id="no-toml"),
        pytest.param('folder = "images"', 'foldr = "images"', "unknown key 'foldr', did you mean"
                     " 'folder'", id="data-typo"),
        pytest.param("[training]", '[quantisation]\ndataset = "skimage-photos"\nimages = 59\n'
                     "[training]", "images is 59, but calibration on skimage-photos needs at least"
                     " 60", id="few-photos"),
    ],
)  # fmt: skip
def test_refuses_in_one_sentence(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    with pytest.raises(RecipeError) as problem:
        read(text, tmp_path)
    assert said in str(problem.value)
    assert "recipe.toml" in str(problem.value) or "baseline" in str(problem.value)
    assert "\n" not in str(problem.value) or "TOML" in str(problem.value)


def test_a_mistyped_key_of_a_baseline_is_named_before_the_rest(tmp_path: Path) -> None:
    text = PUBLISHED.replace('name = "efficientnet-lite"', 'block = ["r1_k3_s11_e4_i8_o8"]')
    with pytest.raises(RecipeError, match="unknown key 'block', did you mean 'blocks'"):
        read(text, tmp_path)


def test_sixty_photographs_are_enough(tmp_path: Path) -> None:
    recipe = read(PUBLISHED + "[quantisation]\nimages = 60\n", tmp_path)
    assert (recipe.quantisation.dataset, recipe.quantisation.images) == ("skimage-photos", 60)


@pytest.mark.parametrize(("epochs", "warmup"), [(1, 0.25), (2, 0.5), (14, 2)])
def test_the_warm_up_fits_the_epochs(epochs: int, warmup: float, tmp_path: Path) -> None:
    training = read(GOOD.replace("epochs = 3", f"epochs = {epochs}"), tmp_path).training
    assert training is not None
    assert training.warmup_epochs == warmup


def test_published_weights_are_tuned_at_a_rate_of_their_own(tmp_path: Path) -> None:
    tuned = PUBLISHED.replace('[labels]\nset = "imagenet"', '[data]\nfolder = "images"')
    training = read(tuned + "[training]\nepochs = 3\n", tmp_path).training
    scratch = read(GOOD, tmp_path).training
    assert training is not None
    assert scratch is not None
    assert (training.learning_rate, scratch.learning_rate) == (3e-4, 4e-3)
    given = read(tuned + "[training]\nepochs = 3\nlearning_rate = 1e-2\n", tmp_path).training
    assert given is not None
    assert given.learning_rate == 1e-2


def test_equation_4_has_coefficients_of_its_own(tmp_path: Path) -> None:
    rules = read(GOOD + '[scaling]\nequation = "linear"\nbeta = 0.3\n', tmp_path).rules
    assert rules.coefficients == Coefficients(0.2, 0.3, 0.15, "linear")


def test_an_unknown_baseline_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'efficientnet-lite'"):
        read(PUBLISHED.replace("efficientnet-lite", "eficientnet-lite"), tmp_path)


def test_a_missing_recipe_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=re.escape("cannot be read")):
        read_recipe(tmp_path / "none.toml")


def test_labels_come_from_a_file_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    text = PUBLISHED.replace('set = "imagenet"', 'file = "names.txt"')
    assert read(text, tmp_path).labels == ("cat", "dog")
    (tmp_path / "names.txt").write_text("cat\n\n")
    with pytest.raises(RecipeError, match="none empty"):
        read(text, tmp_path)


def test_the_resolved_recipe_holds_plain_values_only(tmp_path: Path) -> None:
    import json

    resolved = read(GOOD, tmp_path).resolved()
    assert json.loads(json.dumps(resolved)) == resolved
    assert resolved["baseline"]["blocks"][1] == "r2_k3_s22_e4_i8_o16"
