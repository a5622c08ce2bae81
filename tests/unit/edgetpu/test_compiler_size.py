"""What a size as the compiler prints it may stand for."""

import pytest

from edgescale.edgetpu.compiler_size import parse_size


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        pytest.param("66.00KiB", 67_579, 67_594, id="two decimals of KiB"),
        pytest.param("0.00B", 0, 0, id="nothing is exactly nothing"),
        pytest.param("512.00B", 512, 512, id="bytes are exact"),
        pytest.param("64.00MiB", 67_103_622, 67_119_349, id="two decimals of MiB"),
        pytest.param("1.00GiB", 1_068_373_115, 1_084_479_242, id="GiB"),
    ],
)
def test_a_printed_size_knows_its_precision(text: str, low: int, high: int) -> None:
    size = parse_size(text)
    assert size is not None
    assert (size.low_bytes, size.high_bytes) == (low, high)
    assert size.covers(size.size_bytes)
    assert not size.covers(low - 1)
    assert not size.covers(high + 1)


@pytest.mark.parametrize("text", ["", "4.21", "4.21M", "MiB", "-1.00B", "1e3B", "4.21MiB x", "nan"])
def test_what_is_no_size_is_none(text: str) -> None:
    assert parse_size(text) is None
