from pathlib import Path

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.mpeg4_encoder import Mpeg4Encoder
from tests.fakes import picture
from tests.results import played

SIZE = (64, 48)


def means(path: Path, times: list[float], fps: float = 10.0) -> list[int]:
    """Writes a brighter picture at each time and returns how bright what plays is, in steps."""
    encoder = Mpeg4Encoder(path, SIZE, fps)
    for index, at_s in enumerate(times):
        encoder.write(picture(40 * index, height=48, width=64), at_s)
    encoder.close()
    return [round(frame.mean() / 40) for frame in played(path)]


def test_a_frame_stands_until_the_next_one_is_due(tmp_path: Path) -> None:
    assert means(tmp_path / "a.mkv", [0.0, 0.1, 0.4, 0.5]) == [0, 1, 1, 1, 2, 3]


def test_frames_that_come_too_fast_for_the_rate_are_left_out(tmp_path: Path) -> None:
    assert means(tmp_path / "a.mkv", [0.0, 0.02, 0.04, 0.1]) == [0, 3]


def test_an_outage_is_cut_to_one_second(tmp_path: Path) -> None:
    found = means(tmp_path / "a.mkv", [0.0, 3600.0, 3600.1])
    assert found == [0] * 11 + [1, 2]


def test_an_encoder_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SinkFailed, match="does not start for 64x48 at 10 fps"):
        Mpeg4Encoder(tmp_path / "no" / "a.mkv", SIZE, 10.0)
