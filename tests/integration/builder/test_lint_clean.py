"""What the builder writes gives the lint nothing to say; where it does, the gate is shut."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgescale.architecture.baseline import find_baseline
from edgescale.architecture.network import Architecture
from edgescale.builder import quantise as quantising
from edgescale.builder.pixels import INPUT_SCALE, INPUT_ZERO_POINT
from edgescale.builder.quantise import quantise
from edgescale.builder.recipe import QuantisationRecipe
from edgescale.builder.weights import fresh_weights
from edgescale.edgetpu.lint import lint_file
from edgescale.errors import BuildError
from edgescale.family.manifest import Preparation
from edgescale.scaling.variant import scale

pytestmark = pytest.mark.tensorflow

# S itself at phi 0; its ten phis and full size are in tools/check_lint.py.
EDGETPU_S_96 = replace(find_baseline("efficientnet-edgetpu"), resolution=96)
RECIPE = QuantisationRecipe(dataset="skimage-photos", images=2, seed=0)


def built(architecture: Architecture, path: Path) -> None:
    side = architecture.resolution
    preparation = Preparation(side, side, 1.0, 127, 128, "uint8", INPUT_SCALE, INPUT_ZERO_POINT)
    weights = fresh_weights(architecture, seed=0)
    quantise(architecture, weights, recipe=RECIPE, data=None, preparation=preparation, path=path)


@pytest.fixture(autouse=True)
def two_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.random.RandomState(0).randint(0, 256, (2, 96, 96, 3)).astype(np.uint8)
    monkeypatch.setattr(quantising, "representative_pictures", lambda *_: iter(pictures))


@pytest.mark.parametrize("phi", [0, -1, -2])
def test_a_built_model_maps_wholly_and_without_warnings(phi: float, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    built(scale(EDGETPU_S_96, phi, classes=10).architecture, path)
    report = lint_file(path)
    assert report.findings == ()
    assert report.fully_mapped
    assert report.ops_on_edgetpu > 40


def test_a_converter_that_drops_the_dense_setting_does_not_pass_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quantising._set_int8

    def forgetful(converter: object, inputs: list[object]) -> None:
        settings(converter, inputs)
        converter._experimental_disable_per_channel_quantization_for_dense_layers = False  # type: ignore[attr-defined]

    monkeypatch.setattr(quantising, "_set_int8", forgetful)
    small = replace(EDGETPU_S_96, resolution=32)
    with pytest.raises(BuildError, match=r"per-channel-dense: operator \d+ FULLY_CONNECTED"):
        built(scale(small, -2, classes=3).architecture, tmp_path / "model.tflite")
