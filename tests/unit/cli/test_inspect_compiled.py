import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgescale.cli.inspect import command
from edgescale.errors import ModelFileError
from edgescale.family.store import artifact_from
from tests.tiny_models import Tiny, tiny_family, tiny_model, tiny_record
from tests.tiny_packages import (
    CACHING,
    EXECUTION,
    TinyExecutable,
    TinyLayer,
    TinyPackage,
    compiled_tflite,
    options_bytes,
    package_bytes,
)


def shown(*arguments: object) -> str:
    run = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert run.exit_code == 0, run.output
    return run.stdout


ONE = TinyPackage()


def written(folder: Path, package: TinyPackage = ONE, *, beside: bool = False) -> Path:
    path = folder / "model_edgetpu.tflite"
    path.write_bytes(compiled_tflite(options_bytes(package_bytes(package)), beside=beside))
    return path


def facts(text: str) -> dict[str, str]:
    lines = text.split("\n\n")[0].splitlines()
    return {name: value for name, _, value in (line.partition("  ") for line in lines)}


def test_shows_what_the_compiler_made(tmp_path: Path) -> None:
    text = shown(written(tmp_path))
    found = {name: value.strip() for name, value in facts(text).items()}
    assert found["compiled for the Edge TPU"].startswith("yes, wholly")
    assert found["compiler version"] == "16.0.384591198"
    assert found["minimum runtime version"].startswith("14 (needs libedgetpu Grouper, July 2021")
    assert found["parameters on chip"] == "192 bytes"
    assert found["parameters streamed"] == "64 bytes, sent with every inference"
    assert found["scratch memory"] == "672 bytes"
    assert found["instructions"] == "128 bytes"
    assert found["narrow memory per tile"] == "832 of 196,608 bytes (0.4 %)"
    assert found["caching token"].startswith("0xfedcba9876543210 (models compiled together")
    assert "MACs" not in found
    rows = [line.split() for line in text.splitlines()]
    assert ["execution-only", "64", "96", "672", "832", "-", "beagle", "0xfedcba9876543210"] in rows
    assert ["input", "image", "4x4x3", "uint8", "0.0078125", "128", "48"] in rows
    assert ["edgetpu-custom-op", "1", "1"] in rows


def test_says_what_stays_on_the_cpu(tmp_path: Path) -> None:
    text = shown(written(tmp_path, beside=True))
    assert "yes, 1 operator on the CPU beside it" in text
    assert "MACs on the CPU" in text


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (10, "10 (libedgetpu since Grouper, July 2021, has 14)"),
        (14, "14 (needs libedgetpu Grouper, July 2021, or newer; '-m 13' compiles for older)"),
        (15, "15 (newer than any libedgetpu up to Grouper, which has 14)"),
    ],
)
def test_says_which_libedgetpu_runs_it(tmp_path: Path, version: int, said: str) -> None:
    assert said in shown(written(tmp_path, TinyPackage(min_runtime=version)))


def test_shows_a_compiled_file_as_json(tmp_path: Path) -> None:
    record = json.loads(shown(written(tmp_path, beside=True), "--json"))
    assert (record["schema_version"], record["compiled"]) == (1, True)
    found = record["edgetpu"]
    assert (found["on_chip_bytes"], found["streamed_bytes"]) == (192, 64)
    assert found["operators_on_cpu"] == [{"name": "SOFTMAX", "version": 1, "count": 1}]
    program = found["packages"][0]["executables"][0]
    assert program["parameter_caching_token"] == "0xfedcba9876543210"  # more than JSON's 2**53
    assert program["inputs"][0]["scale"] == 1 / 128


def test_a_plain_file_has_no_package_in_its_record(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model())
    record = json.loads(shown(path, "--json"))
    assert (record["compiled"], record["edgetpu"]) == (False, None)


def test_names_in_a_package_cannot_steer_the_terminal(tmp_path: Path) -> None:
    sly = TinyLayer("\x07\u202e" + "x" * 5_000)  # click itself takes colours away
    package = TinyPackage((TinyExecutable(EXECUTION, inputs=(sly,)),), compiler="16\n\x08")
    text = shown(written(tmp_path, package))
    assert not {"\x07", "\x08", "\u202e"} & set(text)
    assert max(map(len, text.splitlines()[1:])) < 200


def test_many_layers_are_cut_and_counted(tmp_path: Path) -> None:
    package = TinyPackage((TinyExecutable(EXECUTION, inputs=(TinyLayer(),) * 130),))
    text = shown(written(tmp_path, package))
    assert text.count("input image") == 100
    assert "and 30 more; --json has all" in text


def test_an_edge_tpu_operator_without_a_package_is_our_error(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model(Tiny(compiled=True)))
    run = CliRunner().invoke(command, [str(path)])
    assert isinstance(run.exception, ModelFileError)
    assert "damaged compiled model" in str(run.exception)


def test_a_family_shows_what_its_twins_keep_and_send(tmp_path: Path) -> None:
    plain, twin = tiny_record(tmp_path, "a"), tiny_record(tmp_path, "b", twin=True)
    compiled = artifact_from(tmp_path, written(tmp_path / "models"))
    tiny_family(tmp_path, plain, replace(twin, compiled=compiled))
    lines = [line.split() for line in shown(tmp_path).splitlines()]
    assert [line[-2:] for line in lines if line[:1] == ["variant"]] == [["on-chip", "streamed"]]
    first, second = (line for line in lines if line[:1] in (["a"], ["b"]))
    assert first[-3:] == ["no", "-", "-"]
    assert second[-4:] == ["0.00", "MiB", "0.00", "MiB"]
    record = json.loads(shown(tmp_path, "--json"))
    assert record["edgetpu"]["b"]["on_chip_bytes"] == 192


def test_a_family_without_twins_has_no_such_columns(tmp_path: Path) -> None:
    tiny_family(tmp_path)
    assert "on-chip" not in shown(tmp_path)


def test_needs_no_runtime_and_no_numpy(tmp_path: Path) -> None:
    heavy = ("numpy", "cv2", "ai_edge_litert", "tensorflow", "tflite_runtime")
    program = (
        "import sys; from edgescale.cli import edgescale; edgescale.main("
        f"['inspect', {str(written(tmp_path))!r}], standalone_mode=False);"
        f"sys.exit(', '.join(sys.modules.keys() & {set(heavy)!r}) or 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_ten_megabytes_cost_less_than_300_ms_of_cpu_time(tmp_path: Path) -> None:
    cached = TinyExecutable(CACHING, 8_000_000)
    path = written(tmp_path, TinyPackage((TinyExecutable(EXECUTION, 2_000_000), cached)))
    assert path.stat().st_size > 10_000_000
    assert min(cpu_seconds("-m", "edgescale", "inspect", str(path)) for _ in range(3)) < 0.3


def cpu_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, timeout=60, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
