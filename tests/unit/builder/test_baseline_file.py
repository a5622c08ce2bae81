"""Baselines that a person wrote: block strings or tables, and stages that are not uniform."""

import os
from pathlib import Path

import pytest

from edgescale.architecture.baseline import Baseline, TrainedScore, find_baseline
from edgescale.builder.baseline_file import read_baseline
from edgescale.builder.recipe import baseline_record
from edgescale.builder.recipe_file import read_recipe
from edgescale.errors import ArchitectureError, RecipeError
from edgescale.scaling.variant import published

NUMBERS = "stem_filters = 8\nhead_filters = 64\nresolution = 32\ndepth_divisor = 4\n"
STRINGS = (
    NUMBERS
    + """
blocks = ["r1_k3_s11_e4_i8_o8_c1_noskip", "r2_k5_s22_e4_i8_o16"]
"""
)
TABLES = (
    NUMBERS
    + """
[[stages]]
operation = "FusedConv"
kernel_size = 3
expand_ratio = 4
input_filters = 8
output_filters = 8
residual = false

[[stages]]
operation = "MBConv"
repeats = 2
kernel_size = 5
stride = 2
expand_ratio = 4
input_filters = 8
output_filters = 16
"""
)
LISTED = (
    NUMBERS
    + """
[[stages]]
blocks = ["r1_k3_s11_e4_i8_o8_c1_noskip"]
[[stages]]
blocks = ["r1_k5_s22_e4_i8_o16", "r1_k5_s11_e4_i16_o16"]
"""
)


def read(text: str, folder: Path) -> Baseline:
    path = folder / "net.toml"
    path.write_text(text)
    return read_baseline(path)


@pytest.mark.parametrize("text", [STRINGS, TABLES, LISTED], ids=["strings", "tables", "listed"])
def test_three_notations_make_one_baseline(text: str, tmp_path: Path) -> None:
    baseline = read(text, tmp_path)
    assert baseline_record(baseline) == {
        "name": "net",
        "stem_filters": 8,
        "blocks": ["r1_k3_s11_e4_i8_o8_c1_noskip", "r2_k5_s22_e4_i8_o16"],
        "head_filters": 64,
        "depth_divisor": 4,
        "resolution": 32,
        "activation": "relu",
        "fix_stem_head": False,
    }


def test_a_trained_score_is_recorded_and_makes_no_other_network(tmp_path: Path) -> None:
    text = 'trained = { score = 0.9, task = "screws", source = "our test" }\n' + STRINGS
    baseline = read(text, tmp_path)
    assert baseline.trained == TrainedScore(0.9, "accuracy", "screws", "our test")
    assert baseline == read(STRINGS, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("r1_k5_s11_e4_i16_o16", "r1_k5_s11_e4_i16_o16_c1",
         "net.toml.stages[1]: block 2 has operation FusedConv, block 1 MBConv"),
        ("r1_k5_s11_e4_i16_o16", "r1_k3_s11_e4_i16_o16", "block 2 has kernel size 3, block 1 5"),
        ("r1_k5_s11_e4_i16_o16", "r1_k5_s11_e6_i16_o16", "block 2 has expand ratio 6, block 1 4"),
        ("r1_k5_s11_e4_i16_o16", "r1_k5_s22_e4_i16_o16", "block 2 has stride 2, which only block"),
        ("r1_k5_s11_e4_i16_o16", "r1_k5_s11_e4_i16_o24",
         "block 2 goes from 16 to 24 channels, block 1 gives 16"),
        ("r1_k5_s11_e4_i16_o16", "r1_k5_s11_e4_i16_o16_noskip", "has residual False, block 1 True"),
        ("r1_k5_s11_e4_i16_o16", "r1_k5_s11_e4_i16_o16_se0.25",
         "has squeeze and excite 0.25, block 1 0.0"),
    ],
)  # fmt: skip
def test_a_mixed_stage_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as problem:
        read(LISTED.replace(old, new), tmp_path)
    assert said in str(problem.value)
    assert "a stage of its own" in str(problem.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TABLES.replace('"MBConv"', '"MbConv"'), "did you mean 'MBConv'"),
        (TABLES.replace("kernel_size = 5", "kernel_size = 4"), "kernel_size: expected an odd"),
        (TABLES.replace("kernel_size = 5", "kernel = 5"), "'kernel_size' is missing"),
        (TABLES.replace("repeats = 2", "repeat = 2"), "unknown key 'repeat', did you mean"),
        (TABLES.replace("input_filters = 8\noutput_filters = 16", "input_filters = 9\n"
         "output_filters = 16"), "they must be equal"),
        ("blocks = ['r1_k3_s11_e4_i8_o8']\n" + TABLES, "either blocks or stages"),
        ("trained = { score = 90, task = 'a', source = 'b' }\n" + STRINGS, "from 0 to 1"),
        ("stem_filters = 8\n", "'blocks' is missing"),
        ("name = 'efficientnet-lit'\n", "did you mean 'efficientnet-lite'"),
        ("[[stages]\n", "not valid TOML"),
        ("", "no network; give name = one of efficientnet-edgetpu"),
        ("name = 'efficientnet-lite'\n" + STRINGS, "known network, which takes no 'stem_filters'"),
        ("[baseline]\n" + STRINGS, "keys stand without [baseline]"),
        ("#" * 2**20 + STRINGS, "larger than 1 MiB, which no recipe and no baseline is"),
    ],
)  # fmt: skip
def test_refuses_in_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as problem:
        read(text, tmp_path)
    assert said in str(problem.value)
    assert "net.toml" in str(problem.value)


