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
