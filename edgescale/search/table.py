"""The table of candidates: costs and scores only, so that equal trials give equal lines.

A search that was killed and went on, or ran on another engine, ends in the same table; times and
machines are told elsewhere in the report.
"""

from collections.abc import Iterator, Sequence

from edgescale.search.space import Candidate
from edgescale.search.summary import gain, name_of, seeds_text, spread
from edgescale.search.verdict import Standing, Verdict, verdict
from edgescale.search.view import StudyView
from edgescale.units import count

_HEADINGS = ("alpha", "beta", "gamma", "px", "MACs", "of target", "parameters", "score", "seeds",
             "to the best, 95 % each pair by itself",
             "gain on the published, 95 % for all challengers together", "seeds needed",
             "remark")  # fmt: skip


def judge(view: StudyView) -> Verdict:
    """Returns the verdict on a study.

    Raises:
        SearchError: the published coefficients have no finished trial, or trials are mixed up.
    """
    return verdict(
        view.records,
        scoring=view.scoring,
        incumbent=view.space.incumbent.identity,
        baseline=view.baseline_scores,
        validation_images=view.definition.get("validation_images"),
    )


def table_lines(view: StudyView) -> list[str]:
    """Returns the candidates as a Markdown table, the best first, those not compared last.

    Raises:
        SearchError: there is no verdict.
    """
    result = judge(view)
    known = {candidate.identity: candidate for candidate in view.space.candidates}
    rows = [_row(known[one.candidate], view, one, _remark(one, result))
            for one in result.standings]  # fmt: skip
    rows += [_row(known[one.candidate], view, None, one.reason) for one in result.apart]
    return markdown(_HEADINGS, rows)


def alias_lines(view: StudyView) -> Iterator[str]:
    """Yields, for each tried candidate, the points that become its network."""
    tried = {trial.candidate for trial in view.records}
    for candidate in view.space.candidates:
        if candidate.aliases and candidate.identity in tried:
            names = ", ".join(name_of(alias) for alias in candidate.aliases)
            yield f"- {name_of(candidate.coefficients)}: {names}"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def _row(
    candidate: Candidate, view: StudyView, standing: Standing | None, remark: str
) -> list[str]:
    point, cost = candidate.coefficients, candidate.variant.cost
    return [
        f"{point.alpha:g}",
        f"{point.beta:g}",
        f"{point.gamma:g}",
        str(candidate.variant.resolution),
        count(cost.macs),
        f"{100 * (cost.macs / view.space.target_macs - 1):+.1f} %",
        count(cost.parameters),
        *_scores(standing),
        remark,
    ]


def _scores(standing: Standing | None) -> list[str]:
    if standing is None:
        return ["-"] * 5
    return [
        spread(standing.mean, standing.sd),
        str(len(standing.scores)),
        *("-" if one is None else gain(one) for one in (standing.to_best, standing.to_incumbent)),
        seeds_text(standing.seeds_needed),
    ]


def _remark(standing: Standing, result: Verdict) -> str:
    words = []
    if standing.candidate == result.incumbent:
        words.append("published")
    if standing.candidate == result.best:
        words.append("best mean")
    elif standing.to_best is not None and standing.to_best.low is None:
        words.append("no interval to the best")
    elif standing.candidate in result.tied:
        words.append("tied with the best")
    if standing.candidate == result.chosen:
        words.append("chosen")
    return ", ".join(words)
