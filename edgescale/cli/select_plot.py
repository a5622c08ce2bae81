"""Draws a choice: size or accuracy of each variant over its latency, with the budget's line.

Plain SVG, written by hand: the device side has no plotting library, and every browser shows it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from edgescale.device.profile import DeviceProfile
from edgescale.device.statistics import nearest_rank, quantile_interval
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family, write_bytes
from edgescale.selection.budget import Budget
from edgescale.units import milliseconds

_WIDTH, _HEIGHT = 720, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 24, 48, 56
_LETTER, _LINE = 6.6, 15  # width of a letter and height of a line, in pixels
_STYLE = (
    "text{font:13px sans-serif;fill:#222}.dim{fill:#666}.axis{stroke:#999;fill:none}"
    ".grid{stroke:#e4e4e4}.bar{stroke:#7a7a7a;stroke-width:1.5}.other{fill:#7a7a7a}"
    ".chosen{fill:#0a7a3c}.budget{stroke:#c0392b;stroke-width:1.5;stroke-dasharray:6 4}"
    ".over{fill:#c0392b}.unsure{fill:#d68910}"
)


@dataclass(frozen=True)
class Point:
    """One variant on the plot: latency with its interval, and how large or right it is."""

    name: str
    latency_ms: float
    low_ms: float
    high_ms: float
    size: float
    state: str


def write_plot(
    path: Path,
    family: Family,
    profile: DeviceProfile,
    budget: Budget,
    chosen: str | None,
    states: Mapping[str, str],
) -> None:
    """Writes the plot of a choice as SVG.

    Args:
        path: of the file.
        family: the family.
        profile: the figures.
        budget: the limits.
        chosen: name of the chosen variant, None where none fits.
        states: of the others by name, such as ``does not fit``.

    Raises:
        ArtifactError: the file cannot be written.
    """
    write_bytes(path, svg(family, profile, budget, chosen, states).encode())


def svg(
    family: Family,
    profile: DeviceProfile,
    budget: Budget,
    chosen: str | None,
    states: Mapping[str, str],
) -> str:
    """Returns the plot; variants without enough runs for the percentile are shown by their median.

    The vertical axis is int8 accuracy where every variant shown has one, else MACs (logarithmic).
    """
    shown = [
        variant
        for variant in family.manifest.variants
        if (entry := profile.measurement(variant.name)) is not None and entry.latencies_ms
    ]
    by_accuracy = all(variant.accuracy is not None for variant in shown)
    points = [
        _point(one, budget, profile, by_accuracy, chosen, states.get(one.name, "")) for one in shown
    ]
    limit_ms = budget.latency_ms
    right_ms = 1.15 * max([point.high_ms for point in points] + ([limit_ms] if limit_ms else []))
    sizes = [point.size for point in points]
    margin = 0.12 * (max(sizes) - min(sizes)) or 0.05 * abs(sizes[0]) or 1.0
    axes = _Axes(right_ms, min(sizes) - margin, max(sizes) + margin)
    what = "int8 top-1 (%)" if by_accuracy else "MACs (millions, logarithmic)"
    title = (
        f"{family.manifest.name} on {profile.device}, {profile.runtime}"
        f" {profile.runtime_version}, {profile.threads} thread(s)"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="26">{escape(title)}</text>',
        *_frame(axes, what, budget.percentile, by_accuracy),
        *(_budget_line(axes, limit_ms, budget.percentile) if limit_ms else ()),
        *(line for point in points for line in _drawn(axes, point)),
        *_labels(axes, points),
        "</svg>\n",
    ]
    return "\n".join(parts)


@dataclass(frozen=True)
class _Axes:
    right_ms: float
    low: float
    high: float

    def x(self, latency_ms: float) -> float:
        """Returns pixels."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * latency_ms / self.right_ms

    def y(self, size: float) -> float:
        """Returns pixels."""
        share = (size - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def _point(
    variant: VariantRecord,
    budget: Budget,
    profile: DeviceProfile,
    by_accuracy: bool,
    chosen: str | None,
    state: str,
) -> Point:
    entry = profile.measurement(variant.name)
    times: Sequence[float] = () if entry is None else entry.latencies_ms
    share = budget.percentile / 100
    low_ms, high_ms = quantile_interval(times, share)
    if high_ms is None:  # too few runs to bound the percentile: the median, without an interval
        latency_ms = low_ms = high_ms = nearest_rank(times, 0.5)
    else:
        latency_ms = nearest_rank(times, share)
    size = math.log10(max(1, variant.macs))
    if by_accuracy and variant.accuracy is not None:
        size = 100 * variant.accuracy.int8_top1
    if variant.name == chosen:
        state = "chosen"
    return Point(variant.name, latency_ms, low_ms, high_ms, size, state)


def _frame(axes: _Axes, what: str, percentile: int, by_accuracy: bool) -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for latency_ms in _ticks(0, axes.right_ms):
        x = axes.x(latency_ms)
        yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text class="dim" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">' + (
            f"{latency_ms:g}</text>"
        )
    for size in _ticks(axes.low, axes.high) if by_accuracy else _powers(axes.low, axes.high):
        y = axes.y(size)
        text = f"{size:g}" if by_accuracy else f"{10**size / 1e6:.4g}"
        yield f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield f'<text class="dim" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    yield f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>'
    yield f'<text x="{right}" y="{_HEIGHT - 14}" text-anchor="end">p{percentile} latency in ms,' + (
        " bars: 95 % interval (without a bar: median of few runs)</text>"
    )
    yield f'<text x="{_LEFT}" y="{_TOP - 6}" class="dim">{escape(what)}</text>'


