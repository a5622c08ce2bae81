"""The verb: what it prints, what it returns, for a file, several files and a family."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgescale.cli.lint import command
from edgescale.errors import ModelFileError
from edgescale.inference.runtime import PROBE_MODEL
from tests.planted_faults import faulty_model, sound_model
from tests.tiny_models import Tiny, tiny_family, tiny_model, tiny_record


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.tflite"
    path.write_bytes(sound_model().content)
    return path


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = tmp_path / "faulty.tflite"
    path.write_bytes(faulty_model("HARD_SWISH"))
    return path


def test_a_sound_file_is_clean_and_ends_with_0(sound: Path) -> None:
    result = run(sound)
    assert result.exit_code == 0
    assert result.stdout == (
        f"{sound}: clean; 8 of 8 operators should map to the Edge TPU, 0 to the CPU\n"
    )


def test_a_fault_shows_the_cut_the_place_and_the_mend_and_ends_with_1(faulty: Path) -> None:
    result = run(faulty)
    assert result.exit_code == 1
    verdict, cut, finding, mend = result.stdout.splitlines()
    assert verdict.endswith("1 error, 0 warnings; 3 of 8 operators should map to the Edge TPU,"
                            " 5 to the CPU")  # fmt: skip
    assert cut == "first cut: operator 3 HARD_SWISH ('sum')"
    assert finding.startswith("error: unsupported-operator: operator 3 HARD_SWISH ('sum'): ")
    assert mend == "    mend: use RELU6 in its place and train again"


def test_json_has_findings_and_counts(faulty: Path) -> None:
    record = json.loads(run(faulty, "--json").stdout)
    assert list(record)[:2] == ["schema_version", "file"]
    assert record["findings"][0]["rule"] == "unsupported-operator"
    assert set(record["findings"][0]) == {"rule", "level", "where", "what", "mend"}
    assert record["counts"] == {
        "errors": 1, "warnings": 0, "operators_on_edgetpu": 3, "operators_on_cpu": 5,
    }  # fmt: skip
    assert record["first_cut"].startswith("operator 3")
    assert record["fully_mapped"] is False


def test_an_infinite_scale_is_json_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(faulty_model("infinite scale"))
    assert "inf" in json.loads(run(path, "--json").stdout)["findings"][0]["what"]


def test_warnings_are_errors_only_when_asked(tmp_path: Path) -> None:
    model = sound_model()
    model.graph.tensors[0].shape = [1, 18, 18, 3]
    model.graph.tensors[1].shape = [1, 18, 18, 3]
    path = tmp_path / "model.tflite"
    path.write_bytes(model.content)
    assert "warning: resolution-off-grid" in run(path).stdout
    assert run(path).exit_code == 0
    assert run(path, "--strict").exit_code == 1


def test_several_files_are_all_judged(sound: Path, faulty: Path, tmp_path: Path) -> None:
    result = run(sound, tmp_path / "absent.tflite", faulty)
    assert result.exit_code == 1
    assert "error: unsupported-operator" in result.stdout
    assert f"error: {tmp_path / 'absent.tflite'}: cannot be read" in result.stderr
    files = json.loads(run(sound, tmp_path / "absent.tflite", faulty, "--json").stdout)["files"]
    assert [list(item)[1] for item in files] == ["findings", "unreadable", "findings"]
    assert run(sound, PROBE_MODEL).exit_code == 0


@pytest.mark.parametrize("as_json", [pytest.param(False, id="text"), pytest.param(True, id="json")])
def test_a_folder_that_is_no_family_is_told_and_the_others_are_judged(
    as_json: bool, sound: Path, faulty: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder.tflite"
    folder.mkdir()
    result = run(sound, folder, faulty, *(["--json"] if as_json else []))
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    said = f"{folder}: no manifest.json here"
    if as_json:
        files = json.loads(result.stdout)["files"]
        assert [Path(item["file"]) for item in files] == [sound, folder, faulty]
        assert files[1]["unreadable"].startswith(said)
    else:
        assert "clean" in result.stdout
        assert "error: unsupported-operator" in result.stdout
        assert said in result.stderr
    assert isinstance(run(folder).exception, ModelFileError)


def test_a_name_that_no_file_can_have_does_not_stop_the_others(sound: Path) -> None:
    result = run("x" * 5000, sound)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{sound}: clean; ")
    assert "File name too long" in result.stderr


def test_of_a_family_the_uncompiled_models_are_judged(tmp_path: Path) -> None:
    tiny_family(tmp_path, tiny_record(tmp_path, "a"), tiny_record(tmp_path, "b", twin=True))
    result = run(tmp_path, "--json")
    files = json.loads(result.stdout)["files"]
    assert [Path(item["file"]).name for item in files] == ["a.tflite", "b.tflite"]
    assert run(tmp_path / "manifest.json").stdout == run(tmp_path).stdout


def test_a_compiled_file_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model(Tiny(compiled=True)))
    result = run(path)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == f"{path}: already compiled for the Edge TPU"
    assert "lint the model it was compiled from" in result.stdout


def test_one_unreadable_file_is_an_error_of_ours(tmp_path: Path) -> None:
    assert isinstance(run(tmp_path / "absent.tflite").exception, ModelFileError)
    assert run().exit_code == 2


def test_names_in_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    model = sound_model()
    model.graph.tensors[3].name = "\x1b[31mred\n"
    model.code(2).version = 7
    path = tmp_path / "model.tflite"
    path.write_bytes(model.content)
    assert "\x1b" not in run(path).stdout


def test_a_rule_broken_often_is_shown_ten_times(tmp_path: Path) -> None:
    model = sound_model()
    for _ in range(13):
        model.operator("HARD_SWISH", [8], [8])
    path = tmp_path / "model.tflite"
    path.write_bytes(model.content)
    shown = run(path).stdout
    assert shown.count("error: unsupported-operator") == 10
    assert "... and 3 more of unsupported-operator" in shown
