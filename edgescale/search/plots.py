"""The report's two pictures: scores against realised cost, and scores over alpha and beta.

matplotlib is used here alone, on a canvas of its own, so that no global state of it is touched.
Colours are Okabe & Ito's and viridis, which people who see few colours can tell apart too.
"""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgescale.errors import SearchError
from edgescale.scaling.coefficients import Coefficients
from edgescale.search.paired import INSTALL_SEARCH, paired_difference
from edgescale.search.space import Candidate
from edgescale.search.summary import name_of, seeds_of
from edgescale.search.verdict import Standing, Verdict
from edgescale.search.view import StudyView

_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#007A5A", "#767676"
_SIZE_INCHES, _DPI = (8.0, 5.4), 150  # 1200 pixels wide
_MOST_LABELS = 14
_LABEL_GAP = 0.052  # of the axes' height
_GAMMAS = (1.0, 1.1, 1.2, 1.3, 1.4)
_CURVE_STEPS = 200


def score_macs_png(view: StudyView, verdict: Verdict) -> bytes:
    """Draws mean scores with 95 % intervals and every seed against realised MACs, as a PNG.

    Raises:
        SearchError: matplotlib is not installed.
    """
    figure, axes = _figure()
    for one in verdict.standings:
        _score_mark(axes, one, published=one.candidate == verdict.incumbent)
    axes.margins(x=0.08, y=0.08)
    _labels(axes, [*_baseline_band(axes, view), *_shown(verdict)])
    axes.set_xlabel("realised multiply-accumulates of one image, millions")
    axes.set_ylabel(f"validation {view.scoring.metric} ({view.scoring.text}), %")
    axes.set_title(
        f"Names: alpha/beta/gamma. Means of {seeds_of(len(verdict.seeds))}; small dots: single"
        " seeds. Bars: each candidate's own 95 % interval;\n"
        "the verdict pairs candidates by seed and is sharper than the bars."
        + " Dashed, with its interval: the baseline." * bool(view.baseline_scores),
        fontsize=8.5, loc="left",
    )  # fmt: skip
    axes.grid(alpha=0.25)
    return _png(figure)


def surface_png(view: StudyView, verdict: Verdict) -> bytes:
    """Draws the searched points over alpha and beta, coloured by mean score, as a PNG.

    Raises:
        SearchError: matplotlib is not installed.
    """
    figure, axes = _figure()
    means = {one.candidate: 100 * one.mean for one in verdict.standings}
    scale = _Colours(tuple(means.values()), reverse=view.scoring.direction == "minimize")
    places = [one.coefficients for one in view.space.left_out]
    axes.plot([one.alpha for one in places], [one.beta for one in places], "x",
              color=_GREY, markersize=4, zorder=2, label="left out")  # fmt: skip
    for candidate in view.space.candidates:
        _surface_mark(axes, candidate, scale, means.get(candidate.identity))
    for name, text, colour in _rings(view, verdict):
        _ring(axes, _candidate(view, name).coefficients, text, colour)
    _curves(axes, view)
    axes.set_xlabel("alpha (depth)")
    axes.set_ylabel("beta (width)")
    axes.set_title(
        "Number in a circle: gamma. Hollow: the same network as a circle of its colour. Cross: left"
        " out.\nCurves: alpha * beta^2 * gamma^2 = 2 for the gamma at their left end.",
        fontsize=8.5, loc="left",
    )  # fmt: skip
    bar = figure.colorbar(scale.mappable, ax=axes, pad=0.02)
    bar.set_label(f"mean validation {view.scoring.metric}, %")
    return _png(figure)