def _budget_line(axes: _Axes, limit_ms: float, percentile: int) -> Iterator[str]:
    x, bottom = axes.x(limit_ms), _HEIGHT - _BOTTOM
    yield f'<line class="budget" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>'
    text = f"budget p{percentile} {milliseconds(limit_ms)}"
    yield f'<text class="over" x="{x - 5:.1f}" y="{bottom - 8}" text-anchor="end">{text}</text>'


def _drawn(axes: _Axes, point: Point) -> Iterator[str]:
    x, y = axes.x(point.latency_ms), axes.y(point.size)
    low, high = axes.x(point.low_ms), axes.x(point.high_ms)
    kind = {"chosen": "chosen", "does not fit": "over", "undecided": "unsure"}.get(
        point.state, "other"
    )
    yield f'<line class="bar" x1="{low:.1f}" y1="{y:.1f}" x2="{high:.1f}" y2="{y:.1f}"/>'
    yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{7 if kind == "chosen" else 5}"/>'


def _labels(axes: _Axes, points: Sequence[Point]) -> Iterator[str]:
    """Writes the names beside their points, each where it covers no other."""
    # Left, right and base line of what is there already, points first.
    taken = [
        (axes.x(one.latency_ms) - 8, axes.x(one.latency_ms) + 8, axes.y(one.size) + 4)
        for one in points
    ]
    for point in points:
        text = f"{point.name} ({point.state})" if point.state else point.name
        x, y, wide = axes.x(point.latency_ms), axes.y(point.size), _LETTER * len(text)
        left = x - wide - 10 if x > _WIDTH / 2 else x + 10
        shifts = (-9, 20, -25, 36, -41)
        free = (y + shift for shift in shifts if not _covered(taken, left, left + wide, y + shift))
        base = next(free, y - 9)
        taken.append((left, left + wide, base))
        yield f'<text x="{left:.1f}" y="{base:.1f}" textLength="{wide:.0f}">{escape(text)}</text>'


def _covered(
    taken: Sequence[tuple[float, float, float]], left: float, right: float, base: float
) -> bool:
    return any(
        left < other_right and other_left < right and abs(base - other_base) < _LINE
        for other_left, other_right, other_base in taken
    )


def _powers(low: float, high: float) -> list[float]:
    """Returns the logarithms of 1, 2, 5, 10, ... between two logarithms."""
    exponents = range(math.floor(low), math.ceil(high) + 1)
    found = [exponent + math.log10(factor) for exponent in exponents for factor in (1, 2, 5)]
    return [one for one in found if low <= one <= high]


def _ticks(low: float, high: float) -> list[float]:
    """Returns some five round numbers between two."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step)
    return [round(step * index, 9) for index in range(first, math.floor(high / step) + 1)]
