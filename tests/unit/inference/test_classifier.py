from pathlib import Path

import numpy as np
import pytest

from edgescale.errors import (
    DeviceError,
    EdgeTpuRuntimeMissing,
    ModelFileError,
    NotForThisDevice,
)
from edgescale.inference.classifier import (
    Classifier,
    Prediction,
    class_scores,
    open_variant,
    predictions,
)
from edgescale.inference.delegate import EdgeTpuSettings
from edgescale.inference.runtime import PROBE_MODEL
from tests.tiny_models import COLOURS, Tiny, tiny_model

PYCORAL = """
from ai_edge_litert.interpreter import Interpreter
from pathlib import Path

def load_edgetpu_delegate(options=None):
    Path(__file__).with_name("loaded").write_text(str(options))
    return "the delegate"

def make_interpreter(model, device=None, delegate=None):
    # No Edge TPU here: the CPU model stands in, so that the path to pycoral can be followed.
    Path(__file__).with_name("made").write_text(str(delegate))
    return Interpreter(model_path=str(Path(model).with_name("cpu.tflite")))
"""


PLAIN = Tiny()
NO_LIBRARY = EdgeTpuSettings("libnone")


def model(folder: Path, tiny: Tiny = PLAIN, name: str = "model.tflite") -> Path:
    path = folder / name
    path.write_bytes(tiny_model(tiny))
    return path


def coloured(channel: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., channel] = 200
    return picture


@pytest.mark.parametrize("channel", range(3))
def test_answers_with_the_colour_of_the_picture(tmp_path: Path, channel: int) -> None:
    classifier = Classifier(model(tmp_path, Tiny(background=True)))
    raw = classifier.invoke(coloured(channel))
    class_ids, scores = class_scores(classifier, raw, kind="softmax", label_offset=1, k=2)
    assert class_ids == (channel, -1)
    assert scores[0] > 0.9
    assert classifier.runtime_name == "ai_edge_litert"
    assert classifier.load_ms > 0


def test_labels_are_put_to_ids_and_background_to_minus_one() -> None:
    assert predictions((1, -1), (0.75, 0.25), COLOURS) == (
        Prediction(1, "green", 0.75),
        Prediction(-1, "background", 0.25),
    )


def test_a_compiled_model_is_refused_on_the_cpu_whatever_its_name(tmp_path: Path) -> None:
    with pytest.raises(NotForThisDevice, match=r"edgetpu-custom-op.*--device auto"):
        Classifier(model(tmp_path, Tiny(compiled=True)))


def test_a_cpu_model_is_refused_on_the_edge_tpu(tmp_path: Path) -> None:
    with pytest.raises(NotForThisDevice, match="not compiled for the Edge TPU"):
        Classifier(model(tmp_path), device="usb")


def test_a_compiled_model_without_libedgetpu_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EdgeTpuRuntimeMissing, match="libnone"):
        Classifier(model(tmp_path, Tiny(compiled=True)), device="usb", edgetpu=NO_LIBRARY)


@pytest.mark.parametrize("length", [0, 10, 500])
def test_damaged_files_are_our_error(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model()[:length])
    with pytest.raises(ModelFileError, match=r"model\.tflite"):
        Classifier(path)


def test_a_model_that_takes_no_picture_is_refused() -> None:
    with pytest.raises(ModelFileError, match=r"\[1, height, width, 3\]"):
        Classifier(PROBE_MODEL)


def test_a_picture_of_the_wrong_size_is_our_error(tmp_path: Path) -> None:
    classifier = Classifier(model(tmp_path))
    with pytest.raises(DeviceError, match="inference failed"):
        classifier.invoke(np.zeros((5, 4, 3), np.uint8))


def test_auto_takes_the_cpu_where_the_edge_tpu_cannot_be_had_and_says_why(tmp_path: Path) -> None:
    compiled = model(tmp_path, Tiny(compiled=True), "twin.tflite")
    settings = {"runtime": None, "threads": 1, "edgetpu": NO_LIBRARY}
    _, device, reason = open_variant(model(tmp_path), compiled, device="auto", **settings)  # type: ignore[arg-type]
    assert device == "cpu"
    assert "libnone" in reason
    _, device, reason = open_variant(model(tmp_path), None, device="auto", **settings)  # type: ignore[arg-type]
    assert (device, reason) == ("cpu", "this variant is not compiled for it")


@pytest.fixture
def pycoral(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Google's pycoral, first on the search path."""
    folder = tmp_path / "site" / "pycoral" / "utils"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("")
    (folder / "__init__.py").write_text("")
    (folder / "edgetpu.py").write_text(PYCORAL)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return folder


def test_googles_pycoral_serves_edge_tpus_where_it_is_installed(
    tmp_path: Path, pycoral: Path
) -> None:
    model(tmp_path, name="cpu.tflite")
    edgetpu = EdgeTpuSettings(performance="low")
    compiled = model(tmp_path, Tiny(compiled=True))
    classifier = Classifier(compiled, device="usb:0", edgetpu=edgetpu)
    assert classifier.runtime_name == "pycoral"
    assert (pycoral / "made").read_text() == "the delegate"
    assert (pycoral / "loaded").read_text() == "{'device': 'usb:0', 'Performance': 'Low'}"


def test_a_forced_library_goes_around_pycoral(tmp_path: Path, pycoral: Path) -> None:
    with pytest.raises(EdgeTpuRuntimeMissing, match="libnone"):
        Classifier(model(tmp_path, Tiny(compiled=True)), device="usb", edgetpu=NO_LIBRARY)
    assert not (pycoral / "made").exists()
