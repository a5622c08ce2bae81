from pathlib import Path

import pytest

from edgescale.errors import ArtifactError, ManifestError
from edgescale.family.staging import copied, staged
from edgescale.family.store import load_family
from tests.tiny_models import tiny_family


def test_takes_the_place_only_when_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "family"
    with staged(out) as folder:
        tiny_family(folder)
        assert not out.exists()
    assert load_family(out).manifest.name == "colours"
    assert out.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in out.parent.iterdir()] == ["family"]


@pytest.mark.parametrize("problem", [KeyboardInterrupt, ValueError])
def test_a_failure_leaves_nothing(tmp_path: Path, problem: type[BaseException]) -> None:
    with pytest.raises(problem), staged(tmp_path / "family") as folder:  # noqa: PT012
        tiny_family(folder)
        raise problem
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_family_does_not_take_the_place(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no manifest"), staged(tmp_path / "family"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_fails_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be written"), staged(tmp_path / "x") as folder:
        copied(tmp_path / "absent", folder / "a")