RECIPE = """
name = "tiny"
[baseline]
file = "net.toml"
[variants]
phis = [0, 1]
[data]
folder = "images"
[training]
epochs = 3
"""


def test_a_recipe_names_the_file_and_its_record_spells_the_network_out(tmp_path: Path) -> None:
    baseline = read(TABLES, tmp_path)
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    assert read_recipe(path).baseline == baseline
    record = read_recipe(path).resolved()["baseline"]
    assert record == {**baseline_record(baseline), "trained": None}
    path.write_text(RECIPE.replace('"net.toml"', '"net.toml"\nresolution = 64'))
    with pytest.raises(RecipeError, match="is the whole baseline; give nothing beside it"):
        read_recipe(path)
    path.write_text(RECIPE.replace("net.toml", "none.toml"))
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("baseline", "why"),
    [
        ('name = "efficientnet-b"', "squeeze and excite"),
        ('file = "net.toml"', "squeeze and excite"),
    ],
)
def test_networks_that_are_only_planned_are_not_built(
    baseline: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "net.toml").write_text(STRINGS.replace("_i8_o16", "_i8_o16_se0.25"))
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace('file = "net.toml"', baseline))
    with pytest.raises(RecipeError, match=f"counted and planned, not built: {why}"):
        read_recipe(path)


def test_a_swish_baseline_is_read_for_the_plan_and_not_built(tmp_path: Path) -> None:
    assert read('activation = "swish"\n' + STRINGS, tmp_path).activation == "swish"
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with pytest.raises(RecipeError, match="not built: swish quantises badly; build eff"):
        read_recipe(tmp_path / "recipe.toml")


def test_a_file_may_name_a_known_baseline(tmp_path: Path) -> None:
    assert read('name = "efficientnet-lite"', tmp_path) == find_baseline("efficientnet-lite")


def test_the_name_of_the_file_chooses_no_known_network(tmp_path: Path) -> None:
    path = tmp_path / "efficientnet-lite.toml"
    path.write_text(STRINGS)
    assert (read_baseline(path).name, read_baseline(path).stem_filters) == ("efficientnet-lite", 8)
    with pytest.raises(ArchitectureError, match="no published variant 'lite0'; published: none"):
        published(read_baseline(path), "lite0")
    path.write_text("")
    with pytest.raises(RecipeError, match="no network"):
        read_baseline(path)


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    assert read(STRINGS + "#" * (2**20 - len(STRINGS)), tmp_path).stem_filters == 8


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(STRINGS, encoding="utf-8-sig")
    assert read_baseline(path).stem_filters == 8


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.toml")
    with pytest.raises(RecipeError, match=r"net.toml: is no file; give a TOML file"):
        read_baseline(tmp_path / "net.toml")
