"""What a wheel carries and what the repository's top level holds."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "constraints.txt", "devices",
             "edgescale", "models", "pyproject.toml", "tests", "tools"}  # fmt: skip


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT, capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        return wheel.namelist()


def test_the_wheel_carries_recipes_devices_and_data(wheel_names: list[str]) -> None:
    for recipe in (ROOT / "models").glob("*/recipe.toml"):
        assert f"edgescale/_shipped/models/{recipe.parent.name}/recipe.toml" in wheel_names
    for device in (ROOT / "devices").glob("*.json"):
        assert f"edgescale/_shipped/devices/{device.name}" in wheel_names
    assert sum(name.endswith("recipe.toml") for name in wheel_names) >= 2
    assert sum("_shipped/devices/" in name for name in wheel_names) >= 1
    assert "edgescale/py.typed" in wheel_names
    assert "edgescale/inference/probe.tflite" in wheel_names


def test_the_wheel_carries_no_tests_and_no_profiles(wheel_names: list[str]) -> None:
    assert not [name for name in wheel_names if name.startswith(("tests/", "tools/"))]


def test_the_top_level_is_the_agreed_one() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    tops = {name.split("/")[0] for name in listed.stdout.splitlines()}
    assert {name for name in tops if not name.startswith(".")} <= TOP_LEVEL


def test_a_device_never_installs_tensorflow_or_a_second_opencv() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    base = text[text.index("\ndependencies = [") : text.index("[project.optional-dependencies]")]
    assert "tensorflow" not in base.replace("TensorFlow", "")
    wanted = text[: text.index("[project.scripts]")]
    assert set(re.findall(r'"(opencv[a-z-]*)', wanted)) == {"opencv-python-headless"}
    assert '"pycoral' not in wanted
