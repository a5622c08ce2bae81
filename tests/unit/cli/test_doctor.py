"""``edgescale doctor`` on this machine, with and without the Edge TPU double."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgescale.cli.doctor import command
from edgescale.device import doctor
from edgescale.device.doctor_facts import Facts
from edgescale.device.doctor_gather import Asked, Notice, gather
from tests.doctor_facts import board, software, system
from tests.edgetpu_double import behave, double, own_locks
from tests.tiny_packages import TinyPackage, compiled_tflite, options_bytes, package_bytes

__all__ = ["double", "own_locks"]


@pytest.fixture(autouse=True)
def no_edge_tpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at a machine without any, whatever this one has, with locks of its own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def elsewhere(asked: Asked, root: Path, notice: Notice) -> Facts:
        return gather(asked, root=tmp_path / "root", notice=notice)

    monkeypatch.setattr(doctor, "gather", elsewhere)


def test_all_is_well_with_the_double(double: str, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, devices=1)
    result = CliRunner().invoke(command, ["--edgetpu-library", double])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("ok: The Edge TPU library loads and answers.\n    seen: ")
    assert "ok: The Edge TPU's delegate loads." in result.stdout
    assert "error:" not in result.stdout
    assert result.stderr == "trying the Edge TPU (up to 60 s) ...\n"


def test_a_crash_of_the_double_is_a_diagnosis(double: str, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, load="segv")
    result = CliRunner().invoke(command, ["--edgetpu-library", double, "--json"])
    assert result.exit_code == 1
    record = json.loads(result.stdout)
    assert record["schema_version"] == 1
    assert record["counts"]["errors"] == 1
    first = record["findings"][0]
    assert set(first) == {"check", "level", "what", "evidence", "mend"}
    assert (first["check"], first["level"]) == ("delegate-crash", "error")
    assert "SIGSEGV" in first["what"]


def test_a_compiled_model_without_edge_tpu_says_what_is_missing_and_what_it_needs(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new_edgetpu.tflite"
    path.write_bytes(compiled_tflite(options_bytes(package_bytes(TinyPackage(min_runtime=15)))))
    arguments = [str(path), "--edgetpu-library", "libnotthere.so.1"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    assert f"error: No Edge TPU is connected, but {path} is compiled for one." in result.stdout
    assert "error: The Edge TPU library libnotthere.so.1 is missing." in result.stdout
    assert f"seen: {path} needs runtime 15" in result.stdout


def test_findings_are_paragraphs_that_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = board(users=("12 (\x1b[31mred)",))
    monkeypatch.setattr(doctor, "gather", lambda asked, **_: Facts(system(taken), software()))
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 1
    paragraphs = result.stdout.split("\n\n")
    assert len(paragraphs) == 3
    first = paragraphs[0].splitlines()
    assert first[0].startswith("error: The Edge TPU usb 2-1 is busy")
    assert first[1].startswith("    seen: /dev/bus/usb/002/003 is open in process 12 (\ufffd[31m")
    assert first[2].startswith("    mend: ")
    assert "\x1b" not in result.stdout
