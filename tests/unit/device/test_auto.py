"""``auto`` with an Edge TPU in sight: used when it works, said when it does not."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgescale.cli.profile import command as profile
from edgescale.device.choose import resolve
from edgescale.device.edge_tpus import EdgeTpu
from edgescale.inference.tpu_lock import lock_edge_tpu
from edgescale.inference.worker import WorkerSettings
from tests.edgetpu_double import behave, double, needs_compiler, own_locks
from tests.fakes import machine
from tests.tiny_models import tiny_family, tiny_record

__all__ = ["double", "own_locks"]

pytestmark = pytest.mark.usefixtures("own_locks")

USB = EdgeTpu("usb", "2-1", 5000, None, None)
WITH_USB = machine(edge_tpus=(USB,))


@pytest.mark.parametrize("library", ["libnowhere.so.1", __file__])
def test_auto_says_why_it_falls_back_to_the_cpu(tmp_path: Path, library: str) -> None:
    settings = WorkerSettings(device="auto", edgetpu_library=library)
    choice, resolved = resolve([tiny_record(tmp_path, "a", twin=True)], settings, WITH_USB)
    assert resolved.device == choice.device == "cpu"
    assert choice.reason.startswith(f"'usb' cannot be used: {library} ")
    assert choice.reason.endswith("; no other Edge TPU is connected")
    assert "--edgetpu-library" not in choice.reason


def test_a_named_edge_tpu_never_falls_back(tmp_path: Path) -> None:
    settings = WorkerSettings(device="usb", edgetpu_library="libnowhere.so.1")
    _, resolved = resolve([tiny_record(tmp_path, "a", twin=True)], settings, WITH_USB)
    assert resolved.device == "usb"


@needs_compiler
def test_auto_takes_an_edge_tpu_that_works(tmp_path: Path, double: str) -> None:
    settings = WorkerSettings(device="auto", edgetpu_library=double)
    choice, _ = resolve([tiny_record(tmp_path, "a", twin=True)], settings, WITH_USB)
    assert choice.device == "usb"


@needs_compiler
def test_auto_takes_the_second_where_the_first_is_locked_and_names_the_second_first(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, devices=2)
    settings = WorkerSettings(device="auto", edgetpu_library=double)
    two = machine(edge_tpus=(USB, replace(USB, path="2-2")))
    lock = lock_edge_tpu("usb")
    try:
        choice, _ = resolve([tiny_record(tmp_path, "a", twin=True)], settings, two)
    finally:
        os.close(lock)
    assert choice.device == "usb:1"
    assert choice.reason == (
        "there is an Edge TPU (2-2); 'usb' cannot be used: Edge TPU 'usb' is in use by this"
        " process, and only one process can use it"
    )


@needs_compiler
def test_auto_runs_on_what_only_the_named_library_knows(
    tmp_path: Path, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgescale.device.probe.find_edge_tpus", lambda root, may_open: ())
    family = tmp_path / "family"
    tiny_family(family, tiny_record(family, "a", twin=True))
    arguments = [str(family), "--edgetpu-library", double, "--runs=5", "--json"]
    arguments += ["--profiles", str(tmp_path / "profiles")]
    result = CliRunner().invoke(profile, arguments)
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert (record["device_asked"], record["device"]) == ("auto", ":0")
    assert [one["error"] for one in record["variants"]] == [None]
    behave(monkeypatch, devices=0)
    result = CliRunner().invoke(profile, arguments)
    assert json.loads(result.stdout)["device"] == "cpu"
