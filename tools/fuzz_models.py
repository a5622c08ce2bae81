"""Gives every reader of model files damaged ones and counts what they make of them.

The readers are those of ``lint`` and ``inspect`` and the prediction of a latency.

Usage: python tools/fuzz_models.py [--files 100000] [--seconds 600] [--plain] [--seed 0]

Guided by coverage with atheris (pip install 'edgescale[fuzz]'); with --plain, or where atheris has
no wheel, by seeds alone: the damage of tests/mutations.py, which with atheris is half of it. A file
is accepted, or refused with one of our errors in one line. Anything else (a traceback, more than
five seconds of CPU time for a file, JSON that is none, control characters on the terminal) ends the
run with 1 and leaves the file in --crashes; so does a peak of more than 500 MB.
"""

import argparse
import json
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is in no wheel

CORAL = Path(__file__).resolve().parents[2] / "shared" / "data"
MOST_MEMORY_MB = 500
MOST_CPU_S = 5.0
_MOST_ADDRESS_BYTES = 8 * 2**30  # a mistake must not take the machine with it
_LONGEST_MESSAGE = 5_000
_LARGEST_GUIDED_BYTES = 8_192


class TooSlow(BaseException):
    """A file took too long; no Exception, so that no reader takes it for one of its own."""


@dataclass
class Tally:
    """What came of the files so far."""

    files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: str = ""
    started: float = field(default_factory=time.monotonic)

    def record(self) -> dict[str, object]:
        """Returns the counts as plain values."""
        return {
            "files": self.files,
            "outcomes": dict(sorted(self.outcomes.items())),
            "failures": self.failures,
            "slowest_s": round(self.slowest_s, 3),
            "slowest": self.slowest,
            "peak_memory_mb": peak_memory_mb(),
            "seconds": round(time.monotonic() - self.started, 1),
        }


@dataclass(frozen=True)
class Trial:
    """One run: where files are put, where failures are kept, how much of it."""

    path: Path
    crashes: Path
    files: int
    seconds: float
    tally: Tally

    @property
    def over(self) -> bool:
        """Whether all files were given or the time is up."""
        spent_s = time.monotonic() - self.tally.started
        return self.tally.files >= self.files or spent_s > self.seconds


def judge(trial: Trial, content: bytes, name: str) -> None:
    """Gives one file to each verb."""
    trial.path.write_bytes(content)
    trial.tally.files += 1
    for verb, run in VERBS.items():
        began = time.process_time()
        outcome = _outcome(run, trial.path)
        spent_s = time.process_time() - began
        trial.tally.outcomes[f"{verb}: {outcome}"] += 1
        if spent_s > trial.tally.slowest_s:
            trial.tally.slowest_s, trial.tally.slowest = spent_s, f"{verb} {name}"
        if not outcome.startswith(("accepted", "refused")):
            kept = trial.crashes / f"{verb}_{name}.tflite"
            trial.crashes.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
            trial.tally.failures.append(f"{kept}: {outcome}")


def _outcome(run: Callable[[Path], None], path: Path) -> str:
    from edgescale.errors import EdgescaleError

    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
    try:
        run(path)
    except EdgescaleError as refusal:
        message = str(refusal)
        if "\n" in message or len(message) > _LONGEST_MESSAGE:
            return "a message of several lines or of thousands of characters"
        return f"refused, {type(refusal).__name__}"
    except TooSlow:
        return f"more than {MOST_CPU_S:g} s"
    except Exception as problem:  # noqa: BLE001 - what this tool is for
        return f"crashed, {type(problem).__name__}: {problem}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "accepted"


def _inspect(path: Path) -> None:
    from edgescale.cli.inspect_file import file_record, file_text, read_file

    content = read_file(path)
    json.dumps(file_record(content), allow_nan=False)
    if any(not line.isprintable() for line in file_text(content, with_layers=True).split("\n")):
        raise ValueError("control characters on the terminal")


def _lint(path: Path) -> None:
    from edgescale.edgetpu.lint import lint_file

    lint_file(path)


def _predict(path: Path) -> None:
    from edgescale.edgetpu.latency import predict
    from edgescale.edgetpu.model_file import read_model_file

    found = predict(read_model_file(path).layers, "usb3")
    if not 0 < found.low_ms <= found.latency_ms <= found.high_ms < math.inf:
        raise ValueError("a latency outside its interval")


