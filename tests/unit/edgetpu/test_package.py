import json
import os
from pathlib import Path

import pytest

from edgescale.cli.inspect_file import file_record, read_file
from edgescale.edgetpu import darwinn, package
from edgescale.edgetpu.package import CompiledModel, read_compiled
from edgescale.errors import ModelFileError
from tests.tiny_models import tiny_model
from tests.tiny_packages import (
    CACHING,
    EXECUTION,
    STAND_ALONE,
    TinyExecutable,
    TinyLayer,
    TinyPackage,
    bundle_bytes,
    compiled_tflite,
    executable_bytes,
    options_bytes,
    overlapping_bytes,
    package_bytes,
    same_layers_bytes,
)

DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
CORAL = DATA / "coral"
GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "compiled_models.json").read_text())


def read(folder: Path, content: bytes) -> CompiledModel:
    path = folder / "model.tflite"
    path.write_bytes(content)
    return read_compiled(path)


def compiled(*packages: TinyPackage, beside: bool = False) -> bytes:
    return compiled_tflite(*(options_bytes(package_bytes(x)) for x in packages), beside=beside)


@pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in GOLDEN["models"]])
def test_reads_the_totals_of_every_compiled_file_of_coral(row: dict[str, object]) -> None:
    path = CORAL / str(row["file"])
    if not path.is_file():
        pytest.skip(f"no test data in {path}")
    model = read_compiled(path)
    found = {name: getattr(model, name) for name in row if name not in ("file", "kinds")}
    kinds = [program.kind for program in model.executables]
    assert {"file": row["file"], "kinds": kinds, **found} == row
    assert model.operators_on_cpu == ()


@pytest.mark.skipif(not CORAL.is_dir(), reason=f"no test data in {CORAL}")
def test_every_compiled_file_at_hand_has_its_row() -> None:
    found = {str(path.relative_to(CORAL)) for path in CORAL.glob("*/*_edgetpu.tflite")}
    assert found == {row["file"] for row in GOLDEN["models"]}


@pytest.mark.skipif(not CORAL.is_dir(), reason=f"no test data in {CORAL}")
def test_co_compiled_models_share_their_token() -> None:
    tokens = {
        path.name[:18]: read_compiled(path).parameter_caching_tokens
        for path in (CORAL / "cocompilation").glob("*with_3quant*")
    }
    assert set(tokens.values()) == {(0x99B4_84BE_3045_8CDE,)}
    assert len(tokens) == 2


def test_adds_up_what_is_cached_and_what_is_sent(tmp_path: Path) -> None:
    model = read(tmp_path, compiled(TinyPackage(), beside=True))
    assert (model.on_chip_bytes, model.streamed_bytes, model.scratch_bytes) == (192, 64, 672)
    assert (model.instruction_bytes, model.narrow_memory_bytes_per_tile) == (96 + 32, 832)
    assert (model.input_bytes, model.output_bytes) == (48, 16)
    assert (model.dma_input_bytes, model.dma_output_bytes) == (48, 16)
    assert (model.min_runtime_version, model.compiler_versions) == (14, ("16.0.384591198",))
    assert model.parameter_caching_tokens == (0xFEDC_BA98_7654_3210,)
    assert model.estimated_cycles is None
    assert [(x.name, x.count) for x in model.operators_on_cpu] == [("SOFTMAX", 1)]
    layer = model.executables[0].inputs[0]
    assert (layer.name, layer.height, layer.width, layer.channels) == ("image", 4, 4, 3)
    assert (layer.dtype, layer.scale, layer.zero_point, layer.executions) == (
        "uint8", 1 / 128, 128, 1
    )  # fmt: skip


def test_a_program_that_stands_alone_caches_nothing(tmp_path: Path) -> None:
    alone = TinyPackage((TinyExecutable(STAND_ALONE, 500, cycles=9, token=0),), min_runtime=10)
    model = read(tmp_path, compiled(alone))
    assert (model.on_chip_bytes, model.streamed_bytes, model.estimated_cycles) == (0, 500, 9)


def test_cycles_of_old_compilers_stand_in_32_bits(tmp_path: Path) -> None:
    model = read(tmp_path, compiled(TinyPackage((TinyExecutable(cycles_32bit=7),))))
    assert model.estimated_cycles == 7


def test_every_operator_with_a_package_counts(tmp_path: Path) -> None:
    older = TinyPackage((TinyExecutable(CACHING, 1000),), min_runtime=12, compiler="cl/")
    model = read(tmp_path, compiled(TinyPackage(), older))
    assert len(model.packages) == 2
    assert (model.on_chip_bytes, model.min_runtime_version) == (1192, 14)
    assert model.compiler_versions == ("16.0.384591198", "cl/")


def test_a_package_for_another_chip_is_an_alternative_and_in_no_total(tmp_path: Path) -> None:
    mine = package_bytes()
    other = package_bytes(TinyPackage((TinyExecutable(CACHING, 1000),)))
    model = read(tmp_path, compiled_tflite(options_bytes(mine, [other])))
    assert (len(model.packages), model.on_chip_bytes) == (1, 192)
    assert model.alternatives[0].executables[0].parameter_bytes == 1000


