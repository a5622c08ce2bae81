"""The verdict in words: what a person reads on the terminal and at the top of the report."""

from collections.abc import Iterator

from edgescale.scaling.coefficients import Coefficients
from edgescale.search.paired import CONFIDENCE, MOST_SEEDS, Difference
from edgescale.search.verdict import Standing, Verdict
from edgescale.units import count

_ENOUGH_IMAGES = 2_000  # at an accuracy of 90 % their own noise is 0.67 points


def summary_lines(verdict: Verdict) -> list[str]:
    """Returns the verdict as plain sentences."""
    compared = len(verdict.standings) > 1
    return [
        *_nothing_learned(verdict),
        *([_best(verdict), *_separated(verdict), *_needed(verdict)] if compared
          else [_nothing_compared(verdict)]),
        _decision(verdict),
        *_baseline(verdict),
        *_images(verdict),
        *_apart(verdict),
    ]  # fmt: skip


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
    """Returns the seeds needed; beyond the most that are counted only that they are more."""
    if needed is None:
        return "-"
    return count(needed) if needed <= MOST_SEEDS else f"more than {count(MOST_SEEDS)}"


def seeds_of(number: int) -> str:
    """Returns a number of seeds in words."""
    return f"{number} seed{'s' * (number != 1)}"


def _nothing_learned(verdict: Verdict) -> Iterator[str]:
    if not verdict.learned:
        yield (
            "The training learned nothing measurable: not even the best is better than guessing by"
            " more than its validation images vary. Change the training before reading anything"
            " into this."
        )


def _nothing_compared(verdict: Verdict) -> str:
    alone = verdict.standings[0]
    tried = (
        f"none of the {verdict.challengers} challengers finished on every seed of the published"
        if verdict.challengers
        else "no candidate was tried beside the published"
    )
    return (
        f"Nothing was compared: {tried} {name_of(alone.coefficients)}, whose mean"
        f" {verdict.scoring.metric} is {_mean(alone, verdict)}."
    )


def _best(verdict: Verdict) -> str:
    best = verdict.standings[0]
    return (
        f"Best mean {verdict.scoring.metric}: {name_of(best.coefficients)} with"
        f" {_mean(best, verdict)}."
    )


def _mean(standing: Standing, verdict: Verdict) -> str:
    over = seeds_of(len(verdict.seeds))
    said = over if standing.sd is None else f"± is the standard deviation over {over}"
    return f"{spread(standing.mean, standing.sd)} ({said})"


def _separated(verdict: Verdict) -> Iterator[str]:
    """Yields what is tied with the best, what is worse, and what has no interval."""
    if len(verdict.seeds) == 1:
        yield "One seed shows no spread, so nothing separates the candidates; use three or more."
        return
    others = [(one, one.to_best) for one in verdict.standings[1:] if one.to_best is not None]
    tied = [one for one, gap in others if not gap.worse and not gap.constant]
    worse = sum(gap.worse for _, gap in others)
    if tied:
        yield (
            f"Statistically tied with it, {len(tied)} of {len(others)}: {_listed(tied)}; their"
            " paired 95 % intervals to the best include 0."
        )
    if worse:
        yield (
            f"Worse than the best, each pair by itself at 95 %: {worse} of {len(others)}. Where"
            " many candidates are equal in truth, one or another looks worse that way, so it is no"
            " proof for all of them."
        )
    same = [one for one, gap in others if gap.constant]
    if same:
        yield (
            f"At the same distance from it on every seed: {_listed(same)}; without any spread no"
            " interval follows, so nothing is proven of them."
        )


def _needed(verdict: Verdict) -> Iterator[str]:
    tied = [verdict.standing(one) for one in verdict.tied[1:]]
    known = [
        f"{name_of(one.coefficients)} {seeds_text(one.seeds_needed)}"
        for one in tied
        if one.seeds_needed is not None
    ]
    if known:
        yield (
            "Seeds that would separate them from the best (80 % power, if the difference is as"
            f" measured): {', '.join(known)}."
        )


def _decision(verdict: Verdict) -> str:
    published = name_of(verdict.standing(verdict.incumbent).coefficients)
    if len(verdict.standings) == 1:
        return f"Kept: the published {published}, for want of a comparison."
    if verdict.best == verdict.chosen == verdict.incumbent:
        return f"Kept: the published {published}, which also have the best mean."
    number = verdict.challengers
    together = "95 %" if number == 1 else f"95 % for {number} challengers together"
    one = verdict.standing(verdict.best if verdict.kept else verdict.chosen)
    by = "" if one.to_incumbent is None else gain(one.to_incumbent)
    if one.to_incumbent is None or one.to_incumbent.low is None:
        together = "without an interval"
    if not verdict.kept:
        return (
            f"Adopted: {name_of(one.coefficients)}. It beats the published {published} by {by}"
            f" points ({together})."
        )
    picked = ""
    if verdict.incumbent not in verdict.tied:
        picked = (
            f". As a pair alone the two are separated, but the best of {number} challengers was"
            " picked by its scores"
        )
    return (
        f"Kept: the published {published}. No candidate is proven to beat them; the best mean gains"
        f" {by} points ({together}){picked}."
    )


def _baseline(verdict: Verdict) -> Iterator[str]:
    against = verdict.standing(verdict.chosen).to_baseline
    if against is not None:
        said = "better" if against.better else "worse" if against.worse else "not separated"
        yield (
            f"Against the baseline trained likewise, the chosen one gains {gain(against)} points"
            f" ({seeds_of(against.n)}{_level(against)}): {said}."
        )


def _level(difference: Difference) -> str:
    known = difference.low is not None
    return f", {100 * CONFIDENCE:g} %" if known else ", no interval"


def _images(verdict: Verdict) -> Iterator[str]:
    images, interval = verdict.validation_images, verdict.image_interval
    if images is None or interval is None:
        return
    low, high = (100 * end for end in interval)
    yield (
        f"All scores are from one set of {count(images)} validation images: as far as these tell,"
        f" the best {verdict.scoring.metric} is from {low:.2f} to {high:.2f} % (95 %, Wilson),"
        " which more seeds do not narrow."
    )
    if images < _ENOUGH_IMAGES:
        yield (
            "They are few: candidates closer than about"
            f" {(high - low) / 2:.1f} points could change places on other images. Take"
            f" {count(_ENOUGH_IMAGES)} or more."
        )


def _apart(verdict: Verdict) -> Iterator[str]:
    if verdict.apart:
        named = "; ".join(f"{name_of(one.coefficients)} ({one.reason})" for one in verdict.apart)
        yield f"Not compared: {named}."


def _listed(standings: list[Standing]) -> str:
    return ", ".join(name_of(one.coefficients) for one in standings)
