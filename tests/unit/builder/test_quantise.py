"""What is refused in the model file that the converter wrote."""

from dataclasses import replace

import pytest

from edgescale.builder.pixels import INPUT_SCALE, INPUT_ZERO_POINT
from edgescale.builder.quantise import check_quantised
from edgescale.edgetpu.model_file import ModelFile, TensorSpec
from edgescale.errors import BuildError
from edgescale.family.manifest import OperatorCount

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
        (replace(GOOD, per_channel_dense=("fc",)), "weights 'fc' have a scale per channel"),
        (
            replace(GOOD, operators=(OperatorCount("DEQUANTIZE", 1, 1),)),
            "float operator DEQUANTIZE",
        ),
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
