"""What is kept of what the compiler said and wrote: every attempt, and no file but its own."""

from pathlib import Path
from typing import Any

import pytest

from edgescale.edgetpu import compiler_check, compiler_process, compiler_run
from edgescale.edgetpu.compile_file import compile_file, default_target
from edgescale.edgetpu.compiler import compile_model
from edgescale.edgetpu.compiler_command import CompilerOptions
from edgescale.errors import ArtifactError, CompilerFailed
from tests.compiler_scenes import INTERNAL, Scene, twin
from tests.tiny_models import tiny_model

OPTIONS = CompilerOptions(timeout_s=1)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny_model())
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "scene")


def compiled(scene: Scene, model: Path) -> Path:
    target = default_target(model)
    compile_file(scene.compiler(), model, target, options=OPTIONS)
    return target


def test_every_attempt_is_kept_under_its_number_and_options(scene: Scene, model: Path) -> None:
    scene.runs = [
        {"stdout": "the first reason\n", "status": 1}, {"signal": 11}, INTERNAL,
        {"stdout": "the second reason\n", "status": 1}, scene.success(),
    ]  # fmt: skip
    printed = compile_model(scene.compiler(), model, OPTIONS).printed
    heads = [line for line in printed.splitlines() if line.startswith("edgescale compile")]
    assert heads == [
        *(f"edgescale compile, attempt {number} of 5, options: none" for number in (1, 2, 3)),
        *(f"edgescale compile, attempt {number} of 5, options: -d -k {step}"
          for number, step in ((4, 30), (5, 10))),
    ]  # fmt: skip
    for text in ("the first reason", "(it printed nothing)", "Aborting!", "the second reason",
                 "--- exit status 1", "Total number of operations: 2", "--- done"):  # fmt: skip
        assert text in printed


def test_the_name_of_the_folder_is_in_no_reason(scene: Scene, model: Path) -> None:
    scene.runs = [{"say_folder": True, "status": 1}]
    with pytest.raises(CompilerFailed, match=r"it said: in \{workdir\}$"):
        compile_model(scene.compiler(), model, OPTIONS)


def test_a_failure_carries_its_attempts_and_their_time(scene: Scene, model: Path) -> None:
    scene.runs = [INTERNAL]
    with pytest.raises(CompilerFailed) as failure:
        compile_model(scene.compiler(), model, OPTIONS)
    assert failure.value.attempts == 5
    assert failure.value.took_s > 0
    assert failure.value.printed.count("Internal compiler error") == 5


@pytest.mark.parametrize(
    "run", [{"hang": True}, {"signal": 11}, {"status": 125, "stderr": "docker: no image\n"}],
    ids=["hangs", "crashes", "docker"],
)  # fmt: skip
def test_a_failure_without_a_header_does_not_block_the_next_run(
    scene: Scene, model: Path, run: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler_run, "_GRACE_S", 0.0)
    monkeypatch.setattr(compiler_process, "_TERM_PATIENCE_S", 0.1)
    scene.runs = [run]
    failed, log = (model.with_name(f"m_edgetpu.{end}") for end in ("failed.log", "log"))
    for _ in range(2):
        with pytest.raises(CompilerFailed, match=f"all it said is in {failed}"):
            compiled(scene, model)
        assert failed.read_text().startswith("edgescale compile, attempt 1 of ")
        assert not log.exists()
    scene.runs = [scene.success()]
    Path(f"{scene.scenario}.calls").unlink()
    assert compiled(scene, model).read_bytes() == twin()
    assert not failed.exists()
    before = log.read_bytes()
    assert before.startswith(b"edgescale compile, attempt 1 of 1, options: none\nEdge TPU Compiler")
    scene.runs = [{"status": 1}]
    with pytest.raises(CompilerFailed):
        compiled(scene, model)
    assert (failed.exists(), log.read_bytes()) == (True, before)
    assert default_target(model).read_bytes() == twin()


def test_a_log_of_somebody_else_is_not_replaced(scene: Scene, model: Path) -> None:
    mine = model.with_name("m_edgetpu.failed.log")
    mine.write_text("my diary")
    with pytest.raises(ArtifactError, match=r"failed\.log: is there and is no log"):
        compiled(scene, model)
    assert (mine.read_text(), scene.calls()) == ("my diary", [])


@pytest.mark.parametrize("kind", ["links", "pipes"])
@pytest.mark.parametrize("name", ["model_edgetpu.tflite", "model_edgetpu.log"])
def test_what_is_no_plain_file_is_not_read(scene: Scene, model: Path, kind: str, name: str) -> None:
    run = scene.success()
    run.pop("write" if name.endswith("tflite") else "log")
    other = scene.folder / "elsewhere"
    other.write_bytes(twin())
    run[kind] = {name: str(other)} if kind == "links" else [name]
    scene.runs = [run]
    with pytest.raises(CompilerFailed, match=f"{name} is no plain file"):
        compiled(scene, model)


def test_the_very_bytes_that_were_checked_are_kept(
    scene: Scene, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler that writes once more after its file was read changes nothing."""
    check = compiler_check.check_output

    def check_late(content: bytes, *more: Any) -> Any:
        folder = Path(scene.calls()[0]["folder"])
        (folder / "model_edgetpu.tflite").write_bytes(b"junk")
        return check(content, *more)

    monkeypatch.setattr(compiler_run, "check_output", check_late)
    assert compiled(scene, model).read_bytes() == twin()
