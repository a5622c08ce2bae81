"""Passwords and tokens: from an environment variable or a file, never from the command line.

Every user of a machine sees the command lines of all; a variable or a file of the service is seen
by its owner only.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgescale.errors import EdgescaleError, StreamError

_LONGEST_BYTES = 8192


@dataclass(frozen=True)
class Secret:
    """Where a secret is; what it is stays out of every text.

    Attributes:
        env: name of the environment variable that holds it.
        file: the file that holds it; a line end at its end does not count.
    """

    env: str | None = None
    file: Path | None = None

    def read(
        self,
        where: str,
        *,
        environment: Mapping[str, str] = os.environ,
        error: type[EdgescaleError] = StreamError,
    ) -> str:
        """Returns the secret.

        Args:
            where: what needs it, for messages.
            environment: the variables.
            error: the class of the errors raised.

        Raises:
            EdgescaleError: of the class given; not there, empty, too long or no text of one line.
        """
        if self.file is not None:
            found, place = _from_file(self.file, where, error), f"the file {self.file}"
        else:
            name = self.env or ""
            found, place = environment.get(name, ""), f"the environment variable {name}"
        if not found:
            raise error(f"{where}: {place} holds no secret; put it there")
        if len(found) > _LONGEST_BYTES or not found.isprintable():
            raise error(f"{where}: {place} holds no password or token of one line; correct it")
        return found


def _from_file(path: Path, where: str, error: type[EdgescaleError]) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe might never end
            raise error(f"{where}: {path} is no file; give the file that holds the secret")
        with path.open("rb") as file:
            content = file.read(_LONGEST_BYTES + 3)
        return content.decode().removesuffix("\n").removesuffix("\r")
    except OSError as problem:
        raise error(
            f"{where}: {path} cannot be read ({problem.strerror}); give a file that you may read"
        ) from problem
    except ValueError as problem:
        raise error(f"{where}: {path} is not UTF-8 text; put the secret there as text") from problem
