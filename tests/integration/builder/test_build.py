"""Whole builds as a user runs them: skipped when done, the same when killed, clear when wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from edgescale.builder.lock import building
from edgescale.family.store import artifacts_of, load_family, sha256_of
from tests.compiler_scenes import Scene, compiled_from

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).parents[3]
RECIPE = """
name = "colours"
[baseline]
stem_filters = 8
blocks = ["r1_k3_s11_e4_i8_o8_c1_noskip", "r2_k3_s22_e4_i8_o12"]
head_filters = 16
depth_divisor = 4
resolution = 16
[variants]
phis = [0, 2]
[data]
folder = "images"
[training]
epochs = 3
batch_size = 8
warmup_epochs = 1
[quantisation]
images = 8
"""
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import cv2

    home = tmp_path_factory.mktemp("recipe")
    random = np.random.RandomState(0)
    for channel, name in enumerate(("blue", "green", "red")):
        (home / "images" / name).mkdir(parents=True)
        for index in range(12):
            picture = random.randint(0, 100, (20, 24, 3))
            picture[..., channel] += 100
            path = home / "images" / name / f"{index}.png"
            cv2.imwrite(str(path), picture.astype(np.uint8))
    (home / "recipe.toml").write_text(RECIPE)
    return home / "recipe.toml"


@pytest.fixture(scope="module")
def built(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family = tmp_path_factory.mktemp("built") / "family"
    done = build(recipe, family)
    assert done.returncode == 0, done.stderr
    return family


def command(recipe: Path, family: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "edgescale", "build", str(recipe), "-o", str(family), *options]


def build(recipe: Path, family: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(recipe, family, *options), cwd=ROOT, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip


@pytest.fixture
def started() -> Iterator[Callable[[Path, Path], "subprocess.Popen[str]"]]:
    running: list[subprocess.Popen[str]] = []

    def start(recipe: Path, family: Path) -> "subprocess.Popen[str]":
        process = subprocess.Popen(command(recipe, family), cwd=ROOT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)  # fmt: skip
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < end, "it did not get there in time"
        time.sleep(0.002)


def found(family: Path, pattern: str) -> list[Path]:
    return list((family / ".build").glob(pattern))


def assert_only_named_files(family: Path) -> None:
    named = {family / one.path for one in artifacts_of(load_family(family).manifest)}
    assert {path for path in (family / "variants").rglob("*") if path.is_file()} == named
    assert len(named) == 6  # model, architecture and evaluation of two variants


def test_a_flag_names_other_data_and_a_limit_makes_the_variant(
    recipe: Path, tmp_path: Path
) -> None:
    own = tmp_path / "recipe.toml"  # no images beside it
    own.write_text(RECIPE.replace("phis = [0, 2]", "max_file_bytes = 30_000"))
    done = build(own, tmp_path / "family", "--data", str(recipe.parent / "images"))
    assert done.returncode == 0, done.stderr
    assert "is the largest within the limits and uses" in done.stderr
    assert "% of max_file_bytes" in done.stderr
    (variant,) = load_family(tmp_path / "family").manifest.variants
    assert variant.model.size_bytes <= 30_000
    assert str(recipe.parent) not in (tmp_path / "family" / "manifest.json").read_text()


def test_the_family_is_whole_and_says_what_was_built(built: Path) -> None:
    manifest = load_family(built).manifest
    assert manifest.labels == ("blue", "green", "red")
    assert [variant.name for variant in manifest.variants] == ["phi0", "phi2"]
    assert manifest.recipe is not None
    assert manifest.recipe["training"]["learning_rate"] == 4e-3
    assert manifest.recipe["data"]["folder"] == "images"
    for variant in manifest.variants:
        assert variant.accuracy is not None
        assert variant.accuracy.n == 6
        assert variant.accuracy.float_top1 is not None
        assert variant.compiled is None
        assert variant.compiled_reason
        assert variant.preparation.scale == 1 / 128
        assert sum(operator.count for operator in variant.operators) > 5
        assert variant.model.path.startswith(f"variants/{variant.name}/model-")
    assert_only_named_files(built)
    assert str(built) not in (built / "manifest.json").read_text()


def test_a_second_build_does_nothing_and_starts_no_tensorflow(recipe: Path, built: Path) -> None:
    before = sha256_of(built / "manifest.json")
    start = os.times()
    done = build(recipe, built, "--json")
    end = os.times()
    assert done.returncode == 0, done.stderr
    assert sha256_of(built / "manifest.json") == before
    assert len(json.loads(done.stdout)["variants"]) == 2
    assert done.stderr.count("is there") == 10
    used_s = end.children_user + end.children_system - start.children_user - start.children_system
    assert used_s < 2


def test_a_build_compiles_where_there_is_a_compiler_and_outlives_its_failures(
    recipe: Path, built: Path, tmp_path: Path
) -> None:
    family, scene = tmp_path / "family", Scene(tmp_path / "scene")
    subprocess.run(["cp", "-r", str(built), str(family)], check=True)
    models = [family / variant.model.path for variant in load_family(family).manifest.variants]
    scene.runs = [compiled_from(scene, models[0]), {"stdout": "Model not quantized", "status": 1}]
    done = build(recipe, family, "--compiler", scene.command)
    assert done.returncode == 0, done.stderr
    assert "compile phi0: 0.00 MiB on chip, 0.00 MiB streamed" in done.stderr
    assert "not compiled: phi2: the compiler failed: the model holds float weights" in done.stdout
    assert f"all the compiler said is in {family}/.build/phi2/compile.log" in done.stdout
    scene.runs = [*scene.runs, compiled_from(scene, models[1])]
    assert build(recipe, family, "--compiler", scene.command, "--json").returncode == 0
    told = ["-s", "-t", "600", "model.tflite"]
    assert [call["arguments"] for call in scene.calls()] == [told] * 3
    before = (family / "manifest.json").read_bytes()
    for more in (["--no-compile"], ["--compiler", scene.command]):
        assert build(recipe, family, *more).stderr.count("is there") == 12
        assert (family / "manifest.json").read_bytes() == before
    assert all(variant.compilation for variant in load_family(family).manifest.variants)
    assert len(list((family / "variants").rglob("*_edgetpu.tflite"))) == 2


def test_a_changed_stage_and_those_after_it_run_again(recipe: Path, built: Path) -> None:
    other = recipe.with_name("other.toml")
    other.write_text(RECIPE.replace("images = 8", "images = 9").replace("[0, 2]", "[0]"))
    family = built.with_name("other")
    subprocess.run(["cp", "-r", str(built), str(family)], check=True)
    done = build(other, family)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if " phi0: " in line]
    assert [line.split(" ")[0] for line in lines if "is there" in line] == [
        "network", "weights", "train"]  # fmt: skip
    assert [line.split(" ")[0] for line in lines if "is there" not in line] == [
        "quantise", "evaluate"]  # fmt: skip
    assert [path.name for path in (family / "variants").iterdir()] == ["phi0"]
    assert len(load_family(family).manifest.variants) == 1
    assert len([path for path in (family / "variants").rglob("*") if path.is_file()]) == 3


def test_a_build_killed_again_and_again_ends_in_the_same_manifest(
    recipe: Path, built: Path, tmp_path: Path,
    started: Callable[[Path, Path], "subprocess.Popen[str]"],
) -> None:  # fmt: skip
    family = tmp_path / "family"
    for moment in ("*/network/result.json", "*/*.checkpoint.npz", "*/.unfinished-quantise"):
        process = started(recipe, family)
        wait_for(partial(found, family, moment), process)
        workers = psutil.Process(process.pid).children()
        process.kill()
        process.wait(PATIENCE_S)
        assert not (family / "manifest.json").exists()
        assert not psutil.wait_procs(workers, timeout=5)[1], "a worker outlived its parent"
    done = build(recipe, family)
    assert done.returncode == 0, done.stderr
    assert "network phi0: is there" in done.stderr
    assert (family / "manifest.json").read_bytes() == (built / "manifest.json").read_bytes()
    load_family(family)
    assert not list((family / ".build").rglob(".unfinished*"))
    assert not list((family / ".build").rglob("*.checkpoint.npz"))


def test_a_family_that_grows_builds_the_small_variant_first(recipe: Path, tmp_path: Path) -> None:
    other = recipe.with_name("grown.toml")
    other.write_text(RECIPE.replace("[training]", '[weights]\nfrom = "previous"\n[training]'))
    done = build(other, tmp_path / "family")
    assert done.returncode == 0, done.stderr
    assert "weights phi2: grown from phi0" in done.stderr
    assert done.stderr.index("evaluate phi0") < done.stderr.index("network phi2")


def test_a_dead_worker_takes_only_its_variant_with_it(
    recipe: Path, tmp_path: Path, started: Callable[[Path, Path], "subprocess.Popen[str]"]
) -> None:
    family = tmp_path / "family"
    process = started(recipe, family)
    wait_for(partial(found, family, "phi2/network/result.json"), process)
    for child in psutil.Process(process.pid).children():
        if any("phi2" in part for part in child.cmdline()):
            child.kill()
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "error: 1 of 2 variants failed" in said
    assert "SIGKILL" in said
    assert (family / ".build" / "phi0" / "evaluate" / "result.json").exists()
    assert not (family / "manifest.json").exists()


def test_ctrl_c_ends_the_workers(
    recipe: Path, tmp_path: Path, started: Callable[[Path, Path], "subprocess.Popen[str]"]
) -> None:
    process = started(recipe, tmp_path / "family")
    parent = psutil.Process(process.pid)
    wait_for(parent.children, process)
    workers = parent.children()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert not psutil.wait_procs(workers, timeout=5)[1]


def test_two_builds_of_one_family_are_kept_apart(recipe: Path, built: Path) -> None:
    with building(built):
        done = build(recipe, built)
    assert done.returncode == 1
    assert "another build works on this family" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unreadable_image_is_named_and_nothing_is_half_written(
    recipe: Path, tmp_path: Path
) -> None:
    subprocess.run(["cp", "-r", str(recipe.parent), str(tmp_path / "spoilt")], check=True)
    for path in (tmp_path / "spoilt/images/red").iterdir():
        path.write_bytes(b"no picture")
    (tmp_path / "spoilt/recipe.toml").write_text(RECIPE.replace("[0, 2]", "[0]"))
    done = build(tmp_path / "spoilt" / "recipe.toml", tmp_path / "family")
    assert done.returncode == 1
    assert "images/red/" in done.stderr
    assert "not a readable image" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "family" / "manifest.json").exists()


def test_an_unwritable_family_is_one_sentence(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = build(recipe, tmp_path / "file" / "family")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1
