"""A study as its readers see it: what was asked, the candidates, and the trials so far.

Verdict, tables, pictures and report are computed from this alone, so that equal records give equal
pages whichever engine ran them and however often it was killed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgescale.search.score import Scoring
from edgescale.search.space import Space
from edgescale.search.trial import TrialRecord


@dataclass(frozen=True)
class StudyView:
    """One study.

    Attributes:
        definition: what the study is, as its storage keeps it; see below.
        space: every candidate and every point left out.
        records: trials that ended, in any order, the baseline's not among them.
        scoring: how each was scored.
        baseline_scores: the baseline's own trials (phi 0), where it was trained too.

    Of ``definition`` a report reads the keys that ``Search.definition`` writes, among them
    ``baseline_is`` (``published``, ``trained`` or ``untrained``) and ``baseline_trained`` (the
    published score, or null).
    """

    definition: Mapping[str, Any]
    space: Space
    records: tuple[TrialRecord, ...]
    scoring: Scoring
    baseline_scores: tuple[TrialRecord, ...] = ()
