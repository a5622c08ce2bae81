"""The planted faults, each told by its rule alone; Google's own models, which are without."""

import os
import random
import time
from pathlib import Path

import numpy as np
import pytest

from edgescale.edgetpu.lint import REFUSES_THE_FILE, lint_file
from edgescale.errors import ModelFileError
from tests.planted_faults import FAULTS, KERNEL, faulty_model, sound_model
from tests.tiny_models import Tiny, tiny_model

DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
CORAL = DATA / "coral"
needs_coral = pytest.mark.skipif(not CORAL.is_dir(), reason=f"no test data in {CORAL}")

# fault: rule, first operator cut, operators on the Edge TPU and on the CPU
EXPECTED = {
    "float operator": ("float-operator", "operator 6 DEQUANTIZE", 6, 2),
    "dynamic batch": ("dynamic-shape", "operator 0 QUANTIZE", 0, 8),
    "per-channel dense": ("per-channel-dense", "operator 5 FULLY_CONNECTED", 5, 3),
    "CONV_2D v6": ("operator-version", "operator 1 CONV_2D", 0, 8),
    "QUANTIZE v3": ("operator-version", "operator 0 QUANTIZE", 0, 8),
    "5-D tensor": ("rank", "operator 4 RESHAPE", 4, 6),
    "infinite scale": ("bad-scale", "operator 2 DEPTHWISE_CONV_2D", 0, 8),
    "HARD_SWISH": ("unsupported-operator", "operator 3 HARD_SWISH", 3, 5),
    "BATCH_MATMUL": ("unsupported-operator", "operator 5 BATCH_MATMUL", 5, 3),
    "dynamic-range weights": ("dynamic-range-weights", "operator 0 CONV_2D", 0, 6),
    "mean over 256x128": ("mean-size", "operator 4 MEAN", 4, 4),
    "two subgraphs": ("more-than-one-subgraph", None, 0, 16),
}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(content)
    return path


def test_a_sound_model_runs_and_has_nothing_to_say(tmp_path: Path) -> None:
    path = written(tmp_path, sound_model().content)
    report = lint_file(path)
    assert report.findings == ()
    assert (report.ops_on_edgetpu, report.ops_on_cpu, report.first_cut) == (8, 0, None)
    assert report.fully_mapped

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()  # the faults are planted into a model that is one
    interpreter.invoke()


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_told_by_its_rule_alone(fault: str, tmp_path: Path) -> None:
    rule, cut, on_edgetpu, on_cpu = EXPECTED[fault]
    report = lint_file(written(tmp_path, faulty_model(fault)))
    assert {finding.rule for finding in report.errors} == {rule}
    assert not report.warnings
    assert (report.ops_on_edgetpu, report.ops_on_cpu) == (on_edgetpu, on_cpu)
    assert (report.first_cut or "").startswith(cut or "")
    assert (report.first_cut is None) == (cut is None)
    assert not report.fully_mapped
    for finding in report.errors:
        assert finding.where
        assert finding.what
        assert finding.mend


def test_the_twelve_faults_are_all_expected() -> None:
    assert set(EXPECTED) == set(FAULTS)
    assert len(FAULTS) == 12


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param("dynamic batch", "'image'; its size -1x16x16x3 is left open (9 tensors"),
        pytest.param("infinite scale", "'depthwise'; its scale is inf"),
        pytest.param("CONV_2D v6", "1 CONV_2D ('conv'); version 6, compiler 16 parses up to 5"),
        pytest.param("mean over 256x128", "a map of 256x128x16"),
        pytest.param(
            "5-D tensor", "'wide'; its size is 1x2x4x8x16; only the 3 innermost may exceed 1"
        ),
    ],
)
def test_a_finding_names_the_place_and_the_figures(fault: str, said: str, tmp_path: Path) -> None:
    finding = lint_file(written(tmp_path, faulty_model(fault))).errors[0]
    assert said in f"{finding.where}; {finding.what}"


@needs_coral
def test_models_that_google_compiled_are_without_findings_but_of_narrow_channels() -> None:
    paths = [p for p in CORAL.glob("models*/*.tflite") if not p.stem.endswith("_edgetpu")]
    assert len(paths) >= 7
    for path in paths:
        report = lint_file(path)
        assert report.fully_mapped
        told = [finding.what for finding in report.findings]
        # A quarter of MobileNetV1's channels are 8 at its beginning, half of a chip's row of tiles.
        narrow = path.stem.startswith("mobilenet_v1_0.25")
        assert len(told) == narrow, path.name
        assert not narrow or "2 of 27 convolutions" in told[0]


@needs_coral
def test_compiled_models_are_said_to_be_compiled() -> None:
    paths = list(CORAL.glob("*/*_edgetpu.tflite"))
    assert len(paths) >= 9
    for path in paths:
        assert [finding.rule for finding in lint_file(path).findings] == ["already-compiled"]


def test_a_float_model_is_float_in_every_operator(tmp_path: Path) -> None:
    report = lint_file(written(tmp_path, tiny_model(Tiny(weight=1.0))))
    assert [finding.rule for finding in report.errors] == ["float-operator"] * 2
    assert report.ops_on_edgetpu == 0


def test_what_is_no_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    whole = sound_model().content
    for content in (b"", b"junk" * 9, whole[: len(whole) // 2]):
        with pytest.raises(ModelFileError):
            lint_file(written(tmp_path, content))


def test_rules_that_refuse_a_file_leave_nothing_on_the_edge_tpu() -> None:
    refusing = {EXPECTED[fault][0] for fault in EXPECTED if EXPECTED[fault][2] == 0}
    assert refusing - {"dynamic-range-weights"} < REFUSES_THE_FILE


@needs_coral
def test_a_model_of_four_megabytes_is_judged_within_a_tenth_of_a_second() -> None:
    path = CORAL / "models" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    lint_file(path)
    begin = time.process_time()
    lint_file(path)
    assert time.process_time() - begin < 0.1


@pytest.mark.parametrize("shared", ["constant", "scales"])
def test_a_small_file_that_is_a_long_read_is_refused(shared: str, tmp_path: Path) -> None:
    model = sound_model()
    if shared == "scales":
        model.graph.tensors[KERNEL].quantization.scale = [1.0] * 50_000
    else:
        bias = next(tensor for tensor in model.graph.tensors if tensor.name == "bias 16")
        bias.shape = [50_000]
        model.root.buffers[bias.buffer].data = np.zeros(200_000, np.uint8)
    model.graph.operators = [model.graph.operators[1]] * 50
    begin = time.process_time()
    with pytest.raises(ModelFileError, match="scales, biases and axes, more than"):
        lint_file(written(tmp_path, model.content))
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("fault", ["sound", "5-D tensor", "mean over 256x128"])
def test_mutated_files_are_judged_or_refused_but_never_crash(fault: str, tmp_path: Path) -> None:
    chance = random.Random(fault)
    whole = sound_model().content if fault == "sound" else faulty_model(fault)
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            report = lint_file(written(tmp_path, bytes(content)))
        except ModelFileError:
            continue
        assert report.ops_on_edgetpu + report.ops_on_cpu >= 1
