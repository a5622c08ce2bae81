import logging
from pathlib import Path

import cv2  # noqa: TID253 - writes the images of these tests
import numpy as np
import pytest

from edgescale.edgetpu.custom_operator import COMPILED_OPERATOR
from edgescale.errors import ModelFileError
from edgescale.family.store import Family
from edgescale.inference.import_models import ImportSettings, import_family
from tests.tiny_models import COLOURS, Tiny, tiny_model


def imported(folder: Path, *models: bytes, **settings: object) -> Family:
    (folder / "labels.txt").write_text("\n".join(COLOURS))
    files = [folder / f"{number}.tflite" for number in range(len(models))]
    for path, content in zip(files, models, strict=True):
        path.write_bytes(content)
    return import_family(
        files,
        folder / "labels.txt",
        folder / "family",
        settings=ImportSettings(**settings),  # type: ignore[arg-type]
    )


def test_all_unusable_files_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as refusal:
        imported(
            tmp_path, b"junk", tiny_model(), tiny_model(Tiny(background=True)),
            tiny_model(Tiny(compiled=True)), tiny_model(Tiny(weight=1.0)),
        )  # fmt: skip
    text = str(refusal.value)
    assert text.startswith("4 files cannot be imported: (1) ")
    for number, reason in ((0, "not a TFLite model"), (2, "4 outputs"), (4, "takes float32")):
        assert f"{tmp_path / str(number)}.tflite: {reason}" in text
    assert "1.tflite: " not in text
    assert not (tmp_path / "family").exists()


def test_a_twin_is_not_blamed_for_its_model(tmp_path: Path) -> None:
    (tmp_path / "0_edgetpu.tflite").write_bytes(tiny_model(Tiny(compiled=True)))
    (tmp_path / "0.tflite").write_bytes(b"junk")
    files = [tmp_path / "0_edgetpu.tflite", tmp_path / "0.tflite"]
    (tmp_path / "labels.txt").write_text("\n".join(COLOURS))
    with pytest.raises(ModelFileError, match=r"^\S+/0\.tflite: not a TFLite model"):
        import_family(files, files[0].with_name("labels.txt"), tmp_path / "family",
                      settings=ImportSettings())  # fmt: skip


def test_a_model_that_does_not_run_is_named_by_its_own_file(tmp_path: Path) -> None:
    unknown = tiny_model(Tiny(compiled=True)).replace(COMPILED_OPERATOR.encode(), b"x" * 17)
    with pytest.raises(ModelFileError, match="cannot run this model") as refusal:
        imported(tmp_path, unknown)
    assert str(refusal.value).startswith(f"{tmp_path / '0.tflite'}: ")
    assert ".part" not in str(refusal.value)


def test_a_model_that_answers_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"0\.tflite: answers with scores that are no finite"):
        imported(tmp_path, tiny_model(Tiny(weight=float("nan"))), mean=0.0, std=255.0)


def test_a_float_model_is_never_reported_as_int8(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "images" / "red").mkdir(parents=True)
    picture = np.full((8, 8, 3), (0, 0, 200), np.uint8)
    cv2.imwrite(str(tmp_path / "images" / "red" / "a.png"), picture)
    models = tiny_model(Tiny(weight=1.0)), tiny_model()
    settings = {"mean": 0.0, "std": 255.0, "evaluate_on": tmp_path / "images"}
    variants = imported(tmp_path, *models, **settings).manifest.variants
    found = {variant.preparation.dtype: variant for variant in variants}
    assert found["float32"].accuracy is None
    assert "takes float32" in (found["float32"].accuracy_reason or "")
    assert found["uint8"].accuracy is not None
    assert "0: not evaluated: takes float32" in caplog.text


def test_says_when_the_label_offset_does_not_apply(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        family = imported(tmp_path, tiny_model(), label_offset=1)
    assert family.manifest.variants[0].label_offset == 0
    assert "the label offset 1 does not apply" in caplog.text


@pytest.mark.parametrize(
    "settings",
    [{"mean": float("nan")}, {"mean": 1e308}, {"std": float("inf")}, {"std": 0.0},
     {"crop_fraction": float("nan")}],
)  # fmt: skip
def test_numbers_no_manifest_may_hold_are_the_callers_mistake(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="it must be from"):
        ImportSettings(**settings)  # type: ignore[arg-type]
