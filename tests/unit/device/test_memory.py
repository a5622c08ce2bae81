from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema  # noqa: TID253 - reads what tests write

from edgescale.device.memory import predicted_worker_bytes, with_predictions, worker_base_bytes
from edgescale.device.profile import Measurement
from edgescale.errors import ModelFileError
from edgescale.inference.worker import Worker, WorkerSettings
from edgescale.units import MIB
from tests.fakes import measured
from tests.tiny_models import RED, Tiny, tiny_family, tiny_model, tiny_record

LITERT = WorkerSettings(device="cpu", runtime="ai_edge_litert")
INPUT_BYTES = 4 * 4 * 3
WEIGHT_BYTES = 3 * INPUT_BYTES
PEAK_BYTES = INPUT_BYTES + 3  # the dense layer's input and output


def with_convolution(path: Path) -> int:
    """Turns the dense layer into a 3x3 convolution of 4x4x3 to 4x4x8, for readers only."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tiny_model()))
    graph = model.subgraphs[0]
    operator = graph.operators[0]
    model.operatorCodes[operator.opcodeIndex].builtinCode = schema.BuiltinOperator.CONV_2D
    model.operatorCodes[operator.opcodeIndex].deprecatedBuiltinCode = 3
    operator.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    operator.builtinOptions = schema.Conv2DOptionsT()
    operator.builtinOptions.strideH = operator.builtinOptions.strideW = 1
    kernel, made = graph.tensors[operator.inputs[1]], graph.tensors[operator.outputs[0]]
    kernel.shape, made.shape = [8, 3, 3, 3], [1, 4, 4, 8]
    model.buffers[kernel.buffer].data = np.zeros(8 * 27, np.uint8)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return path.write_bytes(bytes(builder.Output()))


def test_adds_file_packed_weights_activations_and_both_slots(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    file_bytes = path.write_bytes(tiny_model(Tiny(softmax=False)))
    found = predicted_worker_bytes(path, 1000, runtime="ai_edge_litert")
    wanted = 1000 + 1.7 * MIB + file_bytes + WEIGHT_BYTES + 1.69 * PEAK_BYTES + 2 * INPUT_BYTES
    assert found == pytest.approx(wanted, abs=20)  # a bias of three numbers


def test_a_wide_convolution_takes_pointers_or_columns(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    file_bytes = with_convolution(path)
    taps = 3 * 3 * 4 * 4
    rest = file_bytes + 8 * 27 + 2 * INPUT_BYTES
    live = INPUT_BYTES + 4 * 4 * 8
    pointers = predicted_worker_bytes(path, 0, runtime="ai_edge_litert")
    assert pointers == pytest.approx(1.7 * MIB + rest + 1.69 * live + 1.22 * 8 * taps, abs=20)
    columns = predicted_worker_bytes(path, 0, runtime="tflite_runtime")
    assert columns == pytest.approx(1.8 * MIB + rest + 0.25 * live + 1.55 * 3 * taps, abs=20)


def test_a_compiled_operator_is_read_and_not_packed(tmp_path: Path) -> None:
    path = tmp_path / "m_edgetpu.tflite"
    file_bytes = path.write_bytes(tiny_model(Tiny(compiled=True)))
    found = predicted_worker_bytes(path, 0, runtime="tflite_runtime")
    assert found == pytest.approx(
        1.8 * MIB + file_bytes + 0.25 * PEAK_BYTES + 2 * INPUT_BYTES, abs=20
    )


def test_the_peak_of_a_real_worker_is_near_its_prediction(tmp_path: Path) -> None:
    family = tiny_family(tmp_path, tiny_record(tmp_path, "a"))
    variant = family.manifest.variants[0]
    base_bytes = worker_base_bytes(LITERT)
    assert base_bytes is not None
    assert base_bytes > 15 * MIB  # numpy alone
    with Worker(family, variant, settings=LITERT) as worker:
        worker.classify(RED, bgr=False)
        peak_bytes = worker.peak_rss_bytes()
    (entry,) = with_predictions(family, [measured(variant)], LITERT, base_bytes)
    assert entry.predicted_worker_peak_bytes == pytest.approx(peak_bytes, rel=0.15)


def test_nothing_is_predicted_of_what_did_not_run_or_is_no_model(tmp_path: Path) -> None:
    family = tiny_family(tmp_path, tiny_record(tmp_path, "a"))
    variant = family.manifest.variants[0]
    failed = Measurement("a", variant.model.sha256, error="SIGSEGV")
    assert with_predictions(family, [failed], LITERT, 1) == (failed,)
    entry = measured(variant)
    assert with_predictions(family, [entry], LITERT, None) == (entry,)
    (tmp_path / variant.model.path).write_text("junk")
    assert with_predictions(family, [entry], LITERT, 1) == (entry,)
    with pytest.raises(ModelFileError):
        predicted_worker_bytes(tmp_path / variant.model.path, 1, runtime="ai_edge_litert")


def test_a_runtime_that_is_missing_has_no_base() -> None:
    assert worker_base_bytes(WorkerSettings(runtime="no_such_runtime")) is None
