"""The compiler driver against a stand-in: what counts as success, and what is tried again."""

import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgescale.edgetpu.compiler import Compiled, compile_model, open_compiler
from edgescale.edgetpu.compiler_command import CompilerOptions, find_compiler
from edgescale.errors import CompilerFailed, ModelFileError, PartlyMapped
from tests.compiler_logs import LARGE, PARTIAL, log_file, stdout
from tests.compiler_scenes import INTERNAL, PART, WHOLE, Scene, twin
from tests.tiny_models import Tiny, tiny_model

LARGE_ACTIVATIONS = {"stdout": f"Compilation failed: {LARGE}\nCompilation failed!\n", "status": 1}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "my módel's.tflite"
    path.write_bytes(tiny_model())
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "scene")


def compiled(scene: Scene, model: Path, *, allow_partial: bool = False, **options: Any) -> Compiled:
    return compile_model(
        scene.compiler(), model, CompilerOptions(**options), allow_partial=allow_partial
    )


def test_a_model_is_compiled_under_a_plain_name_in_a_fresh_folder(
    scene: Scene, model: Path
) -> None:
    made = compiled(scene, model)
    facts = made.record("k")
    assert made.content == twin()
    assert (facts.on_chip_memory_used_bytes, facts.off_chip_streaming_bytes) == (192, 64)
    assert (facts.ops_on_edgetpu, facts.ops_on_cpu, facts.min_runtime_version) == (2, 0, 14)
    assert (facts.compiler_version, facts.options) == ("16.0.384591198", ())
    assert made.notes == ()
    assert "Operator" in made.printed
    (call,) = scene.calls()
    assert call["arguments"] == ["-s", "-t", "600", "model.tflite"]
    assert call["files"] == ["model.tflite"]
    assert call["stdin"] == ""
    assert not Path(call["folder"]).exists()


def test_a_container_finds_the_model_wherever_it_mounts_the_folder(
    scene: Scene, model: Path
) -> None:
    """Like ``docker run -v {workdir}:/work -w /work``: it enters the folder by its own way."""
    docker = f'sh -c \'cd / && cd "$0" && exec "$@"\' {{workdir}} {scene.command}'
    compiler = open_compiler(find_compiler(docker, {}))
    assert compile_model(compiler, model, CompilerOptions()).content == twin()
    assert Path(scene.calls()[0]["folder"]).name == "work"


def test_the_known_options_are_passed_on(scene: Scene, model: Path) -> None:
    scene.runs = [scene.success(content=twin(min_runtime=13))]
    made = compiled(scene, model, min_runtime_version=13, search_delegate=True,
                    delegate_search_step=7, timeout_s=60, others=("-a",))  # fmt: skip
    words = ["-m", "13", "-d", "-k", "7", "-a"]
    assert scene.calls()[0]["arguments"] == ["-s", "-t", "60", *words, "model.tflite"]
    assert list(made.options) == words


def test_an_older_compiler_is_not_told_what_it_does_not_know(scene: Scene, model: Path) -> None:
    scene.version = "15.0.340273435"
    made = compiled(scene, model, search_delegate=True, delegate_search_step=7, timeout_s=60)
    assert made.options == ()
    assert scene.calls()[0]["arguments"] == ["-s", "model.tflite"]
    assert [note.split(",")[0] for note in made.notes] == [
        f"compiler 15.0.340273435 has no {option}" for option in ("-d", "-k")
    ]


def success(change: Callable[[str], str]) -> Callable[[Scene], dict[str, Any]]:
    return lambda scene: scene.success(stdout=change(stdout(WHOLE)))


