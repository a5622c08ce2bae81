"""Packages that an extra of edgescale brings: one sentence where one is missing or broken.

They are foreign and large, and a wheel that is cut or made for another Python fails at its import
with whatever error it likes. Each is tried where the output that needs it is opened, so that the
run ends with that sentence instead of going on without the output.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from shlex import quote

from edgescale.errors import SinkFailed

_LONGEST = 200


@contextmanager
def needing(what: str, requirement: str, extra: str) -> Iterator[None]:
    """Stands around the imports of a package that need not be there.

    Args:
        what: an output, as the sentence names it.
        requirement: the distribution, with a version where an older one does not do.
        extra: of edgescale, that installs it.

    Raises:
        SinkFailed: the package is not installed, or it is and does not work.
    """
    try:
        yield
    except ModuleNotFoundError as problem:
        if problem.name is None or find_spec(problem.name.partition(".")[0]) is not None:
            raise _broken(what, requirement, problem) from problem
        raise SinkFailed(
            f"{what} needs {requirement}, which is missing: pip install 'edgescale[{extra}]'"
        ) from problem
    except Exception as problem:
        raise _broken(what, requirement, problem) from problem


def reason(problem: BaseException) -> str:
    """Returns a foreign error in one short line; many say nothing without their class."""
    line = str(problem).strip().partition("\n")[0][:_LONGEST]
    return f"{type(problem).__name__}: {line}" if line else type(problem).__name__


def _broken(what: str, requirement: str, problem: Exception) -> SinkFailed:
    return SinkFailed(
        f"{what} needs {requirement}, which is installed but does not work ({reason(problem)}):"
        f" pip install --force-reinstall {quote(requirement)}"
    )