def spread_out(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Moves sorted values apart to at least ``gap``, as little as possible, into [low, high].

    Less the gaps below each, the places must not fall: the nearest such places are those of an
    isotonic regression, found by pooling neighbours (Barlow et al. 1972).
    """
    pools: list[list[float]] = []
    for index, value in enumerate(values):
        pools.append([value - index * gap])
        while len(pools) > 1 and _middle(pools[-2]) > _middle(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    ceiling = high - (len(values) - 1) * gap
    flat = [max(low, min(_middle(pool), ceiling)) for pool in pools for _ in pool]
    return [place + index * gap for index, place in enumerate(flat)]


def _middle(pool: Sequence[float]) -> float:
    return math.fsum(pool) / len(pool)


def _figure() -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise SearchError(
            "the report's pictures need matplotlib, which is not installed; install it with:"
            f" {INSTALL_SEARCH}"
        ) from problem
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _score_mark(axes: Any, standing: Standing, *, published: bool) -> None:
    colour, marker = (_ORANGE, "D") if published else (_BLUE, "o")
    x, y = standing.macs / 1e6, 100 * standing.mean
    interval = _own_interval(standing.scores)
    if interval is not None:
        reach = [[y - interval[0]], [interval[1] - y]]
        axes.errorbar([x], [y], yerr=reach, color=colour, capsize=4, linewidth=1.3, zorder=3)
    seeds = [100 * score for score in standing.scores]
    axes.plot([x] * len(seeds), seeds, ".", color=colour, alpha=0.45, markersize=6, zorder=2)
    axes.plot([x], [y], marker, color=colour, markersize=8, markeredgecolor="white", zorder=4)


def _own_interval(scores: Sequence[float]) -> tuple[float, float] | None:
    """Returns the 95 % interval of a mean score in per cent, as far as there are such scores."""
    own = paired_difference(scores)
    if own.low is None or own.high is None:
        return None
    return 100 * max(0.0, own.low), 100 * min(1.0, own.high)


@dataclass(frozen=True)
class _Label:
    """A name in the column at the right; ``macs`` is None where its mark is a line."""

    text: str
    macs: int | None
    mean: float
    colour: str
    bold: bool = False


def _baseline_band(axes: Any, view: StudyView) -> Iterator[_Label]:
    """Draws the unscaled baseline's mean and its 95 % interval over the whole width."""
    scores = [one.score for one in view.baseline_scores if one.score is not None]
    if not scores:
        return
    mean, interval = math.fsum(scores) / len(scores), _own_interval(scores)
    axes.axhline(100 * mean, color=_GREEN, linewidth=1.2, linestyle="--", zorder=1)
    if interval is not None:
        axes.axhspan(*interval, color=_GREEN, alpha=0.1, linewidth=0, zorder=0)
    macs = view.baseline_scores[0].macs
    yield _Label(f"baseline, not scaled: {macs / 1e6:,.2f} M", None, mean, _GREEN)


def _shown(verdict: Verdict) -> Iterator[_Label]:
    shown = list(verdict.standings[:_MOST_LABELS])
    if verdict.standing(verdict.incumbent) not in shown:
        shown[-1] = verdict.standing(verdict.incumbent)
    for one in shown:
        published, best = one.candidate == verdict.incumbent, one.candidate == verdict.best
        words = [name_of(one.coefficients), *["published"] * published, *["best mean"] * best]
        colour = _ORANGE if published else "black"
        yield _Label(", ".join(words), one.macs, one.mean, colour, best or published)


def _labels(axes: Any, labels: Iterable[_Label]) -> None:
    """Writes names in a column at the right, each led to its mark by a thin line."""
    rising = sorted(labels, key=lambda label: label.mean)
    bottom, top = axes.get_ylim()
    gap = _LABEL_GAP * (top - bottom)
    means = [100 * label.mean for label in rising]
    places = spread_out(means, gap, bottom + gap / 2, top - gap / 2)
    edge = axes.get_yaxis_transform()
    for label, mean, place in zip(rising, means, places, strict=True):
        x, coordinates = (1.0, edge) if label.macs is None else (label.macs / 1e6, "data")
        axes.annotate(
            label.text, (x, mean), xycoords=coordinates, xytext=(1.02, place), textcoords=edge,
            fontsize=9, color=label.colour, va="center", annotation_clip=False,
            fontweight="bold" if label.bold else "normal",
            arrowprops={"arrowstyle": "-", "color": _GREY, "linewidth": 0.6, "alpha": 0.7,
                        "relpos": (0, 0.5), "shrinkA": 2,
                        "shrinkB": 0 if label.macs is None else 5},
        )  # fmt: skip
    axes.set_ylim(bottom, top)


class _Colours:
    """Scores as colours: viridis, its bright end the better one."""

    def __init__(self, values: Sequence[float], *, reverse: bool) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        range_ = Normalize(min(values), max(values))
        self.mappable: Any = ScalarMappable(range_, "viridis_r" if reverse else "viridis")

    def fill(self, value: float) -> Any:
        """Returns the colour of a score in per cent."""
        return self.mappable.to_rgba(value)

    def ink(self, value: float) -> str:
        """Returns black or white, whichever is read better on the colour."""
        red, green, blue, _ = self.fill(value)
        return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def _surface_mark(axes: Any, candidate: Candidate, scale: _Colours, mean: float | None) -> None:
    fill = "#e4e4e4" if mean is None else scale.fill(mean)
    ink = "black" if mean is None else scale.ink(mean)
    own = candidate.coefficients
    for alias in candidate.aliases:
        if (alias.alpha, alias.beta) != (own.alpha, own.beta):
            axes.plot([alias.alpha], [alias.beta], "o", markersize=9, markerfacecolor="white",
                      markeredgecolor=_GREY if mean is None else fill, markeredgewidth=1.8,
                      zorder=3)  # fmt: skip
    axes.plot([own.alpha], [own.beta], "o", markersize=19, color=fill, zorder=4)
    axes.annotate(f"{own.gamma:g}", (own.alpha, own.beta), ha="center", va="center", fontsize=7,
                  color=ink, zorder=6)  # fmt: skip


def _rings(view: StudyView, verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    """Yields identity, words and colour of the candidates that are ringed."""
    if verdict.best == verdict.incumbent:
        yield verdict.best, "published, best mean", _ORANGE
        return
    yield view.space.incumbent.identity, "published", _ORANGE
    yield verdict.best, "best mean", "black"


def _candidate(view: StudyView, identity: str) -> Candidate:
    return next(one for one in view.space.candidates if one.identity == identity)


def _ring(axes: Any, point: Coefficients, text: str, colour: str) -> None:
    axes.plot([point.alpha], [point.beta], "o", markersize=21, markerfacecolor="none",
              markeredgecolor=colour, markeredgewidth=2.2, zorder=5)  # fmt: skip
    axes.annotate(
        text, (point.alpha, point.beta), xytext=(0, 14), textcoords="offset points", ha="center",
        fontsize=9, fontweight="bold", color=colour, zorder=7,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )  # fmt: skip


def _curves(axes: Any, view: StudyView) -> None:
    """Draws where alpha * beta^2 * gamma^2 is 2, for a few gammas."""
    shift = 0 if view.space.incumbent.coefficients.equation == "power" else 1
    alphas = [1 + step / _CURVE_STEPS for step in range(_CURVE_STEPS + 1)]
    axes.set_xlim(0.88 - shift, 2.05 - shift)
    for gamma in _GAMMAS:
        betas = [math.sqrt(2 / alpha) / gamma for alpha in alphas]
        inside = [(a, b) for a, b in zip(alphas, betas, strict=True) if b >= 1]
        axes.plot([a - shift for a, _ in inside], [b - shift for _, b in inside],
                  color=_GREY, linewidth=0.7, alpha=0.7, zorder=1)  # fmt: skip
        axes.annotate(f"{gamma - shift:g}", (1 - shift, betas[0] - shift), xytext=(-13, 0),
                      textcoords="offset points", fontsize=8, color=_GREY, ha="right",
                      va="center")  # fmt: skip
