"""A flag's value that can be none is wrong usage; the same in a file or variable is an error."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgescale.cli.classify import command
from edgescale.errors import ConfigError, StreamError
from tests.fakes import fake_family


def classify(*flags: str) -> Result:
    return CliRunner().invoke(command, ["no-family", *flags])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        pytest.param(["--rotate=45"], "cannot be turned by 45 degrees", id="rotate"),
        pytest.param(["--max-fps=2000"], "cannot be held to 2000 frames", id="rate"),
        pytest.param(["--source=door=1"], "two sources are named 'door'", id="equal names"),
        pytest.param(["--source=2door=rtsp://a/1"], "cannot name a source", id="no name"),
        pytest.param(["--save=a.webm"], "saved as .mp4, .mkv or .avi", id="save"),
        pytest.param(["--web=99999"], "'99999' is no address", id="page"),
        pytest.param(["--web=0", "--web-name=a_b"], "'a_b' is no name", id="name of the page"),
        pytest.param(["--mqtt=host:abc"], "not given as HOST or HOST:PORT", id="broker"),
        pytest.param(["--mqtt=host", "--mqtt-prefix=a/#"], "is no plain topic", id="prefix"),
        pytest.param(["--webhook=file:///x"], "a webhook is http://HOST", id="webhook"),
        pytest.param(["--leave=0.9"], "above --enter 0.6, its default; lower it", id="leave"),
        pytest.param(["--save=\x1b[2J.webm"], "saved as .mp4", id="control character"),
    ],
)
def test_a_value_that_can_be_none_is_wrong_usage(flags: list[str], said: str) -> None:
    result = classify("--source=door=0", *flags)
    assert result.exit_code == 2
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert said in sentence
    assert "\x1b" not in result.stderr


def test_what_is_off_may_be_switched_off() -> None:
    result = classify("--source=door=0", "--no-mqtt-tls", "--no-window", "--no-json", "--no-adapt")
    assert "no-family" in str(result.exception)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[sources]]\naddress = '0'\nrotate = 45", "45"),
        ("[[sources]]\naddress = '0'\n[outputs]\nsave = 'a.webm'", "saved as"),
        ("[[sources]]\naddress = '0'\n[outputs.web]\naddress = 99999", "99999"),
        ("[[sources]]\naddress = '0'\n[[sources]]\naddress = '0'", "two sources are named"),
    ],
)
def test_what_is_wrong_in_a_file_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    path, family = tmp_path / "run.toml", fake_family(tmp_path / "family", {"a": 1})
    path.write_text(text)
    result = CliRunner().invoke(command, [str(family.folder), f"--config={path}", "--variant=a"])
    assert isinstance(result.exception, StreamError)
    assert result.exception.exit_code == 1
    assert said in str(result.exception)


def test_a_variable_that_holds_no_secret_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESCALE_WEB_TOKEN", "two\nlines")
    result = classify("--source=0", "--web=0")
    assert isinstance(result.exception, ConfigError)
