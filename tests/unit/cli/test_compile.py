"""The verb ``compile`` on a file, on a family, and where there is no compiler."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edgescale.cli import main
from edgescale.family.store import load_family
from tests.compiler_scenes import INTERNAL, PART, Scene, twin
from tests.tiny_models import Tiny, tiny_family, tiny_model, tiny_record

VARIABLE = "EDGESCALE_EDGETPU_COMPILER"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "naïve model.tflite"
    path.write_bytes(tiny_model())
    return path


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = Scene(tmp_path / "a scene")
    monkeypatch.setenv(VARIABLE, scene.command)
    return scene


def status(*arguments: Path | str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["compile", *map(str, arguments)])
    return int(end.value.code or 0)


def test_a_file_gets_its_twin_and_log_beside_it(
    scene: Scene, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(model) == 0
    text = capsys.readouterr().out
    target = model.with_name("naïve model_edgetpu.tflite")
    assert target.read_bytes() == twin()
    assert "Total number of operations: 2" in target.with_suffix(".log").read_text()
    assert "wholly mapped: 2 operators on the Edge TPU, 0 on the CPU" in text
    assert "0.00 MiB (192 bytes)" in text
    assert "7.67MiB (as the compiler prints it)" in text
    assert "16.0.384591198" in text
    assert scene.calls()[0]["files"] == ["model.tflite"]
    assert sorted(path.name for path in model.parent.iterdir()) == sorted(
        ["a scene", model.name, target.name, "naïve model_edgetpu.log"])  # fmt: skip


def test_json_holds_every_attempt(
    scene: Scene, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.runs = [INTERNAL, scene.success(PART)]
    assert status(model, "--allow-partial", "--json", "--compiler", scene.command) == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (record["mapping"], record["ops_on_edgetpu"], record["ops_on_cpu"]) == (
        "partly mapped", 1, 1)  # fmt: skip
    assert record["operators_on_cpu"][0]["name"] == "SOFTMAX"
    assert [one["trouble"] is None for one in record["attempts"]] == [False, True]
    assert record["on_chip_memory_used_bytes"] == 192
    assert record["options"] == []
    assert record["compiler_said"] == {
        "compile_ms": 1524, "input_size": "1.00KiB", "output_size": "2.00KiB",
        "on_chip_available": None, "on_chip_used": "192.00B", "on_chip_remaining": "7.67MiB",
        "off_chip": "64.00B",
    }  # fmt: skip


def test_without_a_compiler_it_says_how_to_get_one_and_ends_in_1(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert status(model) == 1
    said = capsys.readouterr()
    assert "sudo apt-get install edgetpu-compiler" in said.err
    assert "Without it all else works" in said.err
    assert "error: edgetpu_compiler is not on PATH" in said.err
    assert said.out == ""
    broken = tmp_path / "edgetpu_compiler"
    broken.write_text("no program")
    broken.chmod(0o755)
    for more in ([], ["--compiler", "'"], ["--compiler", "/no/such"]):
        assert status(model, *more) == 1
        assert "apt-get" not in capsys.readouterr().err


def test_a_wrong_path_is_told_before_any_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, compiled = tmp_path / "photo.jpg", tmp_path / "x_edgetpu.tflite"
    photo.write_bytes(b"JFIF" * 8)
    compiled.write_bytes(twin())
    for path in (tmp_path / "none.tflite", tmp_path, photo, compiled):
        assert status(path) == 1
    said = capsys.readouterr().err
    assert "none.tflite: is not there" in said
    assert "no manifest.json here" in said
    assert "photo.jpg: not a TFLite model" in said
    assert "x_edgetpu.tflite: is compiled already" in said
    assert "apt-get" not in said
    assert sorted(tmp_path.iterdir()) == [photo, compiled]


def test_a_place_that_cannot_be_written_is_told_before_the_compiler_runs(
    scene: Scene, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert status(model, "--compiler", scene.command) == 1
    assert "cannot be written; name a place with --out" in capsys.readouterr().err
    assert not model.with_name("naïve model_edgetpu.failed.log").exists()


def test_a_failure_names_the_log_and_leaves_no_model(
    scene: Scene, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.runs = [scene.success(PART)]
    assert status(model, "--compiler", scene.command) == 1
    log = model.with_name("naïve model_edgetpu.failed.log")
    said = capsys.readouterr().err
    assert "1 of 2 operators stay on the CPU: 1 SOFTMAX: More than one subgraph" in said
    assert f"all it said is in {log}" in said
    assert "Operator" in log.read_text()
    assert not model.with_name("naïve model_edgetpu.tflite").exists()


def test_only_what_a_compiler_wrote_is_replaced(
    scene: Scene, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "x_edgetpu.tflite"
    target.write_bytes(b"mine")
    assert status(model, "--out", target) == 1
    assert target.read_bytes() == b"mine"
    target.write_bytes(twin(min_runtime=10))
    target.with_suffix(".log").write_text("my diary")
    assert status(model, "--out", target) == 1
    assert target.with_suffix(".log").read_text() == "my diary"
    target.with_suffix(".log").write_text("Edge TPU Compiler version 15\n")
    assert status(model, "--out", target) == 0
    assert target.read_bytes() == twin()
    assert status(model, "--out", model) == 1
    assert status(model, "--out", tmp_path / "none" / "x.tflite") == 1
    assert status(model, "--out", tmp_path / "x.bin") == 1
    said = capsys.readouterr().err
    for text in ("is no compiled model, so it is not replaced", "is no log of the compiler",
                 "is the model itself", "there is no folder", "name it so"):  # fmt: skip
        assert text in said
    assert model.read_bytes() == tiny_model()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(("--compiler-args", "-n 2"), 1, "whole models, not segments", id="segments"),
        pytest.param(("--min-runtime-version", "9"), 2, "10<=x<=14", id="a runtime of old"),
        pytest.param(("--delegate-search-step", "5"), 2, "needs --search-delegate", id="a step"),
        pytest.param(("--timeout", "0"), 2, "1<=x", id="no time"),
    ],
)
def test_wrong_options_are_told(
    scene: Scene, model: Path, arguments: tuple[str, ...], code: int, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert status(model, *arguments) == code
    assert said in capsys.readouterr().err
    assert scene.calls() == []


def test_a_family_keeps_what_compiled_and_says_why_the_rest_did_not(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "family"
    tiny_family(folder, tiny_record(folder, "good"),
                tiny_record(folder, "bad", Tiny(per_channel=True)))  # fmt: skip
    assert status(folder, "--out", tmp_path / "x.tflite") == 2
    assert status(folder / "manifest.json") == 1
    text = capsys.readouterr().out
    assert "bad: not compiled, because it would not be mapped wholly" in text
    assert "all it said" not in text
    good, bad = load_family(folder).manifest.variants
    assert good.compilation is not None
    assert (bad.compiled, bad.compilation) == (None, None)
    assert status(folder, "--json") == 1
    states = [one["state"] for one in json.loads(capsys.readouterr().out)["variants"]]
    assert states == ["kept", "failed"]
    assert len(scene.calls()) == 1


def test_a_variant_on_which_the_compiler_fails_has_its_attempts_and_a_log(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "family"
    tiny_family(folder, tiny_record(folder, "v0"))
    scene.runs = [INTERNAL]
    assert status(folder, "--compiler", scene.command) == 1
    text = capsys.readouterr().out
    log = folder / ".build" / "v0" / "compile.log"
    assert text.splitlines()[1].split() == ["v0", "failed", "no", *"-----", "5"]
    assert f"all it said is in {log}" in text
    assert "attempt 5 of 5, options: -d -k 10" in log.read_text()
    assert status(folder, "--compiler", scene.command, "--json") == 1
    (one,) = json.loads(capsys.readouterr().out)["variants"]
    assert (one["attempts"], one["log"]) == (5, str(log))
    assert one["took_s"] > 0


def test_what_a_compiler_prints_cannot_steer_the_terminal(
    scene: Scene, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.runs = [scene.success(stderr="\x1b[2Jevil\n")]
    assert status(model, "--compiler", scene.command) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[2Jevil" in out
