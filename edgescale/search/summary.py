"""The verdict in words: what a person reads on the terminal and at the top of the report."""

from collections.abc import Iterator

from edgescale.scaling.coefficients import Coefficients
from edgescale.search.paired import CONFIDENCE, Difference
from edgescale.search.verdict import Standing, Verdict
from edgescale.units import count

_MOST_SEEDS = 1_000  # beyond it the number says no more than "the same"


def summary_lines(verdict: Verdict) -> list[str]:
    """Returns the verdict as plain sentences."""
    return [
        _best(verdict),
        _tied(verdict),
        *_needed(verdict),
        _decision(verdict),
        *_baseline(verdict),
        *_images(verdict),
        *_apart(verdict),
    ]


def name_of(coefficients: Coefficients) -> str:
    """Returns alpha/beta/gamma as text, e.g. ``1.2/1.1/1.15``."""
    return f"{coefficients.alpha:g}/{coefficients.beta:g}/{coefficients.gamma:g}"


def spread(mean: float, sd: float | None) -> str:
    """Returns a mean with its standard deviation, in per cent: ``91.30 ± 0.42 %``."""
    return f"{100 * mean:.2f}" + ("" if sd is None else f" ± {100 * sd:.2f}") + " %"


def gain(difference: Difference) -> str:
    """Returns a gain with its interval, in points: ``+1.20 [-0.30, +2.70]``."""
    text = f"{100 * difference.gain:+.2f}"
    if difference.low is None or difference.high is None:
        return text
    return f"{text} [{100 * difference.low:+.2f}, {100 * difference.high:+.2f}]"


def seeds_text(needed: int | None) -> str:
    """Returns the seeds needed; beyond a thousand only that they are more."""
    if needed is None:
        return "-"
    return count(needed) if needed <= _MOST_SEEDS else f"> {count(_MOST_SEEDS)}"


def seeds_of(number: int) -> str:
    """Returns a number of seeds in words."""
    return f"{number} seed{'s' * (number != 1)}"


def _best(verdict: Verdict) -> str:
    best = verdict.standings[0]
    return (
        f"Best mean {verdict.scoring.metric}: {name_of(best.coefficients)} with"
        f" {spread(best.mean, best.sd)} ({seeds_of(len(verdict.seeds))})."
    )


def _tied(verdict: Verdict) -> str:
    others = [verdict.standing(one) for one in verdict.tied[1:]]
    compared = len(verdict.standings) - 1
    if len(verdict.seeds) == 1:
        return "One seed shows no spread, so nothing separates the candidates; use three or more."
    if not others:
        return f"Nothing is tied with it: the other {compared} are worse at 95 %."
    return (
        f"Statistically tied with it, {len(others)} of {compared}: {_listed(others)}; their paired"
        " 95 % intervals to the best include 0."
    )


def _needed(verdict: Verdict) -> Iterator[str]:
    tied = [verdict.standing(one) for one in verdict.tied[1:]]
    known = [
        f"{name_of(one.coefficients)} {seeds_text(one.seeds_needed)}"
        for one in tied
        if one.seeds_needed is not None
    ]
    if known:
        yield f"Seeds that would separate them from the best (80 % power): {', '.join(known)}."


def _decision(verdict: Verdict) -> str:
    challengers = len(verdict.standings) - 1
    together = f"95 % for {challengers} challenger{'s' * (challengers != 1)} together"
    published = name_of(verdict.standing(verdict.incumbent).coefficients)
    one = verdict.standing(verdict.best if verdict.kept else verdict.chosen)
    by = "" if one.to_incumbent is None else f" {gain(one.to_incumbent)}"
    if not verdict.kept:
        return (
            f"Adopted: {name_of(one.coefficients)}. It beats the published {published} by{by}"
            f" points ({together})."
        )
    lead = f"; the best mean gains{by} points" if by else ""
    return f"Kept: the published {published}. No candidate beats them ({together}){lead}."


def _baseline(verdict: Verdict) -> Iterator[str]:
    against = verdict.standing(verdict.chosen).to_baseline
    if against is not None:
        said = "better" if against.better else "worse" if against.worse else "not separated"
        yield (
            f"Against the baseline trained likewise, the chosen one gains {gain(against)} points"
            f" ({seeds_of(against.n)}, {100 * CONFIDENCE:g} %): {said}."
        )


def _images(verdict: Verdict) -> Iterator[str]:
    images, sd = verdict.validation_images, verdict.image_sd
    if images is None or sd is None:
        return
    yield (
        f"All accuracies are from one set of {count(images)} validation images: with another set of"
        f" that size the best would move by ± {100 * sd:.2f} points (one binomial standard"
        " deviation), which more seeds do not reduce."
    )


def _apart(verdict: Verdict) -> Iterator[str]:
    if verdict.apart:
        named = "; ".join(f"{name_of(one.coefficients)} ({one.reason})" for one in verdict.apart)
        yield f"Not compared: {named}."


def _listed(standings: list[Standing]) -> str:
    return ", ".join(name_of(one.coefficients) for one in standings)
