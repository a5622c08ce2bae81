"""Writes tests/golden/photo_answers.json: what each published network answers to each photo.

Usage: python tools/make_photo_answers.py

The float networks with the published weights, on the photos that scikit-image carries, through the
live preparation. Run it only after tools/check_published_weights.py has passed on the same code.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgescale.architecture.baseline import find_baseline
from edgescale.builder.data import LabelledImages
from edgescale.builder.network import scoring_model, set_weights
from edgescale.builder.photos import photo_paths
from edgescale.builder.published_weights import SOURCES, published_weights
from edgescale.builder.recipe_labels import imagenet_labels
from edgescale.builder.score import top_classes
from edgescale.errors import EdgescaleError
from edgescale.family.manifest import Preparation
from edgescale.inference.image_file import read_image
from edgescale.scaling.variant import published

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "photo_answers.json"


def main() -> None:
    """Writes the file."""
    try:
        record = {
            "made_by": "tools/make_photo_answers.py",
            "what": "float top-5 class ids of each photo, the surest first, and the first's name",
            "variants": {name: answers(name) for name in SOURCES},
        }
    except EdgescaleError as problem:
        sys.exit(f"error: {problem}")
    GOLDEN.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {GOLDEN}")


def answers(name: str) -> dict[str, Any]:
    """Returns the top five class ids of one published network for each photo."""
    variant, labels = published(find_baseline("efficientnet-lite"), name), imagenet_labels()
    size = variant.resolution
    preparation = Preparation(size, size, size / (size + 32), 127, 128, "uint8", 1 / 128, 127)
    model = scoring_model(variant.architecture)
    set_weights(model, variant.architecture, published_weights(name, variant.architecture))
    paths = photo_paths()
    part = LabelledImages([read_image(path) for path in paths], np.zeros(len(paths), np.int64))
    found = top_classes(model, part, preparation, 5).tolist()
    return {
        path.name: {"top5": top5, "first": labels[top5[0]]}
        for path, top5 in zip(paths, found, strict=True)
    }


if __name__ == "__main__":
    main()