@pytest.mark.parametrize(
    ("run", "said"),
    [
        pytest.param(lambda s: s.success(status=1), "exit status 1", id="exit status"),
        pytest.param(lambda s: s.success(write=None), "wrote no model_edgetpu", id="no file"),
        pytest.param(lambda s: s.success(content=b"junk" * 9), "not a TFLite", id="a junk file"),
        pytest.param(lambda s: s.success(content=b""), "is empty", id="an empty file"),
        pytest.param(
            lambda s: s.success(content=twin()[:-300]), "the compiled file", id="half a file"
        ),
        pytest.param(
            lambda s: s.success(content=tiny_model()), "not compiled|no edgetpu|holds no", id="CPU"
        ),
        pytest.param(
            lambda s: s.success(content=twin(scale=1 / 64)), "other inputs", id="another model"
        ),
        pytest.param(
            lambda s: s.success(content=twin(softmax_on_cpu=True)),
            "leaves 0 operators to the CPU, and the compiled file holds 1", id="cut file",
        ),
        pytest.param(success(lambda t: t.replace("192.00B", "193.00B")),
                     "says 193.00B on-chip, and the compiled file holds 192", id="on-chip"),
        pytest.param(success(lambda t: t.replace(": 64.00B", ": 0.00B")),
                     "says 0.00B off-chip, and the compiled file holds 64", id="off-chip"),
        pytest.param(success(lambda t: t.replace("subgraphs: 1", "subgraphs: 2")),
                     "2 Edge TPU subgraphs", id="subgraphs"),
        pytest.param(success(lambda t: t.replace("model.tflite", "other.tflite")),
                     "report is of 'other.tflite'", id="another report"),
        pytest.param(success(lambda t: t + t[t.index("Input model") :]),
                     "does not stand before|tells of 2", id="two models"),
        pytest.param(success(lambda t: ""), "said nothing about a model", id="silence"),
        pytest.param(success(lambda t: "\0\xff junk\n"), "it said: ", id="junk said"),
        pytest.param(success(lambda t: t.replace("Total number of operations: 2\n", "")),
                     "report is unclear: it lacks: Total", id="a line lost"),
        pytest.param(lambda s: s.success(stdout=stdout(replace(WHOLE, table=())), log=""),
                     "operator table", id="no table"),
        pytest.param(lambda s: s.success(log=log_file(WHOLE).replace("SOFTMAX", "RESHAPE")),
                     "different operator tables", id="two tables"),
        pytest.param(
            lambda s: s.success(stdout=stdout(replace(
                WHOLE, subgraphs=0, on_edgetpu=0, table=(("ADD", 2, "Operation not supported"),)
            )), log=""), "nothing was mapped: 0 of 2", id="nothing mapped, edgetpu#358",
        ),
    ],
)  # fmt: skip
def test_whatever_does_not_agree_is_named_and_is_a_failure(
    scene: Scene, model: Path, run: Callable[[Scene], dict[str, Any]], said: str
) -> None:
    scene.runs = [run(scene)]
    with pytest.raises(CompilerFailed, match=said) as failure:
        compiled(scene, model, allow_partial=True)
    assert "/tmp/" not in str(failure.value)
    assert len(scene.calls()) <= 5


def test_the_table_of_the_log_stands_in_for_that_of_stdout(scene: Scene, model: Path) -> None:
    scene.runs = [scene.success(stdout=stdout(replace(WHOLE, table=())))]
    assert compiled(scene, model).output.verdict.by_table


