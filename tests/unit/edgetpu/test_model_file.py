import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema  # noqa: TID253 - the writer is the point

from edgescale.edgetpu import flatbuffer
from edgescale.edgetpu.flatbuffer import read_graphs
from edgescale.edgetpu.lint import lint_file
from edgescale.edgetpu.model_file import read_model_file
from edgescale.errors import ModelFileError
from edgescale.inference.runtime import PROBE_MODEL
from tests.planted_faults import sound_model
from tests.tiny_models import Tiny, tiny_model
from tests.tiny_packages import compiled_tflite

DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
CORAL = DATA / "coral"
needs_coral = pytest.mark.skipif(not CORAL.is_dir(), reason=f"no test data in {CORAL}")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(content)
    return path


def test_reads_costs_operators_and_quantisation(tmp_path: Path) -> None:
    model = read_model_file(written(tmp_path, tiny_model()))
    assert [(item.name, item.version, item.count) for item in model.operators] == [
        ("FULLY_CONNECTED", 1, 1), ("SOFTMAX", 1, 1)
    ]  # fmt: skip
    assert model.inputs[0].shape == (1, 4, 4, 3)
    assert model.inputs[0].scales == (1 / 128,)
    assert model.macs == 48 * 3 == sum(layer.macs for layer in model.layers)
    assert model.weight_bytes == 48 * 3 + 4 * 3 == sum(x.weight_bytes for x in model.layers)
    assert model.peak_activation_bytes == 48 + 3
    assert model.ends_in_softmax
    assert not model.compiled
    assert model.per_channel_dense == ()


def test_keeps_the_skip_alive_while_the_convolution_runs() -> None:
    model = read_model_file(PROBE_MODEL)
    assert [layer.operation for layer in model.layers] == ["conv", "add"]
    assert model.layers[1].inputs == ("conv_0", "input")
    # At the addition the image (8 bytes), the convolution's output (8) and the sum (8) are alive.
    assert model.peak_activation_bytes == 24


def test_names_dense_weights_with_a_scale_per_channel(tmp_path: Path) -> None:
    model = read_model_file(written(tmp_path, tiny_model(Tiny(per_channel=True))))
    assert model.per_channel_dense == ("kernel",)


def test_finds_a_compiled_model_by_content_and_not_by_name(tmp_path: Path) -> None:
    model = read_model_file(written(tmp_path, tiny_model(Tiny(compiled=True))))
    assert model.compiled
    assert [item.name for item in model.operators] == ["edgetpu-custom-op"]
    assert not model.ends_in_softmax


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "empty", id="no bytes"),
        pytest.param(b"\0" * 5, "not a TFLite model", id="five bytes"),
        pytest.param(b"<html>" * 100, "not a TFLite model", id="a web page"),
        pytest.param(b"\0\0\0\0TFL3" + b"\0" * 100, "TFLite model", id="an empty shell"),
        pytest.param(b"\xff" * 4 + b"TFL3" + b"\xff" * 100, "damaged", id="offsets far outside"),
    ],
)
def test_refuses_what_is_no_model_in_one_sentence(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ModelFileError, match=said) as refusal:
        read_model_file(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_refuses_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="No such file"):
        read_model_file(tmp_path / "absent.tflite")
    with pytest.raises(ModelFileError, match="Is a directory"):
        read_model_file(tmp_path)


def test_refuses_every_truncation(tmp_path: Path) -> None:
    whole = tiny_model()
    for length in range(0, len(whole) - 8, 7):
        with pytest.raises(ModelFileError):
            read_model_file(written(tmp_path, whole[:length]))


def test_refuses_weights_of_the_wrong_size(tmp_path: Path) -> None:
    whole = tiny_model()
    shape = struct.pack("<2i", 3, 48)  # of the dense kernel
    assert whole.count(shape) == 1
    damaged = whole.replace(shape, struct.pack("<2i", 3, 49))
    with pytest.raises(ModelFileError, match="'kernel' needs 147 bytes of weights, the file holds"):
        read_model_file(written(tmp_path, damaged))


