from pathlib import Path

import pytest

from edgescale.errors import ArtifactError, DataError
from edgescale.family.places import is_dir, is_file, is_free


def test_tells_files_folders_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    places = [tmp_path / name for name in ("file", "folder", "absent", "file/below")]
    assert [is_file(place, DataError) for place in places] == [True, False, False, False]
    assert [is_dir(place, DataError) for place in places] == [False, True, False, False]
    assert [is_free(place, DataError) for place in places] == [False, True, True, True]
    assert not is_free(tmp_path, DataError)


@pytest.mark.parametrize("ask", [is_file, is_dir, is_free])
def test_what_the_system_refuses_is_our_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: object
) -> None:
    assert callable(ask)
    with pytest.raises(ArtifactError, match="File name too long"):
        ask(tmp_path / ("n" * 300), ArtifactError)
    with pytest.raises(ArtifactError, match="no file can have this name"):
        ask(tmp_path / "a\0b", ArtifactError)

    def locked(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", locked)
    with pytest.raises(DataError, match=r"cannot be read .Permission denied."):
        ask(tmp_path / "locked" / "file", DataError)


def test_a_folder_that_may_not_be_listed_is_our_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", locked)
    with pytest.raises(ArtifactError, match="Permission denied"):
        is_free(tmp_path, ArtifactError)
