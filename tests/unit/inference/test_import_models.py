import os
from pathlib import Path

import cv2  # noqa: TID253 - writes the images of these tests
import numpy as np
import pytest

from edgescale.edgetpu.model_file import TensorSpec
from edgescale.errors import ArtifactError, DataError, ManifestError, ModelFileError
from edgescale.family.store import load_family
from edgescale.inference.evaluation import load_evaluation
from edgescale.inference.import_models import ImportSettings, import_family, preparation_of
from tests.tiny_models import COLOURS, Tiny, tiny_model


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Two CPU models, one with its twin, and their labels."""
    folder = tmp_path / "given"
    folder.mkdir()
    for name, tiny in {
        "small": Tiny(),
        "large": Tiny(side=8, background=True),
        "large_edgetpu": Tiny(side=8, background=True, compiled=True),
    }.items():
        (folder / f"{name}.tflite").write_bytes(tiny_model(tiny))
    (folder / "labels.txt").write_text("\n".join(COLOURS))
    return folder


def imported(given: Path, out: Path, *names: str, **settings: object) -> object:
    files = [given / f"{name}.tflite" for name in names or ("large_edgetpu", "large", "small")]
    offset: dict[str, object] = {"label_offset": 1}
    return import_family(
        files,
        given / "labels.txt",
        out,
        settings=ImportSettings(**(offset | settings)),  # type: ignore[arg-type]
    )


def left_beside(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.iterdir() if path.name != "given")


def test_a_model_and_its_twin_are_one_variant(given: Path, tmp_path: Path) -> None:
    imported(given, tmp_path / "family")
    family = load_family(tmp_path / "family")
    assert left_beside(tmp_path / "family") == ["family"]
    small, large = family.manifest.variants
    assert (small.name, large.name) == ("small", "large")
    assert (small.label_offset, large.label_offset) == (0, 1)
    assert small.compiled is None
    assert small.compiled_reason == "no compiled twin was imported"
    assert large.compiled is not None
    assert large.compiled.path == "models/large_edgetpu.tflite"
    assert (large.macs, large.outputs, large.scores) == (64 * 3 * 4, 4, "softmax")
    assert family.manifest.provenance == "imported"
    assert family.manifest.labels == COLOURS
    assert (small.accuracy, large.phi, large.parameters) == (None, None, None)
    assert "without --evaluate" in (small.accuracy_reason or "")
    prepared = small.preparation
    assert (prepared.mean, prepared.std, prepared.crop_fraction) == (0.0, 128.0, 0.875)


def test_a_leading_background_is_an_output_and_no_class(given: Path, tmp_path: Path) -> None:
    (given / "labels.txt").write_text("background\nred\ngreen\nblue\n")
    imported(given, tmp_path / "family", label_offset=None)
    family = load_family(tmp_path / "family")
    assert family.manifest.labels == COLOURS
    assert [variant.label_offset for variant in family.manifest.variants] == [0, 1]
    imported(given, tmp_path / "kept", "large", label_offset=0)
    assert load_family(tmp_path / "kept").manifest.labels[0] == "background"


def test_evaluates_on_labelled_folders(given: Path, tmp_path: Path) -> None:
    for index, colour in enumerate(COLOURS):
        (given / "images" / colour).mkdir(parents=True)
        picture = np.zeros((20, 20, 3), np.uint8)
        picture[..., 2 - index] = 200  # OpenCV writes BGR
        cv2.imwrite(str(given / "images" / colour / "a.png"), picture)
        cv2.imwrite(str(given / "images" / "red" / f"{index}.png"), picture)
    imported(given, tmp_path / "family", evaluate_on=given / "images")
    family = load_family(tmp_path / "family")
    for variant in family.manifest.variants:
        assert variant.accuracy is not None
        assert (variant.accuracy.n, variant.accuracy_reason) == (6, None)
        assert variant.accuracy.int8_top1 == pytest.approx(4 / 6)
        assert variant.accuracy.int8_top5 == 1.0
        evaluation = load_evaluation(family.path(variant.accuracy.evaluation))
        assert evaluation.images_sha256 == variant.accuracy.images_sha256


def test_an_unreadable_image_leaves_nothing_behind(given: Path, tmp_path: Path) -> None:
    (given / "images" / "red").mkdir(parents=True)
    (given / "images" / "red" / "bad.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"bad\.png"):
        imported(given, tmp_path / "family", evaluate_on=given / "images")
    assert left_beside(tmp_path / "family") == []


def test_a_compiled_model_alone_is_refused(given: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"its CPU model is not among the files; give large"):
        imported(given, tmp_path / "family", "large_edgetpu", "small")
    # The name does not make a model compiled, nor its absence a CPU model.
    (given / "small_edgetpu.tflite").write_bytes(tiny_model())
    imported(given, tmp_path / "family", "small_edgetpu")
    assert load_family(tmp_path / "family").manifest.variants[0].compiled is None


def test_a_twin_of_another_model_is_refused(given: Path, tmp_path: Path) -> None:
    (given / "small_edgetpu.tflite").write_bytes(tiny_model(Tiny(side=8, compiled=True)))
    with pytest.raises(ModelFileError, match="compiled from another model"):
        imported(given, tmp_path / "family", "small", "small_edgetpu")
    scaled = Tiny(compiled=True, input_scale=1 / 255)
    (given / "small_edgetpu.tflite").write_bytes(tiny_model(scaled))
    with pytest.raises(ModelFileError, match="compiled from another model"):
        imported(given, tmp_path / "family", "small", "small_edgetpu")


def test_labels_that_do_not_fit_are_refused_with_the_offset_that_would(
    given: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match=r"4 outputs.* 3 labels.*--label-offset 1"):
        imported(given, tmp_path / "family", "large", label_offset=0)
    (given / "labels.txt").write_text("red\ngreen\nblue\nwhite\nblack\n")
    with pytest.raises(ModelFileError, match="4 outputs, but there are 5 labels"):
        imported(given, tmp_path / "family", "large")
    assert left_beside(tmp_path / "family") == []


def test_two_models_of_one_name_are_refused(given: Path, tmp_path: Path) -> None:
    (given / "other").mkdir()
    (given / "other" / "small.tflite").write_bytes(tiny_model())
    with pytest.raises(ModelFileError, match="same name 'small'"):
        imported(given, tmp_path / "family", "small", "other/small")


def test_damaged_weights_that_no_interpreter_takes_are_refused(given: Path, tmp_path: Path) -> None:
    path = given / "small.tflite"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match=r"small\.tflite"):
        imported(given, tmp_path / "family", "small")
    assert left_beside(tmp_path / "family") == []


def test_importing_the_same_again_brings_the_family_up_to_date(given: Path, tmp_path: Path) -> None:
    out = tmp_path / "family"
    imported(given, out)
    imported(given, out, crop_fraction=0.5)
    family = load_family(out)
    assert {variant.preparation.crop_fraction for variant in family.manifest.variants} == {0.5}
    with pytest.raises(ManifestError, match="holds a family of other models"):
        imported(given, out, "small")
    assert load_family(out).manifest == family.manifest


def test_a_folder_with_other_things_is_left_alone(given: Path, tmp_path: Path) -> None:
    out = tmp_path / "family"
    out.mkdir()
    imported(given, out)  # an empty folder is free
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "keep.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists and holds no family"):
        imported(given, tmp_path / "notes")
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["keep.txt"]


def test_an_output_that_cannot_be_written_is_one_sentence(given: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        imported(given, tmp_path / "file" / "family")


def test_raw_bytes_go_in_unless_told_otherwise() -> None:
    def of(dtype: str, scale: float, zero_point: int, **settings: float) -> tuple[float, float]:
        spec = TensorSpec("image", (1, 8, 8, 3), dtype, (scale,), (zero_point,))
        facts = preparation_of(Path("m"), spec, ImportSettings(**settings))  # type: ignore[arg-type]
        return facts.mean, facts.std

    assert of("uint8", 1 / 128, 127) == (127.0, 128.0)
    assert of("int8", 1 / 128, -1) == (127.0, 128.0)
    assert of("uint8", 1 / 128, 127, mean=0, std=255) == (0, 255)
    with pytest.raises(ModelFileError, match="--mean and --std"):
        of("float32", 1.0, 0)
    with pytest.raises(ModelFileError, match="impossible"):
        of("uint8", float("nan"), 0)


DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.skipif(not (DATA / "coral").is_dir(), reason=f"no test data in {DATA}")
def test_the_coral_models_become_one_family(tmp_path: Path) -> None:
    names = ("mobilenet_v1_*", "mobilenet_v2_1.0_224_quant", "tf2_*")
    files = [path for name in names for path in (DATA / "coral/models").glob(f"{name}.tflite")]
    labels = DATA / "coral" / "imagenet_labels.txt"
    family = import_family(files, labels, tmp_path / "coral", settings=ImportSettings())
    variants = family.manifest.variants
    assert [variant.name.removesuffix("_quant") for variant in variants] == [
        "mobilenet_v1_0.25_128", "mobilenet_v1_0.5_160", "mobilenet_v1_0.75_192",
        "mobilenet_v2_1.0_224", "tf2_mobilenet_v2_1.0_224_ptq",
    ]  # fmt: skip
    assert [variant.compiled is not None for variant in variants] == [True] * 3 + [False] * 2
    assert len(family.manifest.labels) == 1000
    assert variants[-1].preparation.mean == 127
