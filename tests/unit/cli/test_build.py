"""The verb ``build``: its progress bar, its log lines and how it ends on a signal."""

import logging
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgescale.builder.progress import BuildEvent
from edgescale.cli import build, demo
from edgescale.errors import CompilerUnusable
from tests.compiler_scenes import Scene
from tests.tiny_models import tiny_family, tiny_record


@pytest.mark.parametrize(("columns", "left"), [(200, 100), (100, 35), (40, 20)])
def test_the_item_is_cut_to_what_the_bar_leaves(
    columns: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = os.terminal_size((columns, 24))
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: size)
    cut = build._fitting("x" * 100)
    assert cut is not None
    assert len(cut) == left
    assert build._fitting(None) is None


def test_a_failure_is_left_to_the_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    build._log_line(BuildEvent("phi0", "build", "failed", "no space", None, 1, 2))
    build._log_line(BuildEvent("phi0", "train", "finished", "3 epochs", 1.0, 1, 2))
    assert caplog.messages == ["train phi0: 3 epochs, 1.0 s"]


def terminate(*_: Any, **__: Any) -> None:
    signal.raise_signal(signal.SIGTERM)


def test_sigterm_ends_a_build_orderly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "build_family", terminate)
    ended = CliRunner().invoke(build.command, ["recipe.toml", "-o", str(tmp_path)])
    assert ended.exit_code == 143


def test_sigterm_ends_a_demo_orderly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgescale.cli.demo.story.run", terminate)
    ended = CliRunner().invoke(demo.command, ["--out", str(tmp_path)])
    assert ended.exit_code == 143


def built_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *flags: str) -> Any:
    """Returns what a build would compile with, and how the command ended."""
    given: list[Any] = []

    def record(*_: object, compiling: object, **__: object) -> Any:
        given.append(compiling)
        return tiny_family(tmp_path / "family")

    monkeypatch.setattr(build, "build_family", record)
    ended = CliRunner().invoke(build.command, ["r.toml", "-o", str(tmp_path), *flags])
    return given[0] if given else None, ended


def test_a_build_takes_the_compiler_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGESCALE_EDGETPU_COMPILER", Scene(tmp_path / "scene").command)
    compiling, ended = built_with(monkeypatch, tmp_path, "--timeout", "7", "--allow-partial")
    assert compiling.compiler.version == "16.0.384591198"
    assert (compiling.options.timeout_s, compiling.allow_partial) == (7, True)
    assert "not compiled: tiny: not compiled in this test" in ended.output
    compiling, _ = built_with(monkeypatch, tmp_path, "--no-compile")
    assert (compiling.compiler, compiling.reason) == (None, "built with --no-compile")


def test_a_build_goes_on_without_a_compiler_but_not_without_the_one_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EDGESCALE_EDGETPU_COMPILER", raising=False)
    compiling, _ = built_with(monkeypatch, tmp_path)
    assert compiling.compiler is None
    assert compiling.reason.startswith("no Edge TPU compiler was found")
    assert caplog.messages == []
    broken = tmp_path / "edgetpu_compiler"
    broken.write_text("#!/bin/sh\necho wrong libc\nexit 1\n")
    broken.chmod(0o755)
    compiling, _ = built_with(monkeypatch, tmp_path)
    assert compiling.reason.startswith("the Edge TPU compiler that is set up does not run")
    assert str(tmp_path) not in compiling.reason  # it goes into a manifest, which travels
    assert [(one.levelname, "wrong libc" in one.message) for one in caplog.records] == [
        ("WARNING", True)]  # fmt: skip
    caplog.clear()
    monkeypatch.setenv("EDGESCALE_EDGETPU_COMPILER", "/no/such")
    compiling, _ = built_with(monkeypatch, tmp_path)
    assert compiling.compiler is None
    assert "/no/such" not in compiling.reason
    assert "EDGESCALE_EDGETPU_COMPILER: there is no program '/no/such'" in caplog.messages[0]
    given, ended = built_with(monkeypatch, tmp_path, "--compiler", "/nor/this")
    assert given is None
    assert isinstance(ended.exception, CompilerUnusable)


def test_a_variant_kept_from_an_earlier_compile_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tiny_record(tmp_path / "family", "tiny", twin=True)
    family = tiny_family(tmp_path / "family", record)

    def fail(*_: object, on_event: Any, **__: object) -> Any:
        on_event(BuildEvent("tiny", "compile", "failed", "it gave up; see X.log", 1.0, 2, 2))
        return family

    monkeypatch.setattr(build, "build_family", fail)
    ended = CliRunner().invoke(build.command, ["r.toml", "-o", str(tmp_path)])
    told = "tiny: kept as compiled before; a new attempt failed: it gave up; see X.log"
    assert told in ended.output
