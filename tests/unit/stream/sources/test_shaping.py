import numpy as np
import pytest

from edgescale.errors import StreamError
from edgescale.stream.sources.shaping import RateLimit, Shaping


def test_the_region_is_cut_out_first_and_then_turned_clockwise() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    shaped = Shaping(roi=(1, 0, 3, 2), rotate=90).shaped(image, "cam")
    assert shaped.shape == (3, 2, 3)
    assert (shaped == np.rot90(image[0:2, 1:4], -1)).all()
    assert (Shaping(rotate=180).shaped(image, "") == image[::-1, ::-1]).all()
    assert (Shaping(rotate=270).shaped(image, "") == np.rot90(image)).all()


def test_a_region_alone_copies_nothing() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    assert np.shares_memory(Shaping(roi=(1, 1, 2, 2)).shaped(image, "cam"), image)


def test_a_region_outside_the_picture_is_refused() -> None:
    with pytest.raises(StreamError, match="6x4 do not hold the region of 6x4 at 1,0"):
        Shaping(roi=(1, 0, 6, 4)).shaped(np.zeros((4, 6, 3), np.uint8), "cam")


@pytest.mark.parametrize(("rate", "kept"), [(10.0, 10), (20.0, 20), (7.0, 7), (60.0, 30)])
def test_a_rate_is_held_evenly(rate: float, kept: int) -> None:
    limit = RateLimit(rate)
    times = [index / 30 for index in range(300)]
    through = [now_s for now_s in times if limit.due(100 + now_s)]
    assert len(through) == pytest.approx(10 * kept, abs=1)
    gaps = np.diff(through)
    assert gaps.max() - gaps.min() <= 1 / 30 + 1e-6


def test_after_a_pause_or_a_clock_set_back_the_rate_goes_on() -> None:
    limit = RateLimit(10)
    assert limit.due(1000.0)
    assert not limit.due(1000.05)
    assert limit.due(2000.0)
    assert not limit.due(2000.05)
    assert limit.due(500.0)
    assert not limit.due(500.05)
