"""The command that starts edgetpu_compiler and the options it gets: who may say what.

The command comes from a flag, the environment or PATH, never from a recipe or a manifest, which are
foreign input. It is split like a shell would, and no shell ever sees it.
"""

import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgescale.errors import CompilerFailed, CompilerNotFound, CompilerUnusable
from edgescale.family.compilation import LONGEST_OPTION, MOST_OPTIONS

PROGRAM = "edgetpu_compiler"
VARIABLE = "EDGESCALE_EDGETPU_COMPILER"
WORKDIR = "{workdir}"
DEFAULT_TIMEOUT_S = 600  # the slowest compile of the reference logs took 13 s
_CONTAINERS = ("docker", "podman")  # they see no folder of ours that is not mounted
OLDEST_RUNTIME, NEWEST_RUNTIME = 10, 14  # of --min_runtime_version, as libedgetpu numbers them
HOW_TO_GET_IT = """\
edgetpu_compiler is a closed program of Google for x86-64 Linux (Debian, Ubuntu); there is none for
ARM, so not for a Raspberry Pi. Get it in one of these ways:
  apt     curl https://packages.cloud.google.com/apt/doc/apt-key.gpg |
            sudo tee /etc/apt/trusted.gpg.d/coral-edgetpu.asc
          echo "deb https://packages.cloud.google.com/apt coral-edgetpu-stable main" |
            sudo tee /etc/apt/sources.list.d/coral-edgetpu.list
          sudo apt-get update && sudo apt-get install edgetpu-compiler
  docker  an image that holds it (github.com/tomassams/docker-edgetpu-compiler makes one), with the
          folder of the work mounted:
          --compiler "docker run --rm --init -v {workdir}:/work -w /work IMAGE edgetpu_compiler"
  Colab   google-coral/tutorials, compile_for_edgetpu.ipynb; then 'edgescale import' both files
Without it all else works: build, lint, plan, profile and classify on the CPU."""
# What we set ourselves, and what makes other files than the one that is read back.
_OURS = {
    "-o": "--out_dir", "-s": "--show_operations", "-m": "--min_runtime_version",
    "-d": "--search_delegate", "-k": "--delegate_search_step", "-t": "--timeout_sec",
    "-n": "--num_segments", "-v": "--version", "-h": "--help",
}  # fmt: skip
_OUR_FLAG = {
    "-m": "give --min-runtime-version", "-d": "give --search-delegate",
    "-k": "give --delegate-search-step", "-t": "give --timeout",
    "-o": "edgescale chooses the folder, give --out", "-s": "edgescale always asks for it",
    "-n": "edgescale compiles whole models, not segments", "-v": "edgescale asks for it itself",
    "-h": "run the compiler itself for it",
}  # fmt: skip
# The others that are known (edgetpu#324, #778): nothing else, since a word that takes the next one
# for its value would swallow the model. -aaa is in a public log.
_TAKES_A_VALUE = ("-i", "--intermediate_tensors")
_STANDS_ALONE = re.compile(r"-a+|--enable_multiple_subgraphs")
_ALLOWED = "-a (--enable_multiple_subgraphs), and -i (--intermediate_tensors) with its value"
_MOST_OTHERS = MOST_OPTIONS // 2  # the manifest keeps them beside those of edgescale


@dataclass(frozen=True)
class CompilerCommand:
    """The words that start the compiler, and where they come from (for messages)."""

    words: tuple[str, ...]
    source: str

    def in_folder(self, folder: Path) -> list[str]:
        """Returns the words with the folder of the work in place of ``{workdir}``."""
        return [word.replace(WORKDIR, str(folder)) for word in self.words]


def find_compiler(flag: str | None, environment: Mapping[str, str]) -> CompilerCommand:
    """Returns the command: the flag, else the environment, else what PATH holds.

    Raises:
        CompilerNotFound: there is none.
        CompilerUnusable: one is named, and the command cannot be read or started.
    """
    if flag is not None:
        return _command(flag, "--compiler")
    if environment.get(VARIABLE, "").strip():
        return _command(environment[VARIABLE], VARIABLE)
    found = shutil.which(PROGRAM, path=environment.get("PATH"))
    if found is None:
        raise CompilerNotFound(
            f"{PROGRAM} is not on PATH, and neither --compiler nor {VARIABLE} names one"
        )
    return CompilerCommand((str(Path(found).absolute()),), "PATH")  # PATH may hold "."


