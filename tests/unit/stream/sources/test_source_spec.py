from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import StreamError
from edgescale.stream.sources.source_spec import SourceSpec, parse_source


def test_a_name_may_stand_before_the_address() -> None:
    spec = parse_source("door=rtsp://u:s3cret@cam/1?a=b")
    assert (spec.name, spec.address) == ("door", "rtsp://u:s3cret@cam/1?a=b")
    assert parse_source("rtsp://cam/1?fps=5").name == "rtsp://cam/1?fps=5"
    assert parse_source("1=2.mp4").address == "1=2.mp4"


def test_a_file_of_that_whole_name_is_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_source("take=2.mp4").address == "2.mp4"
    Path("take=2.mp4").touch()
    assert parse_source("take=2.mp4").address == "take=2.mp4"


def test_credentials_are_neither_in_the_name_nor_in_what_is_printed() -> None:
    spec = SourceSpec("rtsp://u:s3cret@cam/1")
    assert spec.name == "rtsp://cam/1"
    assert "s3cret" not in f"{spec!r} {spec}"


@pytest.mark.parametrize("name", ["front door", "Küche", "1", "a" * 33, ""])
def test_a_bad_name_before_a_url_is_refused_without_the_credentials(name: str) -> None:
    with pytest.raises(StreamError, match=f"'{name}' cannot name a source") as caught:
        parse_source(f"{name}=rtsp://u:s3cret@cam/1")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ["rtsp:/u:s3cret@cam/1", "u:s3cret@cam/1", "a b=u:s3cret@cam/1"])
def test_a_mistyped_url_shows_no_credentials_either(text: str) -> None:
    assert "s3cret" not in parse_source(text).name


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"roi": (0, 0, 0, 5)}, "region"),
        ({"roi": (-1, 0, 5, 5)}, "region"),
        ({"rotate": 45}, "0, 90, 180 or 270"),
        ({"max_fps": 0.0}, "frames per second"),
        ({"max_fps": float("nan")}, "frames per second"),
        ({"size": (0, 480)}, "no size"),
        ({"fps": -1.0}, "no rate"),
        ({"pixel_format": "MJPEG"}, "four letters"),
    ],
)
def test_values_no_source_could_have_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(StreamError, match=text):
        SourceSpec("0", **changes)


def test_an_address_that_cannot_be_is_refused_before_it_is_opened() -> None:
    with pytest.raises(StreamError, match=r"source 'rtsp://cam/1': a / \? or # in a user"):
        parse_source("rtsp://u:s3c#ret@cam/1")


def test_an_empty_address_is_refused() -> None:
    with pytest.raises(StreamError, match="empty"):
        parse_source("")
