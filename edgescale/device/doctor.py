"""Names the cause behind "Failed to load delegate", which TFLite gives for every one of them.

The facts are gathered first, then judged by functions that touch nothing; each finding says what
is wrong, what shows it, and what to do.
"""

from pathlib import Path

from edgescale.device.doctor_board import board_findings
from edgescale.device.doctor_facts import Facts
from edgescale.device.doctor_finding import Finding
from edgescale.device.doctor_gather import Asked, Notice, gather
from edgescale.device.doctor_software import software_findings
from edgescale.device.probe import ROOT

_ORDER = ("error", "warning", "ok")


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Judges facts: errors first, within a level the device before the software."""
    found = (*board_findings(facts), *software_findings(facts))
    return tuple(sorted(found, key=lambda one: _ORDER.index(one.level)))


def examine(
    asked: Asked, *, root: Path = ROOT, notice: Notice = lambda text: None
) -> tuple[Finding, ...]:
    """Gathers and judges.

    Args:
        asked: what the user named.
        root: where ``proc``, ``sys``, ``dev`` and ``etc`` are; ``/`` outside tests.
        notice: told what is done next before it takes long.

    Raises:
        FamilyError: the family or model that was named is not there.
    """
    return diagnose(gather(asked, root=root, notice=notice))
