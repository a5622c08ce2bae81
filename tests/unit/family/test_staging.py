import fcntl
import os
from pathlib import Path

import pytest

from edgescale.errors import ArtifactError, ManifestError
from edgescale.family.staging import check_free, copied, staged
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


def test_a_family_is_for_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with staged(tmp_path / "family") as folder:
            tiny_family(folder)
    finally:
        os.umask(before)
    assert (tmp_path / "family").stat().st_mode & 0o777 == 0o700


def test_a_link_to_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    check_free(tmp_path / "link", set())
    with staged(tmp_path / "link") as folder:
        tiny_family(folder)
    assert (tmp_path / "link").is_symlink()
    assert load_family(tmp_path / "empty").manifest.name == "colours"


def test_messages_name_the_place_and_not_the_temporary_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as refusal, staged(tmp_path / "family"):
        pass
    assert f"{tmp_path / 'family'}: no manifest" in str(refusal.value)


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    names = (".family.0123abcd.part", ".family.0123abce.part", ".family.0123abcf.part",
             ".family.b.0123abcd.part", ".family.mine.part")  # fmt: skip
    stale, locked, young, other, foreign = (tmp_path / name for name in names)
    for folder in (stale, locked, young, other, foreign):
        folder.mkdir()
        (folder / "half").write_text("")
        if folder != young:
            os.utime(folder, (0, 0))
    lock = os.open(locked, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with staged(tmp_path / "family") as folder:
        tiny_family(folder)
    os.close(lock)
    assert not stale.exists()
    assert all(folder.is_dir() for folder in (locked, young, other, foreign))
