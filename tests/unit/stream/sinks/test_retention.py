import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.file_names import stamped
from edgescale.stream.sinks.retention import Retention

NOW_S = 1_800_000_000.0


def ours(folder: Path, age_s: float, *, suffix: str = ".mp4", size_bytes: int = 100) -> Path:
    path = folder / stamped(NOW_S - age_s, "front", suffix=suffix)
    path.write_bytes(bytes(size_bytes))
    return path


def retention(
    folder: Path, *, max_bytes: int | None = None, max_age_s: float | None = None
) -> Retention:
    return Retention(
        folder, (".mp4",), max_bytes=max_bytes, max_age_s=max_age_s, clock=lambda: NOW_S
    )


def test_the_oldest_go_until_there_is_room_for_what_comes(tmp_path: Path) -> None:
    newest, oldest, middle = (ours(tmp_path, age_s) for age_s in (1, 300, 20))
    retention(tmp_path, max_bytes=300).make_room()
    assert oldest.exists()
    retention(tmp_path, max_bytes=300).make_room(1)
    assert (newest.exists(), middle.exists(), oldest.exists()) == (True, True, False)
    retention(tmp_path, max_bytes=300).make_room(300)
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_old_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    young, old, written = (ours(tmp_path, age_s) for age_s in (59, 61, 62))
    retention(tmp_path, max_age_s=60).make_room(keep=frozenset({written}))
    assert (young.exists(), old.exists(), written.exists()) == (True, False, True)
    retention(tmp_path, max_bytes=150).make_room(keep=frozenset({written}))
    assert list(tmp_path.iterdir()) == [written]


def test_foreign_files_folders_and_links_neither_count_nor_go(tmp_path: Path) -> None:
    names = ("holiday.mp4", "edgescale.mp4", "20200101T000000.000Z.mp4", "notes.txt",
             "edgescale_20201399T000000.000Z.mp4", "edgescale_20200101T000000.000Z.txt",
             "my_edgescale_20200101T000000.000Z.mp4")  # fmt: skip
    for name in names:
        (tmp_path / name).write_bytes(bytes(1000))
    (tmp_path / "edgescale_20200101T000000.000Z_folder.mp4").mkdir()
    (tmp_path / "edgescale_20200101T000000.000Z_link.mp4").symlink_to(tmp_path / "holiday.mp4")
    before = sorted(tmp_path.iterdir())
    own = ours(tmp_path, 10)
    retention(tmp_path, max_bytes=100, max_age_s=60).make_room()
    assert sorted([*before, own]) == sorted(tmp_path.iterdir())
    retention(tmp_path, max_bytes=100, max_age_s=5).make_room()
    assert before == sorted(tmp_path.iterdir())


def test_more_than_all_may_take_is_refused_and_nothing_is_deleted_for_it(tmp_path: Path) -> None:
    own = ours(tmp_path, 10)
    with pytest.raises(SinkFailed, match="is all that may be kept; allow more"):
        retention(tmp_path, max_bytes=200).make_room(201)
    assert own.exists()


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SinkFailed, match="old files cannot be deleted"):
        retention(tmp_path / "no", max_bytes=1).make_room()


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_is_above_zero(tmp_path: Path, limit: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        retention(tmp_path, max_age_s=limit)


def test_a_full_disk_costs_the_oldest_as_much_as_the_next_one_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_bytes = 10 * 2**20

    def usage(folder: Path) -> SimpleNamespace:
        taken_bytes = sum(path.stat().st_size for path in folder.iterdir())
        return SimpleNamespace(free=disk_bytes - taken_bytes)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    for age_s in range(1, 9):
        ours(tmp_path, age_s, size_bytes=2**20)
    assert not retention(tmp_path).clear_disk()  # it is not full
    mine = tmp_path / "mine.mp4"
    mine.write_bytes(bytes(2**20))
    written = ours(tmp_path, 100, size_bytes=100)
    assert retention(tmp_path).clear_disk(keep=frozenset({written}))
    assert mine.exists()
    assert written.exists()
    kept = sorted(path.name for path in tmp_path.iterdir() if path not in (mine, written))
    assert len(kept) == 5
    assert kept[-1] == stamped(NOW_S - 1, "front", suffix=".mp4")
    disk_bytes = 0
    assert not retention(tmp_path).clear_disk()
    kept = [path.name for path in tmp_path.iterdir() if path != mine]
    assert kept == [stamped(NOW_S - 1, "front", suffix=".mp4")]  # never the newest


def test_a_disk_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SinkFailed, match="none: is gone"):
        retention(tmp_path / "none").disk_is_full()
    with pytest.raises(SinkFailed, match="none: old files cannot be deleted"):
        retention(tmp_path / "none").clear_disk()
