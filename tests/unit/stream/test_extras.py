"""What is said of a package that is not there, and of one that is and does not work."""

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.extras import needing


def said(problem: BaseException) -> str:
    with pytest.raises(SinkFailed) as caught, needing("mail", "paho-mqtt>=2", "mqtt"):
        raise problem
    return str(caught.value)


def test_a_package_that_is_missing_is_to_be_installed() -> None:
    missing = ModuleNotFoundError("No module named 'no_such'", name="no_such.part")
    expected = "mail needs paho-mqtt>=2, which is missing: pip install 'edgescale[mqtt]'"
    assert said(missing) == expected


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (ImportError("undefined symbol: x\nand a page more"), "ImportError: undefined symbol: x"),
        (ModuleNotFoundError("No part", name="pytest.part"), "ModuleNotFoundError: No part"),
        (ModuleNotFoundError("No name"), "ModuleNotFoundError: No name"),
        (SyntaxError("invalid"), "SyntaxError: invalid"),
        (AttributeError(), "AttributeError"),
        (OSError("a" * 500), "OSError: " + "a" * 200),
    ],
)
def test_a_package_that_does_not_work_is_to_be_installed_again(
    problem: Exception, why: str
) -> None:
    assert said(problem) == (
        f"mail needs paho-mqtt>=2, which is installed but does not work ({why}):"
        " pip install --force-reinstall 'paho-mqtt>=2'"
    )


def test_whoever_interrupts_is_no_broken_package() -> None:
    with pytest.raises(KeyboardInterrupt), needing("mail", "paho-mqtt", "mqtt"):
        raise KeyboardInterrupt
