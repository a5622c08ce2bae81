from pathlib import Path

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.file_names import file_part, own_folder, stamped, unused


def test_a_name_begins_with_utc_time_and_leaves_out_what_is_empty() -> None:
    name = stamped(1_767_225_600.25, "", "water bottle", suffix=".jpg")
    assert name == "edgescale_20260101T000000.250Z_water_bottle.jpg"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("front-door_2", "front-door_2"),
        ("../../etc/passwd", "etc_passwd"),
        ("rtsp://u:p@cam/1?a=b", "rtsp___u_p_cam_1_a_b"),
        ("a\x00b\n\x1b[2J\u202ec", "a_b___2J_c"),
        ("\udcff", "unnamed"),
        ("...", "unnamed"),
        ("café 猫", "café_猫"),
        ("x" * 500, "x" * 60),
        ("é" * 500, "é" * 30),
        ("a" + "猫" * 30, "a" + "猫" * 19),
    ],
)
def test_foreign_text_becomes_one_harmless_part_of_a_name(text: str, part: str) -> None:
    assert file_part(text) == part
    assert len(part.encode()) <= 60


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    for name in ("a.jpg", "a-2.jpg"):
        (tmp_path / name).touch()
    assert unused(tmp_path / "a.jpg").name == "a-3.jpg"
    assert unused(tmp_path / "b.jpg").name == "b.jpg"


def test_a_folder_is_made_or_refused_in_one_sentence(tmp_path: Path) -> None:
    assert own_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(SinkFailed, match="no folder can be made there"):
        own_folder(tmp_path / "file" / "b")
