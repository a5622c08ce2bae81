import os
from pathlib import Path

import pytest

from edgescale.device.kernel_files import (
    decimal,
    entries,
    is_folder,
    is_there,
    label,
    link_target,
    milli,
    read_text,
    whole_number,
)
from tests.fake_root import link, write


def test_reads_text_without_the_blanks_around_it(tmp_path: Path) -> None:
    write(tmp_path, {"model": b"Coral Dev Board\0", "type": " cpu \r\n", "latin": b"caf\xe9\n"})
    assert read_text(tmp_path / "model") == "Coral Dev Board"
    assert read_text(tmp_path / "type") == "cpu"
    assert read_text(tmp_path / "latin") == "caf\N{REPLACEMENT CHARACTER}"


def test_what_cannot_be_read_is_empty_and_never_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    link(tmp_path, "loop", "loop")
    unreadable = ("missing", "pipe", "loop", "", "nul\0in it", "x" * 5000)
    assert [read_text(tmp_path / name) for name in unreadable] == [""] * len(unreadable)
    assert not any(is_folder(tmp_path / name) for name in unreadable if name)
    assert not any(is_there(tmp_path / name) for name in unreadable if name not in ("", "pipe"))
    assert entries(tmp_path / "loop") == entries(tmp_path / "nul\0") == []
    assert link_target(tmp_path / "pipe") == ""


def test_a_file_without_end_is_read_up_to_a_mebibyte(tmp_path: Path) -> None:
    assert read_text(Path("/dev/zero")) == ""
    (tmp_path / "long").write_bytes(b"x" * (2**20 + 1))
    assert len(read_text(tmp_path / "long")) == 2**20


def test_a_label_is_one_short_line(tmp_path: Path) -> None:
    write(tmp_path, {"two": "one\ntwo\n", "long": "x" * 1000, "blank": " \n"})
    assert label(tmp_path / "two") == "one"
    assert label(tmp_path / "long") == "x" * 200
    assert label(tmp_path / "blank") is None


def test_entries_are_sorted_as_people_count(tmp_path: Path) -> None:
    write(tmp_path, {"zone10/temp": "", "zone2/temp": "", "other": "", "10": "", "9": ""})
    names = [path.name for path in entries(tmp_path)]
    assert names == ["9", "10", "other", "zone2", "zone10"]


@pytest.mark.parametrize("text", ["", "max", "-1", "1.5", "²", "٣", "9" * 5000, "0x10", "1 2"])
def test_junk_is_no_whole_number(text: str) -> None:
    assert whole_number(text) is None


def test_numbers_are_finite() -> None:
    assert whole_number("123") == 123
    assert (decimal("1.5"), decimal("nan"), decimal("inf"), decimal("x")) == (1.5, None, None, None)
    assert (milli("47300"), milli("-89700"), milli("--5"), milli("")) == (47.3, -89.7, None, None)
