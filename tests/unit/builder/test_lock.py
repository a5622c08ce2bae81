"""The lock of a family: one build at a time, none left behind."""

from pathlib import Path

import pytest

from edgescale.builder import lock as module
from edgescale.builder.lock import building
from edgescale.errors import BuildError, BuildLocked


def test_a_second_build_is_refused_until_the_first_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.1)
    with building(tmp_path):
        with pytest.raises(BuildLocked, match="another build works on this family"):
            building(tmp_path).__enter__()
        with building(tmp_path / "another"):
            pass
    with building(tmp_path):
        pass


def test_an_unwritable_family_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="cannot be written"):
        building(tmp_path / "file" / "family").__enter__()