def test_refuses_huge_counts_without_allocating_them(tmp_path: Path) -> None:
    whole = bytearray(tiny_model())
    refused = 0
    for place in range(8, len(whole) - 4, 4):
        damaged = bytearray(whole)
        damaged[place : place + 4] = struct.pack("<I", 0x7FFF_FFF0)
        try:
            read_model_file(written(tmp_path, bytes(damaged)))
        except ModelFileError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_are_read_or_refused_but_never_crash(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    sources = [tiny_model(), tiny_model(Tiny(compiled=True)), PROBE_MODEL.read_bytes()]
    for _ in range(150):
        content = bytearray(chance.choice(sources))
        for _ in range(chance.choice((1, 1, 2, 8))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path = written(tmp_path, bytes(content))
        try:
            model = read_model_file(path)
        except ModelFileError:
            continue
        assert 0 <= model.macs <= 2**53
        assert 0 <= model.peak_activation_bytes <= 2**53


@needs_coral
@pytest.mark.parametrize(
    ("name", "macs", "weight_bytes"),
    [
        # 569 M, 300 M and so on are MobileNet's published MACs; ours leave nothing out.
        ("mobilenet_v1_0.25_128_quant", 13_570_304, 478_804),
        ("mobilenet_v2_1.0_224_quant", 300_775_552, 3_543_268),
        ("tf2_mobilenet_v2_1.0_224_ptq", 300_775_552, 3_543_268),
    ],
)
def test_costs_of_published_models(name: str, macs: int, weight_bytes: int) -> None:
    model = read_model_file(CORAL / "models" / f"{name}.tflite")
    assert (model.macs, model.weight_bytes) == (macs, weight_bytes)
    assert sum(layer.macs for layer in model.layers) == macs
    assert model.ends_in_softmax


@needs_coral
def test_every_twin_of_the_data_is_found_compiled() -> None:
    found = {path.name: read_model_file(path).compiled for path in CORAL.glob("models*/*.tflite")}
    assert len(found) >= 10
    assert found == {name: name.endswith("_edgetpu.tflite") for name in found}


@pytest.mark.parametrize("scale", [float("inf"), float("nan")])
def test_refuses_scales_that_are_no_numbers(tmp_path: Path, scale: float) -> None:
    path = written(tmp_path, tiny_model(Tiny(input_scale=scale)))
    with pytest.raises(ModelFileError, match="a scale is no finite number"):
        read_model_file(path)


def test_counts_operators_over_all_graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, same_graph_again(operators=6, graphs=3))
    assert read_model_file(path).operators[0].count == 18
    monkeypatch.setattr(flatbuffer, "MOST_OPERATORS", 10)
    with pytest.raises(ModelFileError, match="12 operators, more than the 10"):
        read_model_file(path)


def same_graph_again(operators: int, graphs: int, custom_bytes: int = 0) -> bytes:
    """Returns a model whose graphs are one and the same, which makes a small file a long read."""
    builder = flatbuffers.Builder(1024)
    options = builder.CreateByteVector(bytes(custom_bytes))
    schema.OperatorCodeStart(builder)
    if custom_bytes:
        schema.OperatorCodeAddBuiltinCode(builder, schema.BuiltinOperator.CUSTOM)
    code = repeated(builder, schema.OperatorCodeEnd(builder), 1)
    schema.OperatorStart(builder)
    schema.OperatorAddCustomOptions(builder, options)
    nodes = repeated(builder, schema.OperatorEnd(builder), operators)
    schema.SubGraphStart(builder)
    schema.SubGraphAddOperators(builder, nodes)
    parts = repeated(builder, schema.SubGraphEnd(builder), graphs)
    schema.ModelStart(builder)
    schema.ModelAddOperatorCodes(builder, code)
    schema.ModelAddSubgraphs(builder, parts)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def repeated(builder: flatbuffers.Builder, offset: int, times: int) -> int:
    builder.StartVector(4, times, 4)
    for _ in range(times):
        builder.PrependUOffsetTRelative(offset)
    end: int = builder.EndVector()
    return end


def test_refuses_what_is_no_regular_file() -> None:
    with pytest.raises(ModelFileError, match="no regular file"):
        read_model_file(Path("/dev/null"))


def test_reads_where_neither_numpy_nor_a_runtime_can_be_imported() -> None:
    script = (
        "import sys; sys.modules.update(dict.fromkeys(('numpy', 'ai_edge_litert', 'flatbuffers')));"
        "from edgescale.edgetpu.model_file import read_model_file;"
        f"print(len(read_model_file({str(PROBE_MODEL)!r}).layers))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.stdout, run.stderr) == ("2\n", "")


def test_options_of_another_operator_are_not_read(tmp_path: Path) -> None:
    model = sound_model()
    assert read_model_file(written(tmp_path, model.content)).layers[1].stride == 2
    model.graph.operators[1].builtinOptionsType = schema.BuiltinOptions.Pool2DOptions
    model.graph.operators[1].builtinOptions = schema.Pool2DOptionsT()
    model.graph.operators[1].builtinOptions.strideH = 2
    assert read_model_file(written(tmp_path, model.content)).layers[1].stride == 1


def test_a_custom_operator_under_the_name_of_one_of_tflite_is_not_that_one(tmp_path: Path) -> None:
    path = written(tmp_path, compiled_tflite(b"options", name="CONV_2D"))
    model = read_model_file(path)
    assert [operator.name for operator in model.operators] == ["CUSTOM CONV_2D"]
    assert (model.layers[0].operation, model.macs) == ("custom conv_2d", 0)
    assert lint_file(path).ops_on_cpu == 1


def test_refuses_operators_that_share_custom_options_to_seem_more(tmp_path: Path) -> None:
    for operators, refused in ((1, False), (100, True)):
        path = written(tmp_path, same_graph_again(operators, 1, custom_bytes=10_000))
        if refused:
            with pytest.raises(ModelFileError, match="damaged"):
                read_graphs(path)
        else:
            assert len(read_graphs(path)[0].operators[0].custom_options) == 10_000
