import numpy as np
import pytest

from edgescale.inference.classifier import Prediction
from edgescale.stream.sinks.annotate import annotate, short_text
from tests.fakes import picture

FIVE = tuple(Prediction(index, f"label {index}", 0.2) for index in range(5))


@pytest.mark.parametrize("value", [0, 128, 255], ids=["black", "grey", "white"])
def test_text_stands_out_on_any_background(value: int) -> None:
    image = picture(value, height=480, width=640)
    drawn = annotate(image, FIVE)
    assert drawn is not image
    assert (image == value).all()
    corner = drawn[:100, :60]
    assert corner.max() > 230
    assert (corner.max(axis=2) < 20).mean() > 0.5
    assert (drawn[300:] == value).all()


@pytest.mark.parametrize(
    "shape", [(1, 1), (16, 16), (64, 64), (2160, 3840), (2000, 20), (20, 2000)]
)
def test_any_size_of_frame_can_be_annotated(shape: tuple[int, int]) -> None:
    drawn = annotate(picture(128, height=shape[0], width=shape[1]), FIVE)
    assert drawn.shape == (*shape, 3)
    assert drawn.dtype == np.uint8


def test_the_text_grows_with_the_frame() -> None:
    heights = []
    for scale in (1, 3):
        image = picture(255, height=360 * scale, width=640 * scale)
        box = (annotate(image, FIVE[:1]) == 0).all(axis=2)
        heights.append(box.any(axis=1).sum())
    assert heights[1] == pytest.approx(3 * heights[0], rel=0.1)


def test_no_prediction_is_written_as_not_sure() -> None:
    assert (annotate(picture(255, height=100, width=200), ()) != 255).any()


def test_a_label_is_short_and_ascii() -> None:
    assert short_text("na\u00efve\x1b[2J\ncaf\u00e9") == "na?ve?[2J?caf?"
    assert short_text("x" * 100) == "x" * 30 + ".."
