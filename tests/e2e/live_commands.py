"""The command line on two real models and a real video: where they lie, and how it is run."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", "../shared/data"))
VIDEO = DATA / "videos/bottle-detection.mp4"
MODELS = ("mobilenet_v1_0.25_128_quant", "tf2_mobilenet_v2_1.0_224_ptq")
SMALL, LARGE = MODELS

needs_models_and_video = pytest.mark.skipif(
    not (DATA / "coral/models").is_dir() or not VIDEO.is_file(),
    reason=f"no Coral models or videos under {DATA} (EDGESCALE_TEST_DATA)",
)


def command(arguments: Sequence[str | Path]) -> list[str]:
    return [sys.executable, "-m", "edgescale", *map(str, arguments)]


def environment(profiles: Path) -> dict[str, str]:
    return os.environ | {"EDGESCALE_DEVICES": str(profiles)}


def run(*arguments: str | Path, profiles: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(arguments),
        env=environment(profiles),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
