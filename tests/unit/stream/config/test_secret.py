"""Secrets come from a variable or a file, and no message repeats one."""

from pathlib import Path

import pytest

from edgescale.errors import SinkFailed, StreamError
from edgescale.stream.config.secret import Secret


def test_from_a_variable_and_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes("schön geheim \r\n".encode())
    assert Secret(file=path).read("mqtt") == "schön geheim "
    assert Secret(env="PASSWORD").read("mqtt", environment={"PASSWORD": "geheim"}) == "geheim"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param(b"", "holds no secret", id="empty"),
        pytest.param(b"\n", "holds no secret", id="a line end"),
        pytest.param(b"top secret\nsecond line\n", "of one line", id="two lines"),
        pytest.param(b"top secret" * 1000, "of one line", id="long"),
        pytest.param(b"top secret\xff", "not UTF-8", id="binary"),
    ],
)
def test_a_file_that_holds_none_is_one_sentence(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SinkFailed, match=said) as caught:
        Secret(file=path).read("mqtt", error=SinkFailed)
    assert "top secret" not in str(caught.value)


def test_a_device_or_folder_is_no_secret(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(StreamError, match="is no file"):
            Secret(file=path).read("mqtt")


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(StreamError, match="variable GARDEN_PASSWORD holds no secret"):
        Secret(env="GARDEN_PASSWORD").read("mqtt", environment={})
