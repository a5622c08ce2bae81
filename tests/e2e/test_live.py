"""profile, select and classify as a user runs them, on real models and a real video."""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.live_commands import (
    DATA,
    LARGE,
    SMALL,
    VIDEO,
    needs_models_and_video,
    run,
)

pytestmark = needs_models_and_video


def results(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_largest_variant_sees_water_bottles(family: Path, profiles: Path) -> None:
    done = run(
        "classify", family, "--source", VIDEO, "--json", "--max-frames=120", profiles=profiles
    )
    found = results(done)
    assert [one["index"] for one in found] == list(range(120))
    assert {(one["variant"], one["device"]) for one in found} == {(LARGE, "cpu")}
    top1 = Counter(one["predictions"][0]["label"] for one in found)
    assert top1.most_common(1)[0][0] == "water bottle"
    assert found[30]["position_s"] == pytest.approx(30 / 29.833, abs=0.02)
    assert all(one["invoke_ms"] > 0 for one in found)
    assert "using the profile of" in done.stderr
    assert "120 frames" in done.stderr
    assert "most often water bottle" in done.stderr


def test_without_a_profile_it_measures_first_and_says_so(family: Path, tmp_path: Path) -> None:
    images = DATA / "coral/images"
    done = run("classify", family, "--source", images, "--max-frames=2", profiles=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "measuring" in done.stderr
    assert len(done.stdout.splitlines()) == 2
    (kept,) = tmp_path.glob("*.json")
    kept.write_text("{")
    again = run("select", family, profiles=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "cannot be used" in again.stderr
    assert json.loads(kept.read_text())["schema_version"] == 2


def test_select_explains_and_a_budget_nothing_fits_is_status_3(
    family: Path, profiles: Path
) -> None:
    done = run("select", family, "--json", profiles=profiles)
    assert json.loads(done.stdout)["chosen"] == LARGE
    impossible = run("select", family, "--latency-budget=0.0001", profiles=profiles)
    assert impossible.returncode == 3
    assert f"nearest miss is '{SMALL}'" in impossible.stderr
    assert impossible.stdout.count("too slow") == 2


def test_the_annotated_video_plays_and_has_every_frame(
    family: Path, profiles: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mkv"
    arguments = ("classify", family, "--source", VIDEO, "--variant", SMALL, "--max-frames=30")
    done = run(*arguments, "--save", out, profiles=profiles)
    assert done.returncode == 0, done.stderr
    played = results(
        run("classify", family, "--source", out, "--variant", SMALL, "--json", profiles=profiles)
    )
    assert len(played) == 30


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--source", "nowhere.mp4"], "no such file, folder or camera", id="missing"),
        pytest.param(["--source", "77"], "there is no /dev/video77", id="no camera"),
        pytest.param(["--source", "{tmp}/empty.mp4"], "is empty", id="0 bytes"),
        pytest.param(["--source", "{tmp}/cut.mp4"], "cannot be opened as video", id="truncated"),
        pytest.param(["--source", "{tmp}/none"], "holds no images or videos", id="no images"),
        pytest.param(
            ["--source", "{video}", "--save", "{tmp}/no/a.mkv"],
            "cannot be written",
            id="unwritable",
        ),
        pytest.param(
            ["--source", "{video}", "--variant", SMALL, "--save", "{tmp}/full.mkv"],
            "is not a file",
            id="no file",
        ),
        pytest.param(["--source", "{video}", "--device", "usb"], "", id="no Edge TPU"),
        pytest.param(["--source", "{video}", "--device", "gpu"], "device 'gpu'", id="no device"),
        pytest.param(["--source", "{video}", "--runtime", "onnx"], "runtime 'onnx'", id="runtime"),
        pytest.param(["--source", "{video}", "--variant", "x"], "no variant 'x'", id="variant"),
        pytest.param(
            ["--source", "{video}", "--profiles", "{family}/p"], "must not change", id="in family"
        ),
    ],
)
def test_bad_input_is_one_sentence_and_status_1(
    family: Path, profiles: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "full.mkv").symlink_to("/dev/full")
    (tmp_path / "cut.mp4").write_bytes(VIDEO.read_bytes()[:200_000])
    places = {"{tmp}": str(tmp_path), "{video}": str(VIDEO), "{family}": str(family)}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    before = sorted(tmp_path.iterdir())
    done = run("classify", family, *arguments, profiles=profiles)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == before


def test_a_video_that_is_cut_off_gives_its_frames_and_status_1(
    family: Path, profiles: Path, tmp_path: Path
) -> None:
    content = (DATA / "videos/asl_bird.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    arguments = ("--source", tmp_path / "cut.mkv", "--variant", SMALL)
    done = run("classify", family, *arguments, profiles=profiles)
    assert done.returncode == 1
    assert "damaged or cut off" in done.stderr
    assert 10 < len(done.stdout.splitlines()) < 50


def test_a_compiled_model_does_not_run_on_the_cpu(family: Path, tmp_path: Path) -> None:
    """A manifest that passes a compiled model off as the CPU model."""
    folder = tmp_path / "family"
    folder.mkdir()
    manifest = json.loads((family / "manifest.json").read_text())
    variant = next(one for one in manifest["variants"] if one["compiled"])
    manifest["variants"] = [variant | {"model": variant["compiled"]}]
    path = folder / variant["compiled"]["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((family / variant["compiled"]["path"]).read_bytes())
    (folder / "manifest.json").write_text(json.dumps(manifest))
    done = run("classify", folder, "--source", VIDEO, "--device=cpu", profiles=tmp_path / "p")
    assert done.returncode == 1
    assert "Edge TPU" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