def test_a_flaky_compiler_is_asked_again_and_each_attempt_is_logged(
    scene: Scene, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    scene.runs = [INTERNAL, {"signal": int(signal.SIGSEGV)}, scene.success()]
    made = compiled(scene, model)
    troubles = [one.trouble.text if one.trouble else None for one in made.attempts]
    assert troubles[0] is not None
    assert "gave up without a reason" in troubles[0]
    assert troubles[1] is not None
    assert "killed by signal 11" in troubles[1]
    assert troubles[2] is None
    assert [message[:18] for message in caplog.messages] == [
        "compile: attempt 1", "compile: attempt 2", "compile: attempt 3"]  # fmt: skip


def test_after_three_internal_errors_a_smaller_part_is_looked_for(
    scene: Scene, model: Path
) -> None:
    scene.runs = [INTERNAL]
    with pytest.raises(CompilerFailed, match="failed in 5 attempts: the compiler gave up"):
        compiled(scene, model)
    told = [call["arguments"][3:-1] for call in scene.calls()]
    assert told == [[], [], [], ["-d", "-k", "30"], ["-d", "-k", "10"]]
    other = Scene(scene.folder / "15", [INTERNAL], version="15.0.340273435")
    with pytest.raises(CompilerFailed, match="in 3 attempts"):
        compiled(other, model)
    assert len(other.calls()) == 3


def test_large_activations_go_straight_to_the_search_and_its_part_is_no_whole(
    scene: Scene, model: Path
) -> None:
    scene.runs = [LARGE_ACTIVATIONS, scene.success(PART)]
    with pytest.raises(PartlyMapped, match=r"does not compile.*of a part 1 of 2 operators") as why:
        compiled(scene, model)
    assert "1 SOFTMAX: More than one subgraph is not supported" in str(why.value)
    assert scene.calls()[1]["arguments"][3:] == ["-d", "-k", "30", "model.tflite"]


def test_a_step_of_the_user_is_made_smaller(scene: Scene, model: Path) -> None:
    scene.runs = [LARGE_ACTIVATIONS]
    with pytest.raises(CompilerFailed, match="failed in 2 attempts"):
        compiled(scene, model, search_delegate=True, delegate_search_step=9)
    assert [call["arguments"][5] for call in scene.calls()] == ["9", "3"]


@pytest.mark.parametrize(
    "text",
    ["Model not quantized", "Model could not be parsed",
     "ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'. An older version"],
)  # fmt: skip
def test_what_is_the_models_fault_is_not_tried_again(scene: Scene, model: Path, text: str) -> None:
    scene.runs = [{"stderr": f"Invalid model: model.tflite\n{text}\n", "status": 1}]
    with pytest.raises(CompilerFailed, match="the compiler failed: "):
        compiled(scene, model)
    assert len(scene.calls()) == 1


def test_a_partial_mapping_fails_unless_it_is_allowed(scene: Scene, model: Path) -> None:
    scene.runs = [scene.success(PART)]
    with pytest.raises(PartlyMapped, match="1 of 2 operators stay on the CPU: 1 SOFTMAX: More"):
        compiled(scene, model)
    made = compiled(scene, model, allow_partial=True)
    assert made.record("k").ops_on_cpu == 1
    assert "lint foretold 2 operators on the Edge TPU and 0 on the CPU" in made.notes[0]
    assert PARTIAL in made.printed


def test_lint_refuses_before_the_compiler_is_asked_and_can_be_overruled(
    scene: Scene, tmp_path: Path
) -> None:
    model = tmp_path / "dense.tflite"
    model.write_bytes(tiny_model(Tiny(per_channel=True)))
    with pytest.raises(PartlyMapped, match=r"not compiled, because.*--allow-partial"):
        compiled(scene, model)
    assert scene.calls() == []
    made = compiled(scene, model, allow_partial=True)
    assert "the compiler made it 2 and 0, and its word counts" in made.notes[0]


def test_a_newer_runtime_than_asked_for_is_a_failure(scene: Scene, model: Path) -> None:
    with pytest.raises(CompilerFailed, match=r"runtime 12 was asked for, and .* needs 14"):
        compiled(scene, model, min_runtime_version=12)


def test_a_compiled_model_is_not_compiled_again(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(twin())
    with pytest.raises(ModelFileError, match="is compiled already"):
        compiled(scene, tmp_path / "x.tflite")


def test_unknown_lines_and_errors_of_a_success_reach_the_user(scene: Scene, model: Path) -> None:
    scene.runs = [scene.success(stderr="ERROR: odd\nUnable to find image\nERROR: odd\n")]
    assert compiled(scene, model).notes == (
        "the compiler said: ERROR: odd",
        "the compiler said something edgescale does not know: Unable to find image",
    )
