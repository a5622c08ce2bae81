import json
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgescale.cli.import_models import command
from edgescale.errors import DataError
from edgescale.inference import import_models
from tests.tiny_models import COLOURS, Tiny, tiny_model


def given(folder: Path) -> list[str]:
    (folder / "a.tflite").write_bytes(tiny_model(Tiny(background=True)))
    (folder / "a_edgetpu.tflite").write_bytes(tiny_model(Tiny(background=True, compiled=True)))
    (folder / "labels.txt").write_text("\n".join(COLOURS))
    return [str(folder / "a.tflite"), str(folder / "a_edgetpu.tflite")]


def test_imports_and_prints_the_family(tmp_path: Path) -> None:
    out = tmp_path / "family"
    options = ["--labels", str(tmp_path / "labels.txt"), "--label-offset", "1", "-o", str(out)]
    files = given(tmp_path)
    run = CliRunner().invoke(command, [*files, *options, "--crop", "1", "--std", "2", "--json"])
    assert run.exit_code == 0, run.output
    variant = json.loads(run.stdout)["variants"][0]
    assert variant["label_offset"] == 1
    assert variant["compiled"]["path"] == "models/a_edgetpu.tflite"
    assert (variant["preparation"]["crop_fraction"], variant["preparation"]["std"]) == (1, 2)
    again = CliRunner().invoke(command, [*files, *options])
    assert again.stdout.startswith("family: imported, 1 variants, 3 labels")


def test_without_labels_it_is_a_usage_error_and_wrong_ones_are_ours(tmp_path: Path) -> None:
    files = given(tmp_path)
    out = ["-o", str(tmp_path / "family")]
    assert CliRunner().invoke(command, [*files, *out]).exit_code == 2
    run = CliRunner().invoke(command, [*files, "--labels", str(tmp_path / "absent"), *out])
    assert isinstance(run.exception, DataError)
    assert not (tmp_path / "family").exists()


@pytest.mark.parametrize(
    "option", ["--mean=nan", "--mean=inf", "--mean=1e308", "--std=nan", "--std=inf", "--crop=nan"]
)
def test_numbers_that_are_none_are_wrong_usage(tmp_path: Path, option: str) -> None:
    options = ["--labels", str(tmp_path / "labels.txt"), "-o", str(tmp_path / "family")]
    run = CliRunner().invoke(command, [*given(tmp_path), *options, option])
    assert run.exit_code == 2, run.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_models_are_tried_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def tried(*_: object) -> None:
        assert list(tmp_path.glob(".family.*.part"))
        signal.raise_signal(number)

    monkeypatch.setattr(import_models, "_tried", tried)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    options = ["--labels", str(tmp_path / "labels.txt"), "-o", str(tmp_path / "family")]
    run = CliRunner().invoke(command, [*given(tmp_path), *options, "--label-offset=1"])
    assert run.exit_code == 128 + number
    assert not list(tmp_path.glob("*family*"))
