"""Sets the scene for the stand-in compiler: what it shall do, and the models it shall "compile"."""

import json
import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.edgetpu.compiler import open_compiler
from edgescale.edgetpu.compiler_command import find_compiler
from edgescale.edgetpu.compiler_run import Compiler
from edgescale.edgetpu.model_file import read_model_file
from tests import tiny_models
from tests.compiler_logs import CUT, MAPPED, Log, log_file, stdout
from tests.tiny_packages import TinyExecutable, TinyLayer, TinyPackage, options_bytes, package_bytes

SCRIPT = Path(__file__).with_name("fake_compiler.py")
ON_CHIP, STREAMED = 192, 64
WHOLE = Log(
    input_size="1.00KiB", output_size="2.00KiB", used=f"{ON_CHIP}.00B", remaining="7.67MiB",
    off_chip=f"{STREAMED}.00B", operations=2,
    table=(("FULLY_CONNECTED", 1, MAPPED), ("SOFTMAX", 1, MAPPED)),
)  # fmt: skip
PART = Log(
    input_size="1.00KiB", output_size="2.00KiB", used=f"{ON_CHIP}.00B", remaining="7.67MiB",
    off_chip=f"{STREAMED}.00B", operations=2, on_edgetpu=1,
    table=(("FULLY_CONNECTED", 1, MAPPED), ("SOFTMAX", 1, CUT)),
)  # fmt: skip
INTERNAL = {"stdout": "Edge TPU Compiler version 16.0.384591198\nInternal compiler error."
            " Aborting! \n", "status": 1}  # fmt: skip


def twin(*, softmax_on_cpu: bool = False, min_runtime: int = 14, scale: float = 1 / 128) -> bytes:
    """Returns ``tiny_model()`` as compiled: its dense layer, and the softmax or not."""
    builder = tiny_models._Builder()
    image = builder.tensor("image", [1, 4, 4, 3], "UINT8", scale, 0)
    scores = builder.tensor("scores", [1, 3], "UINT8", 1 / 256, 0)
    mapped = builder.tensor("logits", [1, 3], "UINT8", 1 / 16, 0) if softmax_on_cpu else scores
    builder.operator("CUSTOM", [image], [mapped], custom="edgetpu-custom-op")
    builder.operators[-1].customOptions = _options(min_runtime)
    if softmax_on_cpu:
        builder.operator("SOFTMAX", [mapped], [scores])
    return builder.finish(image, scores)


def _options(min_runtime: int) -> NDArray[np.uint8]:
    output = TinyLayer("scores", 16, (1, 1, 3), 1 / 256)
    package = TinyPackage(
        (TinyExecutable(parameters=STREAMED, inputs=(TinyLayer(),), outputs=(output,)),
         TinyExecutable(1, ON_CHIP, (32,))),
        min_runtime=min_runtime,
    )  # fmt: skip
    return np.frombuffer(options_bytes(package_bytes(package)), np.uint8)


@dataclass
class Scene:
    """A stand-in compiler with its files, all in one folder."""

    folder: Path
    runs: list[dict[str, Any]] = field(default_factory=list)
    version: str = "16.0.384591198"
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def scenario(self) -> Path:
        return self.folder / "what it's told.json"  # a space and a quote, on purpose

    @property
    def command(self) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        told = {"version": self.version, "runs": self.runs or [self.success()], **self.more}
        self.scenario.write_text(json.dumps(told))
        return shlex.join([sys.executable, "-S", str(SCRIPT), str(self.scenario)])

    def success(
        self, of: Log = WHOLE, content: bytes | None = None, **changes: Any
    ) -> dict[str, Any]:
        self.folder.mkdir(parents=True, exist_ok=True)
        content = twin(softmax_on_cpu=of.on_edgetpu is not None) if content is None else content
        path = self.folder / f"prepared-{len(list(self.folder.glob('prepared-*')))}.tflite"
        path.write_bytes(content)
        return {"stdout": stdout(of), "log": log_file(of), "write": str(path)} | changes

    def compiler(self) -> Compiler:
        return open_compiler(find_compiler(self.command, {}))

    def calls(self) -> list[dict[str, Any]]:
        path = Path(f"{self.scenario}.calls")
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


def compiled_from(scene: Scene, model: Path) -> dict[str, Any]:
    """Returns a run that "compiles" any int8 model wholly: its own inputs and outputs stay."""
    content = read_model_file(model)
    builder = tiny_models._Builder()
    ends = []
    for spec in (content.inputs[0], content.outputs[0]):
        shape, dtype = list(spec.shape), spec.dtype.upper()
        ends.append(builder.tensor(spec.name, shape, dtype, spec.scales[0], spec.zero_points[0]))
    builder.operator("CUSTOM", ends[:1], ends[1:], custom="edgetpu-custom-op")
    builder.operators[-1].customOptions = _options(14)
    operations = sum(operator.count for operator in content.operators)
    log = replace(WHOLE, operations=operations, table=(("CONV_2D", operations, MAPPED),))
    return scene.success(log, builder.finish(*ends))
