import signal
import sys

import click
import pytest
from click.testing import CliRunner

from edgescale.cli.options import FiniteRange, above_zero, progress_bar, terminable


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "ten"])
def test_a_limit_that_is_no_positive_number_is_wrong_usage(text: str) -> None:
    @click.command()
    @click.option("--limit", type=float, callback=above_zero)
    def verb(limit: float | None) -> None:
        click.echo(f"{limit}")

    assert CliRunner().invoke(verb, [f"--limit={text}"]).exit_code == 2
    assert CliRunner().invoke(verb, ["--limit=2.5"]).output == "2.5\n"


def terminate() -> None:
    with terminable():
        signal.raise_signal(signal.SIGTERM)


def test_sigterm_is_an_orderly_exit_and_the_old_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        terminate()
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_a_terminal_there_is_no_bar() -> None:
    with progress_bar("measuring") as progress:
        assert progress is None


def test_a_range_holds_no_nan() -> None:
    @click.command()
    @click.option("--fraction", type=FiniteRange(0, 1))
    def verb(fraction: float | None) -> None:
        click.echo(f"{fraction}")

    for text in ("nan", "inf", "1.5", "x"):
        assert CliRunner().invoke(verb, [f"--fraction={text}"]).exit_code == 2
    assert CliRunner().invoke(verb, ["--fraction=0.5"]).output == "0.5\n"


def hang_up() -> None:
    with terminable():
        signal.raise_signal(signal.SIGHUP)


def test_a_closed_terminal_is_an_orderly_exit_unless_it_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as caught:
            hang_up()
        assert caught.value.code == 129
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        hang_up()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_stderr_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with progress_bar("measuring") as progress:
        assert progress is None
