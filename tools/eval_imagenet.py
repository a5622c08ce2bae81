"""Scores the ImageNet family, float and int8, on the test images of EDGESCALE_TEST_DATA.

Usage: python tools/eval_imagenet.py [--family FOLDER] [--variant NAME ...] [--every N]

Without --family the shipped recipe `imagenet-lite` is built into a temporary folder first. The
images (imagenet_sample_even, 500 pictures, never calibrated on) come from ImageNet's training
distribution: the figures show what quantisation costs, they are no validation accuracy.
Prints a line per variant: float and int8 top-1 and top-5, drop, agreement, n, runtime, machine.
"""

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgescale.architecture.record import architecture_from_dict
from edgescale.builder.build import build_family
from edgescale.builder.class_folders import evaluation_images
from edgescale.builder.data import LabelledImages
from edgescale.builder.network import scoring_model, set_weights
from edgescale.builder.published_weights import published_weights
from edgescale.builder.score import top_classes
from edgescale.errors import EdgescaleError
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family, load_family, read_json
from edgescale.inference.evaluation import evaluate, with_model
from edgescale.inference.runtime import choose_runtime


def main() -> None:
    """Reads the arguments and scores."""
    arguments = _arguments()
    home = Path(os.environ.get("EDGESCALE_TEST_DATA", "../shared/data")) / "imagenet_sample_even"
    if not home.is_dir():
        sys.exit(f"{home}: no test images; set EDGESCALE_TEST_DATA to the folder that holds them")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = arguments.family
            if folder is None:
                print("building imagenet-lite ...", file=sys.stderr)
                folder = build_family("imagenet-lite", scratch).folder
            family = load_family(folder)
            images = _every(evaluation_images(home, family.manifest.labels), arguments.every)
            for variant in family.manifest.variants:
                if not arguments.variant or variant.name in arguments.variant:
                    print(_line(family, variant, images), flush=True)
    except EdgescaleError as problem:
        sys.exit(f"error: {problem}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Score the ImageNet family, float and int8.")
    parser.add_argument("--family", type=Path, help="a built imagenet-lite family")
    parser.add_argument("--variant", action="append", help="only this variant; may be repeated")
    parser.add_argument("--every", type=int, default=1, help="only every N-th image")
    return parser.parse_args()


def _every(images: LabelledImages, step: int) -> LabelledImages:
    return LabelledImages(images.images[::step], images.classes[::step])


def _line(family: Family, variant: VariantRecord, images: LabelledImages) -> str:
    """Runs one variant in float and int8 and says how both did."""
    if variant.architecture is None:
        return f"{variant.name}: no architecture in the manifest"
    record = read_json(family.path(variant.architecture), EdgescaleError)
    architecture = architecture_from_dict(record)
    model = scoring_model(architecture)
    set_weights(model, architecture, published_weights(variant.name, architecture))
    floats = top_classes(model, images, variant.preparation, 5)
    samples = ((images.images[i], int(images.classes[i])) for i in range(len(images.images)))
    int8 = evaluate(with_model(family.path(variant.model), variant.preparation), samples)
    answers = np.array(int8.int8_top5)
    float_top1, float_top5 = _right(floats, images.classes)
    int8_top1, int8_top5 = _right(answers, images.classes)
    runtime = choose_runtime(None)
    return (
        f"{variant.name}: float top-1 {float_top1:.1f} top-5 {float_top5:.1f},"
        f" int8 top-1 {int8_top1:.1f} top-5 {int8_top5:.1f},"
        f" drop {float_top1 - int8_top1:.1f} points,"
        f" agreement {100 * np.mean(floats[:, 0] == answers[:, 0]):.1f} % (n={len(answers)};"
        f" {runtime.name} {runtime.version}; {platform.machine()}, {os.cpu_count()} cores)"
    )


def _right(answers: NDArray[np.int64], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Returns top-1 and top-5 in percent; answers int64 (n, 5), truth int64 (n,)."""
    hits = answers == truth[:, None]
    return 100 * float(hits[:, 0].mean()), 100 * float(hits.any(axis=1).mean())


if __name__ == "__main__":
    main()
