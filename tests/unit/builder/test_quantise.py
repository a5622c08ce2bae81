"""What is refused in the model file that the converter wrote."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgescale.builder import quantise as quantising
from edgescale.builder.pixels import INPUT_SCALE, INPUT_ZERO_POINT
from edgescale.builder.quantise import check_maps, check_quantised, quantise
from edgescale.edgetpu.model_file import ModelFile, TensorSpec
from edgescale.errors import BuildError
from edgescale.family.manifest import OperatorCount
from tests.planted_faults import faulty_model, sound_model

IMAGE = TensorSpec("image", (1, 16, 16, 3), "uint8", (INPUT_SCALE,), (INPUT_ZERO_POINT,))
GOOD = ModelFile(
    inputs=(IMAGE,),
    outputs=(TensorSpec("scores", (1, 4), "uint8", (1 / 256,), (0,)),),
    operators=(OperatorCount("CONV_2D", 1, 3),),
    layers=(),
    macs=1,
    weight_bytes=1,
    peak_activation_bytes=1,
    compiled=False,
    per_channel_dense=(),
    ends_in_softmax=True,
)


def test_a_full_int8_model_is_accepted() -> None:
    check_quantised(GOOD, resolution=16, classes=4)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (replace(GOOD, inputs=(IMAGE, IMAGE)), "more than one input"),
        (replace(GOOD, inputs=(replace(IMAGE, dtype="int8"),)), "it takes int8"),
        (replace(GOOD, inputs=(replace(IMAGE, scales=(0.5,)),)), "not 1/128"),
        (replace(GOOD, inputs=(replace(IMAGE, shape=(1, 8, 8, 3)),)), "its shapes are"),
    ],
)
def test_a_model_that_some_runtime_computes_wrongly_is_refused(
    written: ModelFile, said: str
) -> None:
    with pytest.raises(BuildError, match=said):
        check_quantised(written, resolution=16, classes=4)


def test_a_file_that_maps_wholly_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(sound_model().content)
    check_maps(path)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(
            "per-channel dense", r"per-channel-dense: operator 5 FULLY_CONNECTED.*_layers"
        ),
        pytest.param("dynamic batch", r"dynamic-shape: tensor 'image'.*batch_size=1"),
        pytest.param("float operator", r"float-operator: .*\(and 1 more.*representative"),
        pytest.param("infinite scale", r"bad-scale: tensor 'depthwise'.*calibrate"),
    ],
)
def test_a_setting_that_the_converter_did_not_follow_names_rule_and_mend(
    fault: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(faulty_model(fault))
    with pytest.raises(BuildError, match=said):
        check_maps(path)


def test_what_quantise_writes_goes_through_both_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("export_model", "set_weights", "representative_pictures",
                 "representative_dataset", "Preparer"):  # fmt: skip
        monkeypatch.setattr(quantising, name, lambda *_: ())
    architecture: Any = SimpleNamespace(resolution=16, classes=4)

    def written(content: bytes) -> ModelFile:
        monkeypatch.setattr(quantising, "converted", lambda *_: content)
        nothing: Any = None
        return quantise(
            architecture, nothing, recipe=nothing, data=None, preparation=nothing,
            path=tmp_path / "model.tflite",
        )  # fmt: skip

    assert len(written(sound_model().content).layers) == 8
    with pytest.raises(BuildError, match="would not run wholly on an Edge TPU"):
        written(faulty_model("per-channel dense"))
    architecture.classes = 5
    with pytest.raises(BuildError, match="its shapes are"):
        written(sound_model().content)
