"""Sizes and counts: read with their unit, written short."""

import pytest

from edgescale.units import parse_bytes, parse_count, share, si


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("4000000", 4_000_000), ("4MB", 4_000_000), ("4 MiB", 4 * 2**20), ("6.6mb", 6_600_000),
     ("1e6", 10**6), ("2.5E+3kB", 2_500_000), ("1.5kB", 1500), ("1GiB", 2**30), (" 7 B ", 7)],
)  # fmt: skip
def test_sizes_are_read_exactly(text: str, size_bytes: int) -> None:
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "number"),
    [("600M", 600_000_000), ("4G", 4 * 10**9), ("0.3k", 300), ("12", 12), ("1e9", 10**9)],
)
def test_counts_are_read_exactly(text: str, number: int) -> None:
    assert parse_count(text) == number


@pytest.mark.parametrize(
    "text", ["", "4M", "-4MB", "0", "0.4", "nan", "inf", "1e-3", "1e", "4 MB MB"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size like 4000000, 4MB"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["4MB", "0G", "-1", "many"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a count like"):
        parse_count(text)


def test_numbers_are_written_short() -> None:
    assert [si(6_976_128, "B"), si(6_600_000, "B"), si(512, "B")] == ["6.98 MB", "6.6 MB", "512 B"]
    assert [si(4_000_000_000), si(999), si(12_345)] == ["4 G", "999", "12.35 k"]


def test_a_share_reads_as_all_of_a_limit_only_when_it_is() -> None:
    assert [share(part, 6_600_000) for part in (6_600_000, 6_599_999, 6_234_567)] == [
        "100.0 %", "99.99998 %", "94.5 %",
    ]  # fmt: skip
    assert share(6_600_001, 6_600_000) == "100.00002 %"