VERBS = {"lint": _lint, "inspect": _inspect, "predict": _predict}


def peak_memory_mb() -> int:
    """Returns the most memory this program had, in MB; of its own, not of who started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 // 10**6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6


def run_plain(trial: Trial, sources: list[bytes], seed: int) -> None:
    """Damages the sources by seed, one after the other."""
    from tests.mutations import mutated

    chance = random.Random(seed)
    while not trial.over:
        number = seed + trial.tally.files
        source = sources[trial.tally.files % len(sources)]
        judge(trial, mutated(source, number, chance.choice(sources)), f"seed{number}")


def watch() -> None:
    """Imports the readers, before anything else does, so that atheris sees their branches."""
    import atheris

    with atheris.instrument_imports(include=["edgescale.edgetpu", "edgescale.cli"]):
        import edgescale.cli.inspect_file
        import edgescale.edgetpu.latency
        import edgescale.edgetpu.lint  # noqa: F401 - imported to be watched


def run_guided(trial: Trial, sources: list[bytes], seed: int) -> None:
    """Lets atheris choose; ends the program itself, since libFuzzer does not come back."""
    import atheris

    from tests.mutations import mutated

    small = [source for source in sources if len(source) <= _LARGEST_GUIDED_BYTES]

    def one(content: bytes) -> None:
        judge(trial, content, f"file{trial.tally.files}")
        if trial.over:
            finish(trial)

    def damage(content: bytes, most: int, number: int) -> bytes:
        """Half by libFuzzer; half by us, of what it grew and of sound models in turn."""
        chance = random.Random(number)
        if chance.random() < 0.5:
            damaged: bytes = atheris.Mutate(content, most)
            return damaged
        source = content if content and chance.random() < 0.3 else chance.choice(small)
        return mutated(source, number, chance.choice(sources))[:most]

    with tempfile.TemporaryDirectory() as corpus:
        for index, source in enumerate(small):
            (Path(corpus) / str(index)).write_bytes(source)
        options = [f"-seed={seed + 1}", f"-max_len={_LARGEST_GUIDED_BYTES}", "-verbosity=0"]
        atheris.Setup([sys.argv[0], corpus, *options], one, custom_mutator=damage)
        atheris.Fuzz()


def whole_models() -> list[bytes]:
    """Returns the models to damage: those made here, and Coral's small ones where they are."""
    from tests.mutations import coral_sources, tiny_sources

    data = Path(os.environ.get("EDGESCALE_TEST_DATA", CORAL)) / "coral"
    return tiny_sources() + coral_sources(data)


def finish(trial: Trial) -> None:
    """Prints the counts as JSON and ends the program: 0 where all was done and nothing found."""
    tally, peak_mb = trial.tally, peak_memory_mb()
    print(json.dumps(tally.record(), indent=2))
    sys.stdout.flush()
    problems = [f"{len(tally.failures)} failures, kept in {trial.crashes}"] * bool(tally.failures)
    if peak_mb > MOST_MEMORY_MB:
        problems.append(f"{peak_mb} MB, more than {MOST_MEMORY_MB}")
    if tally.files < trial.files:
        problems.append(f"only {tally.files} of {trial.files} files in the time given")
    print(*problems, sep="\n", end="\n" * bool(problems), file=sys.stderr, flush=True)
    os._exit(bool(problems))  # an ordinary exit would let libFuzzer print its own


def _too_slow(signal_number: int, frame: FrameType | None) -> None:
    raise TooSlow


def main() -> None:
    """Reads the arguments, runs, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=600, help="stop after this time")
    parser.add_argument("--plain", action="store_true", help="by seeds, without atheris")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crashes", type=Path, default=Path("fuzz-crashes"))
    asked = parser.parse_args()
    if not asked.plain and find_spec("atheris") is None:
        sys.exit("atheris is missing: pip install 'edgescale[fuzz]' (Linux on x86-64), or --plain")
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESS_BYTES, _MOST_ADDRESS_BYTES))
    signal.signal(signal.SIGPROF, _too_slow)
    if not asked.plain:
        watch()
    sources = whole_models()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        trial = Trial(path, asked.crashes, asked.files, asked.seconds, Tally())
        with suppress(KeyboardInterrupt):
            (run_plain if asked.plain else run_guided)(trial, sources, asked.seed)
    finish(trial)


if __name__ == "__main__":
    main()