def test_a_package_of_several_chips_gives_all_of_them(tmp_path: Path) -> None:
    bundle = bundle_bytes([package_bytes(), package_bytes()])
    model = read(tmp_path, compiled_tflite(options_bytes(bundle)))
    assert (len(model.packages), model.on_chip_bytes) == (2, 384)


def test_finds_the_package_by_content_and_not_by_name(tmp_path: Path) -> None:
    content = compiled_tflite(options_bytes(package_bytes()), name="accelerator")
    assert read(tmp_path, content).on_chip_bytes == 192


def test_a_layer_that_runs_several_times_counts_as_often(tmp_path: Path) -> None:
    unrolled = TinyLayer("step", 24, executions=28)
    model = read(tmp_path, compiled(TinyPackage((TinyExecutable(inputs=(unrolled,)),))))
    assert model.input_bytes == 24 * 28


def no_map() -> bytes:
    return compiled_tflite(b"\x01\x02\x03\x04\x05")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(tiny_model(), "not compiled for the Edge TPU", id="a plain model"),
        pytest.param(no_map(), "damaged compiled model", id="options that are no map"),
        pytest.param(compiled_tflite(options_bytes(b"\0" * 99)), "holds no package", id="no DWN1"),
        pytest.param(compiled(TinyPackage(())), "without an executable", id="no executable"),
        pytest.param(
            compiled(TinyPackage((TinyExecutable(kind=7),))), r"model \(unknown kind 7 in its",
            id="a kind there is not",
        ),
        pytest.param(
            compiled(TinyPackage((TinyExecutable(scratch=-1),))), "below zero", id="less than none"
        ),
        pytest.param(
            compiled(TinyPackage((TinyExecutable(inputs=(TinyLayer(scale=float("inf")),)),))),
            "no finite number", id="an infinite scale",
        ),
        pytest.param(
            compiled(TinyPackage((TinyExecutable(cycles=2**60),))), "impossibly large",
            id="more cycles than JSON can carry",
        ),
        pytest.param(
            compiled_tflite(options_bytes(bundle_bytes([bundle_bytes([package_bytes()])]))),
            "damaged", id="a bundle in a bundle",
        ),
    ],
)  # fmt: skip
def test_refuses_in_one_sentence_what_it_cannot_use(
    tmp_path: Path, content: bytes, said: str
) -> None:
    with pytest.raises(ModelFileError, match=said) as refusal:
        read(tmp_path, content)
    assert str(tmp_path / "model.tflite") in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_package_is_read_past_its_end(tmp_path: Path) -> None:
    whole = package_bytes()
    for length in range(0, len(whole) - 4, 5):
        with pytest.raises(ModelFileError):
            read(tmp_path, compiled_tflite(options_bytes(whole[:length])))


def test_counts_over_all_packages_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = TinyPackage((TinyExecutable(EXECUTION, inputs=(TinyLayer(),) * 20),) * 3)
    content = compiled(many, many)
    assert len(read(tmp_path, content).executables) == 6
    monkeypatch.setattr(darwinn, "MOST_ITEMS", 100)
    with pytest.raises(ModelFileError, match="more than 100 parts"):
        read(tmp_path, content)


def test_programs_that_share_their_bytes_are_refused_once_they_hold_more_than_there_is(
    tmp_path: Path,
) -> None:
    program = executable_bytes(TinyExecutable(EXECUTION, parameters=10_000, instructions=(40,)))
    once, twice = (
        compiled_tflite(options_bytes(overlapping_bytes(program, times))) for times in (1, 2)
    )
    assert read(tmp_path, once).streamed_bytes == 10_000
    with pytest.raises(ModelFileError, match="programs that hold more than there is"):
        read(tmp_path, twice)
    bundle = bundle_bytes([overlapping_bytes(program, 1), package_bytes()])
    assert read(tmp_path, compiled_tflite(options_bytes(bundle))).streamed_bytes == 10_064


def test_instructions_count_as_parameters_do(tmp_path: Path) -> None:
    program = executable_bytes(TinyExecutable(EXECUTION, instructions=(5_000, 5_000)))
    with pytest.raises(ModelFileError, match="programs that hold more than there is"):
        read(tmp_path, compiled_tflite(options_bytes(overlapping_bytes(program, 2))))


def test_a_file_of_a_few_kilobytes_makes_no_long_record(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"

    def length(layers: int, programs: int) -> int:
        package = overlapping_bytes(same_layers_bytes(layers, b"\xff" * 1000), programs)
        path.write_bytes(compiled_tflite(options_bytes(package)))
        assert path.stat().st_size < 4_000
        return len(json.dumps(file_record(read_file(path))))

    assert length(19, 5) < 700_000  # 100 names of 1000 characters, 6 letters each in JSON
    with pytest.raises(ModelFileError, match="more than 100000 characters of names"):
        length(140, 130)


def test_custom_operators_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MOST_CUSTOM_OPERATORS", 1)
    with pytest.raises(ModelFileError, match="more than 1 custom operators"):
        read(tmp_path, compiled(TinyPackage(), TinyPackage()))
