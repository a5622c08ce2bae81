import json
import os
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner

from edgescale.cli.inspect import command
from edgescale.errors import ModelFileError
from edgescale.family.store import save_manifest
from edgescale.inference.runtime import PROBE_MODEL
from tests.tiny_models import Tiny, tiny_family, tiny_model, tiny_record
from tests.tiny_packages import compiled_tflite


def shown(*arguments: object) -> str:
    run = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert run.exit_code == 0, run.output
    return run.stdout


def test_shows_a_family_as_a_table(tmp_path: Path) -> None:
    tiny_family(tmp_path, tiny_record(tmp_path, "a"), tiny_record(tmp_path, "b", twin=True))
    text = shown(tmp_path)
    assert text.startswith("colours: imported, 2 variants, 3 labels (red; green; blue)")
    first, second = (line.split() for line in text.splitlines() if line.startswith(("a ", "b ")))
    assert first[:3] == ["a", "-", "4x4"]
    assert first[-3:] == ["no", "-", "-"]
    assert second[-3:] == ["MiB", "?", "?"]
    assert "b: its compiled file cannot be used (" in text
    assert "a: no accuracy (not evaluated in this test)" in text


def test_labels_cannot_steer_the_terminal(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    save_manifest(tmp_path, replace(family.manifest, labels=("\x1b[31mred", "a\nb", "blue")))
    text = shown(tmp_path)
    assert "\x1b" not in text
    assert "\N{REPLACEMENT CHARACTER}[31mred; a\N{REPLACEMENT CHARACTER}b" in text


def test_shows_a_family_as_json(tmp_path: Path) -> None:
    family = tiny_family(tmp_path)
    record = json.loads(shown(tmp_path, "--json"))
    assert record["edgetpu"] == {}
    assert record["folder"] == str(tmp_path)
    assert record["variants"][0]["macs"] == family.manifest.variants[0].macs
    assert record["labels"] == ["red", "green", "blue"]


def test_shows_a_model_file(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model(Tiny(per_channel=True)))
    text = shown(path)
    assert "compiled for the Edge TPU  no" in text
    assert "image uint8 1x4x4x3, scale 0.0078125, zero point 0" in text
    assert [line.split() for line in text.splitlines()[-2:]] == [
        ["FULLY_CONNECTED", "1", "1"], ["SOFTMAX", "1", "1"]
    ]  # fmt: skip
    assert "per-channel dense weights" in text
    record = json.loads(shown(path, "--json"))
    assert (record["schema_version"], record["macs"], record["compiled"]) == (1, 144, False)
    assert record["inputs"][0]["shape"] == [1, 4, 4, 3]
    assert record["operators"][0] == {"name": "FULLY_CONNECTED", "version": 1, "count": 1}


def test_lists_layers_when_asked() -> None:
    text = shown(PROBE_MODEL, "--layers")
    assert [line.split()[0] for line in text.splitlines()[-2:]] == ["conv_0", "add_1"]


def test_layers_show_the_quantisation_of_output_and_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model(Tiny(per_channel=True)))
    dense, softmax = shown(path, "--layers").splitlines()[-2:]
    assert dense.split()[-7:] == ["uint8", "0.0625", "0", "uint8", "per", "channel", "(3)"]
    assert softmax.split()[-4:] == ["uint8", "0.00390625", "0", "-"]
    layer = json.loads(shown(path, "--json"))["layers"][0]
    assert (layer["dtype"], layer["scale"], layer["zero_point"]) == ("uint8", 1 / 16, 0)
    assert (layer["weights_dtype"], layer["weight_scales"]) == ("uint8", 3)


def test_a_number_that_json_cannot_carry_is_null(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(compiled_tflite(b"no package", name="mine", zero_point=2**60))
    assert json.loads(shown(path, "--json"))["inputs"][0]["zero_points"] == [None]
    assert f"zero point {2**60}" in shown(path)


def test_a_long_name_keeps_its_table_narrow(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(compiled_tflite(b"no package", name="n\x1b" * 400))
    text = shown(path)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines()[1:])) < 90
    assert len(json.loads(shown(path, "--json"))["operators"][0]["name"]) == 800


def test_a_file_that_is_no_model_is_our_error(tmp_path: Path) -> None:
    run = CliRunner().invoke(command, [str(tmp_path / "absent.tflite")])
    assert isinstance(run.exception, ModelFileError)


def test_layers_of_a_family_are_wrong_usage(tmp_path: Path) -> None:
    tiny_family(tmp_path)
    run = CliRunner().invoke(command, [str(tmp_path), "--layers"])
    assert run.exit_code == 2
    assert "--layers is for a .tflite file" in run.output


def test_half_a_character_in_a_label_is_printed_as_json(tmp_path: Path) -> None:
    tiny_family(tmp_path)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"red"', '"\\ud800"'))
    assert json.loads(shown(tmp_path, "--json"))["labels"][0] == "\ud800"
    assert "\N{REPLACEMENT CHARACTER}; green" in shown(tmp_path)


def test_a_path_the_system_refuses_is_our_error() -> None:
    run = CliRunner().invoke(command, ["n" * 300])
    assert isinstance(run.exception, ModelFileError)
    assert "File name too long" in str(run.exception)


def test_a_name_that_is_not_utf8_is_printable(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/m\xff.tflite"))
    path.write_bytes(tiny_model())
    assert "m\N{REPLACEMENT CHARACTER}.tflite" in shown(path)
