import json
from pathlib import Path

from click.testing import CliRunner

from edgescale.cli.import_models import command
from edgescale.errors import DataError
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
