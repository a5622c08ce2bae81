"""``edgescale inspect FILE --device``: what is predicted of a file before it is compiled."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgescale.cli.inspect import command
from edgescale.edgetpu.latency import predict
from edgescale.edgetpu.model_file import read_model_file
from edgescale.errors import DeviceError, ModelFileError
from tests.planted_faults import DEPTHWISE, sound_model
from tests.tiny_models import Tiny, tiny_family, tiny_model
from tests.tiny_packages import compiled_tflite, options_bytes, package_bytes


def run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [str(path), *arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model())
    return path


def test_predicts_a_file_on_each_device(model: Path) -> None:
    done = run(model, "--device", "usb3,dev-board", "--device", "m2")
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("model.tflite ")]
    expected = predict(read_model_file(model).layers, "usb3")
    assert [row[1] for row in rows] == ["usb3", "dev-board", "m2"]
    assert rows[0][2] == f"{expected.latency_ms:.1f}"
    assert "predicted from 6 published networks on Coral Dev Board" in done.stdout


def test_the_record_holds_the_layers_where_asked_for(model: Path) -> None:
    plain = json.loads(run(model, "--device", "usb3", "--json").stdout)["latencies"]
    long = json.loads(run(model, "--device", "usb3", "--json", "--layers").stdout)["latencies"]
    assert plain[0]["latency_kind"] == "predicted"
    assert "layers" not in plain[0]["predicted"]
    assert len(long[0]["predicted"]["layers"]) == len(read_model_file(model).layers)
    assert json.loads(run(model, "--json").stdout)["latencies"] == []


def test_what_would_run_on_the_cpu_is_not_predicted(model: Path) -> None:
    model.write_bytes(tiny_model(Tiny(per_channel=True)))
    done = run(model, "--device", "usb3")
    assert isinstance(done.exception, ModelFileError)
    assert "FULLY_CONNECTED" in str(done.exception)
    assert "edgescale lint" in str(done.exception)


def test_a_compiled_file_hides_its_layers(tmp_path: Path) -> None:
    path = tmp_path / "model_edgetpu.tflite"
    path.write_bytes(compiled_tflite(options_bytes(package_bytes())))
    done = run(path, "--device", "usb3")
    assert isinstance(done.exception, ModelFileError)
    assert "was compiled from" in str(done.exception)


@pytest.mark.parametrize(
    ("devices", "complaint"),
    [
        pytest.param("usb3,usb3-x86", "twice; name it once", id="one device by two names"),
        pytest.param(",", "--device names nothing", id="an empty list"),
    ],
)
def test_a_list_of_devices_is_read_as_in_plan(model: Path, devices: str, complaint: str) -> None:
    done = run(model, "--device", devices)
    assert done.exit_code == 2
    assert complaint in done.output


def test_a_file_name_cannot_steer_the_terminal(model: Path) -> None:
    named = model.rename(model.with_name("a\x07b.tflite"))
    done = run(named, "--device", "usb3")
    assert done.exit_code == 0, done.output
    assert "\x07" not in done.stdout


def test_unknown_devices_and_families_are_refused(model: Path, tmp_path: Path) -> None:
    assert isinstance(run(model, "--device", "usb4").exception, DeviceError)
    tiny_family(tmp_path / "family")
    done = run(tmp_path / "family", "--device", "usb3")
    assert done.exit_code == 2
    assert "--device is for a .tflite file" in done.output


def test_layers_of_one_device_show_where_the_time_goes(model: Path) -> None:
    done = run(model, "--device", "usb3", "--layers")
    assert "link, input, output, instructions" in done.stdout
    assert "link, input, output, instructions" not in run(model, "--device", "usb3").stdout


def test_swish_is_not_predicted_although_it_maps(model: Path) -> None:
    faulty = sound_model()
    gate = faulty.tensor("gate", [1, 8, 8, 16], scales=[1 / 256], zero=-128)
    faulty.replace(3, "MUL", [DEPTHWISE, gate], version=2)
    faulty.operator("LOGISTIC", [DEPTHWISE], [gate], at=3, version=2)
    model.write_bytes(faulty.content)
    done = run(model, "--device", "usb3")
    assert isinstance(done.exception, ModelFileError)
    assert "networks without such layers (swish: " in str(done.exception)
    model.write_bytes(sound_model().content)
    assert run(model, "--device", "usb3").exit_code == 0
