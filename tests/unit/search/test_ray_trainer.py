"""The folders of trials on a worker: what a kill leaves is removed, what is in use is not."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edgescale.search.ray_trainer import remove_left_over


def test_folders_of_processes_that_are_gone_are_removed_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    names = [f"edgescale-trial-{gone.pid}-abc", f"edgescale-trial-{os.getpid()}-abc",
             "edgescale-trial-1-abc", "edgescale-trial-x", "edgescale-other"]  # fmt: skip
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.npz").touch()
    remove_left_over()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
