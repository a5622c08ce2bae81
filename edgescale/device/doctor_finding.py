"""What the doctor says: one finding, with what shows it and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        check: the name of the check, the same in every release.
        level: ``error``: the Edge TPU (or any inference) will not work as asked; ``warning``: it
            works, but slowly or not for long; ``ok``: as it should be, or not needed.
        what: one sentence.
        evidence: files, values or texts that show it, one a line.
        mend: what to do, with the command where there is one; None where nothing is to do.
    """

    check: str
    level: Level
    what: str
    evidence: tuple[str, ...]
    mend: str | None = None


def fine(check: str, what: str, *evidence: str) -> Finding:
    """Returns a finding that asks for nothing."""
    return Finding(check, "ok", what, evidence)
