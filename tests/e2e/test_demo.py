"""The demo from an empty folder: what `make demo` promises, and a second run that skips it all."""

import json
import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from edgescale.family.store import load_family

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]
FLOORS = {"phi-1": 0.76, "phi0": 0.85, "phi1": 0.89}  # int8 top-1, n = 1000


def run_demo(out: Path) -> tuple[str, float]:
    """Runs the demo without a home folder; returns its stdout and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "edgescale", "demo", "--out", out],
        env={**os.environ, "HOME": str(out / "nowhere")},
        capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, float]:
    pytest.importorskip("tensorflow", reason="the build extra is not installed")
    out = tmp_path_factory.mktemp("demo")
    return out, *run_demo(out)


def test_scaling_shows_a_gain_on_cluttered_digits(first_run: tuple[Path, str, float]) -> None:
    out, said, _ = first_run
    variants = load_family(out / "families" / "cluttered-digits").manifest.variants
    top1 = {v.name: v.accuracy.int8_top1 for v in variants if v.accuracy and v.accuracy.n == 1000}
    assert set(top1) == set(FLOORS)
    assert all(top1[name] >= floor for name, floor in FLOORS.items()), top1
    assert "phi-1 -> phi0: better on" in said
    assert "resolved at 95 %" in said


def test_the_imagenet_family_sees_what_is_there(first_run: tuple[Path, str, float]) -> None:
    out, said, _ = first_run
    lines = (out / "videos" / "photos.jsonl").read_text(encoding="utf-8").splitlines()
    frames = [json.loads(line) for line in lines]
    assert len(frames) == 270
    parts = [frames[start : start + 90] for start in (0, 90, 180)]
    seen = [Counter(f["predictions"][0]["label"] for f in part).most_common(1)[0] for part in parts]
    labels = [label for label, count in seen if count > 45]
    assert len(labels) == 3
    assert "cat" in labels[0]
    assert labels[1] in ("espresso", "cup")
    assert labels[2] in ("missile", "projectile, missile")
    assert "at least 30 fps" in said


def test_every_file_it_names_is_there(first_run: tuple[Path, str, float]) -> None:
    out, said, _ = first_run
    named = [word for word in said.split() if word.startswith(str(out))]
    assert len(named) >= 7
    assert all(Path(word).exists() for word in named)
    html = (out / "report.html").read_text(encoding="utf-8")
    assert html.count("<svg") == 1
    assert html.count("data:image/jpeg") == 6
    assert not list((out / "nowhere").rglob("*edgescale*"))


def test_both_runs_keep_their_cpu_budget(first_run: tuple[Path, str, float]) -> None:
    out, _, cpu_s = first_run
    manifests = sorted((out / "families").glob("*/manifest.json"))
    before = [path.read_bytes() for path in manifests]
    _, again_cpu_s = run_demo(out)
    assert cpu_s <= 600
    assert again_cpu_s <= 60
    assert [path.read_bytes() for path in manifests] == before
