"""Where the compiler's command comes from, and what may be told to it."""

import sys
from pathlib import Path

import pytest

from edgescale.edgetpu.compiler_command import (
    HOW_TO_GET_IT,
    CompilerCommand,
    find_compiler,
    split_others,
)
from edgescale.errors import CompilerFailed, CompilerNotFound, CompilerUnusable

VARIABLE = "EDGESCALE_EDGETPU_COMPILER"


def program(folder: Path, name: str = "edgetpu_compiler") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_flag_beats_the_environment_which_beats_path(tmp_path: Path) -> None:
    found = program(tmp_path / "on the path")
    environment = {"PATH": str(found.parent), VARIABLE: f"'{program(tmp_path, 'mine')}' --x"}
    flag = str(program(tmp_path, "flag"))
    assert find_compiler(flag, environment).words == (flag,)
    assert find_compiler(None, environment).words == (str(tmp_path / "mine"), "--x")
    assert find_compiler(None, environment | {VARIABLE: " "}).words == (str(found),)


def test_quotes_and_spaces_are_a_shells_and_no_shell_sees_them(tmp_path: Path) -> None:
    path = program(tmp_path / "a b", "it's")
    command = find_compiler(f"\"{path}\" run -v {{workdir}}:/work '$(touch x); *'", {})
    assert command.words == (str(path), "run", "-v", "{workdir}:/work", "$(touch x); *")
    folder = Path("/tmp/x y{z}")
    assert command.in_folder(folder)[2:4] == ["-v", "/tmp/x y{z}:/work"]


def test_a_relative_program_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "mine")
    monkeypatch.chdir(tmp_path)
    assert find_compiler("./mine", {}).words == (str(tmp_path / "mine"),)
    program(tmp_path)
    assert find_compiler(None, {"PATH": "."}).words == (str(tmp_path / "edgetpu_compiler"),)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param("'unclosed", "is no command", id="an open quote"),
        pytest.param("", "names no command", id="nothing"),
        pytest.param("''", "names no command", id="an empty word"),
        pytest.param("/no/such/program", "no program '/no/such/program'", id="no program"),
        pytest.param("a\0b", "names no command", id="a NUL"),
    ],
)
def test_what_is_no_command_is_refused(command: str, said: str) -> None:
    with pytest.raises(CompilerUnusable, match=said):
        find_compiler(command, {})


def test_a_container_that_is_given_no_folder_is_refused(tmp_path: Path) -> None:
    docker = program(tmp_path, "docker")
    with pytest.raises(CompilerUnusable, match=r"mounts the folder.*add -v \{workdir\}:/work"):
        find_compiler(f"{docker} run --rm IMAGE edgetpu_compiler", {})
    assert find_compiler(f"{docker} run -v {{workdir}}:/w -w /w IMAGE x", {}).words[1] == "run"


def test_absent_it_says_so_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        CompilerNotFound, match=f"not on PATH, and neither --compiler nor {VARIABLE}"
    ) as absent:
        find_compiler(None, {"PATH": str(tmp_path)})
    assert not isinstance(absent.value, CompilerUnusable)
    for way in ("apt-get install edgetpu-compiler", "x86-64", "docker run", "{workdir}", "Colab"):
        assert way in HOW_TO_GET_IT


@pytest.mark.parametrize(
    "text", ["", "-a", "-aa", "-a -i one,two", "--enable_multiple_subgraphs", "-aaa -i=x",
             "--intermediate_tensors=a:0;b", "--intermediate_tensors a/b"]
)  # fmt: skip
def test_other_options_go_on_as_they_are(text: str) -> None:
    assert split_others(text) == tuple(text.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("-o x", "-o (--out_dir) cannot be set here", id="-o"),
        pytest.param("-s", "always asks for it", id="-s"),
        pytest.param("-as", "always asks for it", id="-s among others"),
        pytest.param("-ox", "give --out", id="-o with its value"),
        pytest.param("--out_dir=/etc", "give --out", id="--out_dir"),
        pytest.param("--out-dir=/etc", "give --out", id="--out-dir"),
        pytest.param("--out", "give --out", id="shortened"),
        pytest.param("-n 2", "whole models, not segments", id="-n"),
        pytest.param("--num_segments=2", "whole models, not segments", id="--num_segments"),
        pytest.param("-m 12", "give --min-runtime-version", id="-m"),
        pytest.param("-t 9", "give --timeout", id="-t"),
        pytest.param("-d", "give --search-delegate", id="-d"),
        pytest.param("other.tflite", "would be read as one more model", id="a model"),
        pytest.param("-i a b", "would be read as one more model", id="a model after -i"),
        pytest.param("'", "cannot be split", id="an open quote"),
        pytest.param("--", "would be read as one more model", id="an end of options"),
        pytest.param("-", "would be read as one more model", id="stdin"),
        pytest.param("-i", "-i needs the names of tensors", id="-i, which takes the model"),
        pytest.param("-a -i -a", "-i needs the names of tensors", id="-i, which takes an option"),
        pytest.param("--intermediate_tensors=", "needs the names of tensors", id="an empty value"),
        pytest.param("--flagfile=/etc/x", "not known to be harmless; only", id="a flag file"),
        pytest.param("--o", "not known to be harmless", id="one letter"),
        pytest.param("--enable", "not known to be harmless", id="a shortened one of theirs"),
        pytest.param("-ia", "not known to be harmless", id="-i with its value"),
        pytest.param("-a " * 51, "more than 50 words", id="many"),
        pytest.param("-i " + "x" * 1001, "more than 1000 characters", id="a long one"),
    ],
)
def test_what_edgescale_sets_itself_is_refused(text: str, said: str) -> None:
    with pytest.raises(CompilerFailed) as refusal:
        split_others(text)
    assert said in str(refusal.value)


def test_a_command_without_a_folder_stays_as_it_is() -> None:
    command = CompilerCommand((sys.executable, "-m", "x"), "PATH")
    assert command.in_folder(Path("/tmp")) == [sys.executable, "-m", "x"]
