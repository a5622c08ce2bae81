"""What ``import edgescale`` offers, and nothing else."""

import subprocess
import sys

import pytest

import edgescale


def test_every_public_name_is_there() -> None:
    for name in edgescale.__all__:
        assert getattr(edgescale, name) is not None


def test_the_public_names_are_these() -> None:
    assert edgescale.__all__ == [
        "__version__", "Budget", "DeviceProfile", "EdgescaleError", "Event", "Family",
        "FrameResult", "Manifest", "Pipeline", "Prediction", "PresenceLimits", "RunStats",
        "Selection", "Sink", "SourceSpec", "classify", "load_family", "profile", "select",
    ]  # fmt: skip


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="classifyy"):
        edgescale.classifyy  # noqa: B018


def test_python_m_edgescale_is_the_command_line() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "edgescale", "--version"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert run.stdout.strip() == f"edgescale, version {edgescale.__version__}"
