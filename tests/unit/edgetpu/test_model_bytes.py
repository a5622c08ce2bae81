"""Limits of a file itself: what is too large to read, and small files that seem large."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edgescale.cli.inspect_file import file_record, read_file
from edgescale.edgetpu import flatbuffer, model_bytes
from edgescale.edgetpu.flatbuffer import read_graphs
from edgescale.errors import ModelFileError
from tests.planted_faults import INT32, Model
from tests.tiny_models import tiny_model
from tests.tiny_packages import (
    EXECUTION,
    TinyExecutable,
    TinyPackage,
    compiled_tflite,
    options_bytes,
    package_bytes,
)

PEAK_OF_BOTH = """
import sys
from pathlib import Path
from edgescale.cli.inspect_file import file_record, read_file
from edgescale.edgetpu.lint import lint_file
from edgescale.errors import EdgescaleError

path = Path(sys.argv[1])
for verb in (lambda: file_record(read_file(path)), lambda: lint_file(path)):
    try:
        verb()
    except EdgescaleError as refusal:
        print(refusal)
peak = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
print(int(peak.split()[1]) * 1024 // 10**6)
"""


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(content)
    return path


def ends_of(inputs: int, *, scales: int = 1, name: str = "image") -> bytes:
    """Returns a model that names one tensor as its input again and again."""
    model = Model()
    image = model.tensor(name, [1, 4], scales=[0.5] * scales)
    scores = model.tensor("scores", [1, 4], scales=[0.5])
    model.operator("SOFTMAX", [image], [scores])
    model.graph.inputs, model.graph.outputs = [image] * inputs, [scores]
    return model.content


def heavy(kind: str, size_bytes: int) -> bytes:
    if kind == "compiled":
        program = TinyExecutable(EXECUTION, size_bytes)
        return compiled_tflite(options_bytes(package_bytes(TinyPackage((program,)))))
    model = Model()
    image = model.tensor("image", [1, 4, 4, 64], scales=[0.5])
    pool = model.tensor("pool", [1, 64], scales=[0.5])
    data = np.ones(size_bytes, np.int8)
    axes = model.tensor("axes", [size_bytes], scales=[0.5], data=data)
    model.operator("MEAN", [image, axes], [pool])
    model.graph.inputs, model.graph.outputs = [image], [pool]
    return model.content


def test_a_file_larger_than_any_model_for_the_chip_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, tiny_model())
    with path.open("r+b") as file:
        file.truncate(model_bytes.LARGEST_FILE_BYTES + 1)  # a hole, which takes no room
    with pytest.raises(ModelFileError, match="more than the 256 MiB") as refusal:
        read_graphs(path)
    assert "convert it" in str(refusal.value)


@pytest.mark.parametrize("kind", ["compiled", "axes of one byte"])
def test_a_large_file_is_held_once_in_memory(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, heavy(kind, 60_000_000))
    run = subprocess.run(
        [sys.executable, "-c", PEAK_OF_BOTH, str(path)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert int(run.stdout.splitlines()[-1]) < 60 + 60


def test_an_input_named_a_thousand_times_is_refused(tmp_path: Path) -> None:
    assert len(read_graphs(written(tmp_path, ends_of(3)))[0].inputs) == 3
    with pytest.raises(ModelFileError, match="1001 inputs or outputs"):
        read_graphs(written(tmp_path, ends_of(1001)))


def test_scales_of_an_input_count_as_often_as_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="scales and connections, more than the 1000000"):
        read_graphs(written(tmp_path, ends_of(900, scales=1_000)))


def test_names_of_inputs_count_as_often_as_they_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, ends_of(900, name="n" * 1_000))
    with pytest.raises(ModelFileError, match="bytes of names"):
        read_graphs(path)
    path = written(tmp_path, ends_of(2, name="n" * 400))
    assert len(json.dumps(file_record(read_file(path)))) < 3 * path.stat().st_size


def test_names_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, tiny_model())
    read_graphs(path)
    monkeypatch.setattr(flatbuffer, "MOST_NAME_BYTES", 20)
    with pytest.raises(ModelFileError, match="bytes of names, more than the 20"):
        read_graphs(path)


def test_dense_weights_that_many_layers_share_are_named_once(tmp_path: Path) -> None:
    model = Model()
    maps = [model.tensor(f"map {i}", [1, 4], scales=[0.5]) for i in range(9)]
    dense = model.tensor("dense", [4, 4], scales=[0.5] * 4, data=np.ones(16, np.int8))
    for source, target in pairwise(maps):
        model.operator("FULLY_CONNECTED", [source, dense], [target])
    model.graph.inputs, model.graph.outputs = maps[:1], maps[-1:]
    found = read_file(written(tmp_path, model.content)).model
    assert (found.per_channel_dense, found.macs) == (("dense",), 8 * 16)


def test_a_constant_of_millions_of_numbers_is_not_turned_into_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model()
    image, scores = (model.tensor(name, [1, 4], scales=[0.5]) for name in ("image", "scores"))
    axes = model.tensor("axes", [3], INT32, data=np.arange(3, dtype=np.int32))
    model.operator("MEAN", [image, axes], [scores])
    model.graph.inputs, model.graph.outputs = [image], [scores]
    constant = read_graphs(written(tmp_path, model.content))[0].tensors[axes]
    assert constant.values() == (0, 1, 2)
    monkeypatch.setattr(flatbuffer, "MOST_VALUES", 2)
    assert constant.values() == ()