def _command(text: str, source: str) -> CompilerCommand:
    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise CompilerUnusable(
            f"{source}: '{text}' is no command ({problem}); quote it as for a shell"
        ) from problem
    if not words or not words[0] or "\0" in text:
        raise CompilerUnusable(f"{source}: names no command; give the compiler's path")
    program = shutil.which(words[0])
    if program is None:
        raise CompilerUnusable(
            f"{source}: there is no program '{words[0]}' that may be run; give the path of"
            f" {PROGRAM}, or a docker command line"
        )
    if Path(program).name in _CONTAINERS and not any(WORKDIR in word for word in words):
        raise CompilerUnusable(
            f"{source}: '{words[0]}' runs a container, and nothing in the command mounts the folder"
            f" of the work; add -v {WORKDIR}:/work -w /work"
        )
    # Absolute: it is started in another folder.
    return CompilerCommand((str(Path(program).absolute()), *words[1:]), source)


@dataclass(frozen=True)
class CompilerOptions:
    """What the user asks of the compiler; None and empty leave it to the compiler.

    Attributes:
        min_runtime_version: compile for runtimes from this one on (-m).
        search_delegate: look for a part that compiles where the whole does not (-d).
        delegate_search_step: operators that each try drops (-k).
        timeout_s: most seconds one run may take (-t where the compiler has it). It changes no
            compiled file, so it is not among the words that are recorded.
        others: words for the compiler as they are.
    """

    min_runtime_version: int | None = None
    search_delegate: bool = False
    delegate_search_step: int | None = None
    timeout_s: int = DEFAULT_TIMEOUT_S
    others: tuple[str, ...] = ()

    def words(self, version: str) -> tuple[str, ...]:
        """Returns the options as words for this compiler version; older ones know fewer."""
        words: list[str] = []
        if self.min_runtime_version is not None:
            words += ["-m", str(self.min_runtime_version)]
        if searches(version):
            if self.search_delegate:
                words.append("-d")
            if self.search_delegate and self.delegate_search_step is not None:
                words += ["-k", str(self.delegate_search_step)]
        return (*words, *self.others)

    def timer(self, version: str) -> tuple[str, ...]:
        """Returns the words for the compiler's own timer, which else ends it after 180 s."""
        return ("-t", str(self.timeout_s)) if searches(version) else ()

    def not_known_to(self, version: str) -> tuple[str, ...]:
        """Returns the options asked for that this compiler version lacks."""
        if searches(version):
            return ()
        asked = {"-d": self.search_delegate, "-k": self.delegate_search_step is not None}
        return tuple(name for name, wanted in asked.items() if wanted)


def searches(version: str) -> bool:
    """Says whether this version knows -d, -k and -t, which came with 16."""
    return int(version.split(".")[0]) >= 16


def split_others(text: str) -> tuple[str, ...]:
    """Splits ``--compiler-args`` and refuses all but the options that are known to be harmless.

    Raises:
        CompilerFailed: no words, or one that edgescale sets itself, does not know, or that would be
            one more model or take the model for its value.
    """
    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise CompilerFailed(
            f"--compiler-args: '{text}' cannot be split ({problem}); quote it as for a shell"
        ) from problem
    if len(words) > _MOST_OTHERS or any(len(word) > LONGEST_OPTION for word in words):
        raise CompilerFailed(
            f"--compiler-args: more than {_MOST_OTHERS} words, or one of more than {LONGEST_OPTION}"
            " characters; give fewer tensors"
        )
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in _TAKES_A_VALUE:
            _check_value(name, value if equals else next(rest, ""))
        elif not _STANDS_ALONE.fullmatch(word):
            raise CompilerFailed(f"--compiler-args: {_refusal(word)}")
    return tuple(words)


def _check_value(name: str, value: str) -> None:
    if not value or value.startswith("-"):
        raise CompilerFailed(
            f"--compiler-args: {name} needs the names of tensors after it, e.g. '{name} one,two'"
        )


def _refusal(word: str) -> str:
    if not word.startswith("-") or word in ("-", "--"):
        return (
            f"'{word}' would be read as one more model; write values as --option=value, or after -i"
        )
    name = word.partition("=")[0].replace("-", "_").replace("__", "--", 1)
    for short, long in _OURS.items():
        shortened = name.startswith("--") and long.startswith(name)
        grouped = not word.startswith("--") and short[1] in word[1:]
        if grouped or (shortened and len(name) > len("--o")):
            return f"{short} ({long}) cannot be set here; {_OUR_FLAG[short]}"
    return f"'{word}' is not known to be harmless; only these can be given here: {_ALLOWED}"
