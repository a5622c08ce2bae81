"""2,000 damaged model files through every reader of them; tools/fuzz_models.py has 100,000."""

import json
import subprocess
import sys
from pathlib import Path

from tests.mutations import mutated, tiny_sources

ROOT = Path(__file__).parents[3]


def test_damaged_files_are_read_or_refused_in_bounded_time_and_memory(tmp_path: Path) -> None:
    tool = [sys.executable, str(ROOT / "tools" / "fuzz_models.py"), "--plain", "--files", "2000"]
    run = subprocess.run(
        [*tool, "--crashes", str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert run.stderr == ""
    found = json.loads(run.stdout)
    assert found["failures"] == []
    assert run.returncode == 0
    assert found["files"] == 2000
    assert found["peak_memory_mb"] < 500
    assert found["slowest_s"] < 2
    verbs, outcomes = ("lint", "inspect", "predict"), ("accepted", "refused, ModelFileError")
    usual = {f"{verb}: {outcome}" for verb in verbs for outcome in outcomes}
    # A sound file may be of a network that no latency is predicted for.
    assert usual <= found["outcomes"].keys() <= {*usual, "predict: refused, DeviceError"}
    assert min(found["outcomes"][name] for name in usual) > 200  # neither all sound nor hopeless


def test_the_same_seed_gives_the_same_damage() -> None:
    source, other = tiny_sources()[0], tiny_sources()[4]
    files = [mutated(source, seed, other) for seed in range(300)]
    assert files == [mutated(source, seed, other) for seed in range(300)]
    assert len(set(files)) > 270
    assert source not in files[:5]


def test_half_of_the_damage_reaches_the_package() -> None:
    source = tiny_sources()[4]
    start = source.index(b"DWN1")
    package, seeds = slice(start, start + 1192), range(300)
    touched = sum(mutated(source, seed)[package] != source[package] for seed in seeds)
    assert touched > 150
