"""A recipe whose search takes seconds: three colours in noise, and a network of a few channels."""

import sys
from pathlib import Path

import numpy as np

RECIPE = """
name = "colours"
[baseline]
stem_filters = 8
blocks = ["r1_k3_s11_e2_i8_o8_c1_noskip", "r2_k3_s22_e4_i8_o12"]
head_filters = 16
depth_divisor = 4
resolution = 16
[scaling]
resolution_step = 1
[variants]
phis = [0]
[data]
folder = "images"
validation_fraction = 0.4
[training]
epochs = 2
batch_size = 8
"""
_PER_CLASS = 30


def write_recipe(home: Path) -> Path:
    """Writes the recipe and its images into a folder; returns the recipe's path."""
    import cv2

    random = np.random.RandomState(0)
    for channel, name in enumerate(("blue", "green", "red")):
        (home / "images" / name).mkdir(parents=True)
        for index in range(_PER_CLASS):
            picture = random.randint(0, 220, (16, 16, 3))
            picture[..., channel] += 30
            cv2.imwrite(str(home / "images" / name / f"{index}.png"), picture.astype(np.uint8))
    (home / "recipe.toml").write_text(RECIPE)
    return home / "recipe.toml"


def search_command(recipe: Path, study: Path, *options: str) -> list[str]:
    """Returns the command line of a search of two trials."""
    return [
        sys.executable, "-m", "edgescale", "search", "coefficients", "--recipe", str(recipe),
        "--out", str(study), "--strategy", "random", "--trials", "2", "--seeds", "1",
        "--step", "0.2", "--tolerance", "0.2", "--untrained-baseline", *options,
    ]  # fmt: skip
