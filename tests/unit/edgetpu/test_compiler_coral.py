"""Files that Google compiled with the real compiler pass every check of the driver, and no others.

The report is rebuilt with the figures of the file; the compiler itself is not here.
"""

import os
from pathlib import Path

import pytest

from edgescale.edgetpu.compiler import Compiled, compile_model
from edgescale.edgetpu.compiler_command import CompilerOptions
from edgescale.edgetpu.model_file import read_model_file
from edgescale.errors import CompilerFailed
from tests.compiler_logs import MAPPED, Log
from tests.compiler_scenes import Scene

DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
CORAL = DATA / "coral"
pytestmark = pytest.mark.skipif(not CORAL.is_dir(), reason=f"no test data in {CORAL}")
V1_025 = "models/mobilenet_v1_0.25_128_quant"
V2 = "models/mobilenet_v2_1.0_224_quant"


def compiled(folder: Path, model: str, twin: str, used: str, off_chip: str) -> Compiled:
    source = CORAL / f"{model}.tflite"
    operations = sum(operator.count for operator in read_model_file(source).operators)
    log = Log(used=used, off_chip=off_chip, operations=operations,
              table=(("CONV_2D", operations, MAPPED),))  # fmt: skip
    scene = Scene(folder)
    scene.runs = [scene.success(log, (CORAL / f"{twin}_edgetpu.tflite").read_bytes())]
    return compile_model(scene.compiler(), source, CompilerOptions())


@pytest.mark.parametrize(
    ("model", "twin", "used", "off_chip", "found_bytes"),
    [
        pytest.param(V1_025, V1_025, "553.62KiB", "0.00B", (566_912, 0), id="v1 0.25"),
        pytest.param(
            V2, "models_alt/mobilenet_v2_1.0_224_quant", "3.72MiB", "0.00B", (3_900_864, 0), id="v2"
        ),
        pytest.param(
            V1_025, "cocompilation/mobilenet_v1_0.25_128_quant_cocompiled_with_3quant",
            "308.44KiB", "245.19KiB", (315_840, 251_072), id="streamed",
        ),
    ],
)  # fmt: skip
def test_a_file_of_the_real_compiler_agrees(
    tmp_path: Path, model: str, twin: str, used: str, off_chip: str, found_bytes: tuple[int, int]
) -> None:  # fmt: skip
    made = compiled(tmp_path / "scene", model, twin, used, off_chip)
    facts = made.record("")
    assert (facts.on_chip_memory_used_bytes, facts.off_chip_streaming_bytes) == found_bytes
    assert (facts.ops_on_cpu, facts.min_runtime_version) == (0, 12)
    assert made.notes == ()  # lint foretold the same


@pytest.mark.parametrize(
    ("twin", "used", "said"),
    [
        pytest.param(V1_025, "553.60KiB", "holds 566912 bytes", id="other bytes"),
        pytest.param("models/mobilenet_v1_0.5_160_quant", "1.41MiB", "other inputs", id="another"),
        pytest.param("models/split_concat", "192.00B", "other inputs", id="another network"),
    ],
)
def test_a_file_of_another_model_does_not(tmp_path: Path, twin: str, used: str, said: str) -> None:
    with pytest.raises(CompilerFailed, match=said):
        compiled(tmp_path / "scene", V1_025, twin, used, "0.00B")
