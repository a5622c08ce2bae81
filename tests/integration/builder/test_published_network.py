"""The published network answers to real photographs as it did when torch answered the same."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgescale.architecture.baseline import find_baseline
from edgescale.builder.data import LabelledImages
from edgescale.builder.network import scoring_model, set_weights
from edgescale.builder.photos import photo_paths
from edgescale.builder.published_weights import SOURCES, published_weights
from edgescale.builder.score import top_classes
from edgescale.family.manifest import Preparation
from edgescale.inference.image_file import read_image
from edgescale.scaling.variant import published

pytestmark = pytest.mark.tensorflow

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "photo_answers.json").read_text())
PACKAGES = ("skimage", *(source.package for source in SOURCES.values()))


@pytest.mark.skipif(
    any(find_spec(package) is None for package in PACKAGES),
    reason="scikit-image or the weight packages are not installed (extra 'demo')",
)
@pytest.mark.parametrize("name", ["lite0", "lite2"])
def test_the_top_five_of_every_photo_are_the_stored_ones(name: str) -> None:
    variant = published(find_baseline("efficientnet-lite"), name)
    size = variant.resolution
    preparation = Preparation(size, size, size / (size + 32), 127, 128, "uint8", 1 / 128, 127)
    model = scoring_model(variant.architecture)
    set_weights(model, variant.architecture, published_weights(name, variant.architecture))
    paths = photo_paths()
    part = LabelledImages([read_image(path) for path in paths], np.zeros(len(paths), np.int64))
    found = top_classes(model, part, preparation, 5).tolist()
    stored = GOLDEN["variants"][name]
    assert sorted(stored) == sorted(path.name for path in paths)
    for path, top5 in zip(paths, found, strict=True):
        assert top5 == stored[path.name]["top5"], path.name
    assert stored["coffee.png"]["first"] == "espresso"
    assert "cat" in stored["chelsea.png"]["first"]
