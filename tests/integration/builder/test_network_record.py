"""JSON to Keras and back: the same record, the same digest, in every process."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.architecture.baseline import Baseline, find_baseline
from edgescale.architecture.block import parse_block
from edgescale.architecture.record import architecture_from_dict
from edgescale.builder.network import export_model, scoring_model
from edgescale.builder.network_record import architecture_of, macs_of
from edgescale.builder.tensorflow_setup import import_tensorflow
from edgescale.errors import BuildError
from edgescale.scaling.variant import scale

pytestmark = pytest.mark.tensorflow

OWN = Baseline(
    "own",
    8,
    (parse_block("r1_k3_s11_e4_i8_o8_c1_noskip"), parse_block("r2_k5_s22_e3_i8_o20")),
    40,
    4,
    40,
    "relu6",
)
SMALL = [
    replace(find_baseline(name), resolution=64)
    for name in ("efficientnet-edgetpu", "efficientnet-lite")
]


@pytest.mark.parametrize("phi", [-1, 0, 1])
@pytest.mark.parametrize("baseline", [*SMALL, OWN], ids=lambda baseline: baseline.name)
def test_json_to_keras_to_json_is_a_fixed_point(baseline: Baseline, phi: float) -> None:
    text = json.dumps(scale(baseline, phi, classes=10).architecture.to_dict())
    written = architecture_from_dict(json.loads(text))
    model = export_model(written)
    read = architecture_of(model, written.blocks)
    assert json.dumps(read.to_dict()) == text
    assert read.digest == written.digest
    assert macs_of(model) == sum(layer.macs for layer in read.layers)


def test_a_changed_model_is_another_record() -> None:
    architecture = scale(OWN, 0, classes=10).architecture
    wider = replace(OWN, blocks=(OWN.blocks[0], replace(OWN.blocks[1], output_filters=24)))
    model = scoring_model(scale(wider, 0, classes=10).architecture)
    assert architecture_of(model, architecture.blocks).digest != architecture.digest


@pytest.mark.parametrize(
    ("block", "declared"),
    [
        ("r3_k5_s22_e3_i8_o20", "r2_k5_s22_e3_i8_o20"),
        ("r2_k3_s22_e3_i8_o20", "r2_k5_s22_e3_i8_o20"),
        ("r2_k5_s11_e3_i8_o20", "r2_k5_s22_e3_i8_o20"),
        ("r2_k5_s22_e4_i8_o20", "r2_k5_s22_e3_i8_o20"),
        ("r2_k5_s22_e1_i8_o20", "r2_k5_s22_e3_i8_o20"),
        ("r2_k5_s22_e3_i8_o20_c1", "r2_k5_s22_e3_i8_o20"),
        ("r2_k5_s22_e3_i8_o20_noskip", "r2_k5_s22_e3_i8_o20"),
        ("r2_k5_s22_e3_i8_o20", "r2_k5_s22_e3_i8_o20_noskip"),
    ],
)
def test_all_but_the_declared_width_is_read_from_the_model(block: str, declared: str) -> None:
    baseline = replace(OWN, blocks=(OWN.blocks[0], parse_block(block)))
    built = scale(baseline, 0, classes=10).architecture
    told = (OWN.blocks[0], parse_block(declared))
    assert architecture_of(export_model(built), told) == built


def test_a_model_that_is_no_stages_of_equal_blocks_is_refused() -> None:
    built = scale(OWN, 0, classes=10).architecture
    changed = tuple(
        replace(layer, activation="none") if layer.name == "block1_1_depthwise" else layer
        for layer in built.layers
    )
    model = export_model(replace(built, layers=changed))
    with pytest.raises(BuildError, match="not stages of equal blocks"):
        architecture_of(model, built.blocks)
    with pytest.raises(BuildError, match="more stages than the record's 1"):
        architecture_of(export_model(built), built.blocks[:1])


def test_a_layer_that_no_record_has_is_refused() -> None:
    _, keras = import_tensorflow()
    image = keras.Input((8, 8, 3), name="input")
    model = keras.Model(image, keras.layers.MaxPooling2D(2, name="pool")(image))
    with pytest.raises(BuildError, match="layer 'pool': no record describes a Keras MaxPooling2D"):
        architecture_of(model, ())


PROGRAM = """
from edgescale.builder.network import export_model
from edgescale.builder.network_record import architecture_of
from edgescale.architecture.record import architecture_from_dict
import json, sys
written = architecture_from_dict(json.loads(sys.stdin.read()))
print(architecture_of(export_model(written), written.blocks).digest)
"""


def test_another_process_reads_the_same_digest() -> None:
    architecture = scale(OWN, 1, classes=10).architecture
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(architecture.to_dict()),
        env={**os.environ, "PYTHONHASHSEED": "7"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split()[-1] == architecture.digest
