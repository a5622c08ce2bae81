"""The report's picture: accuracy against latency, one panel a family, drawn by matplotlib."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """One variant: p95 latency in ms, top-1 in per cent, and its 95 % interval where it has one."""

    name: str
    latency_ms: float
    top1_percent: float
    interval_percent: tuple[float, float] | None


@dataclass(frozen=True)
class Panel:
    """One family; ``budgets`` are vertical lines of (latency in ms, what it is)."""

    title: str
    accuracy_label: str
    points: tuple[Point, ...]
    budgets: tuple[tuple[float, str], ...]


def accuracy_latency_svg(panels: Sequence[Panel]) -> str:
    """Draws the panels side by side and returns one ``<svg>`` element."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels), 3.8), layout="constrained")
    FigureCanvasSVG(figure)
    for index, panel in enumerate(panels):
        _draw(figure.add_subplot(1, len(panels), index + 1), panel)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _draw(axes: Any, panel: Panel) -> None:
    for point in panel.points:
        _mark(axes, point)
    for number, (latency_ms, text) in enumerate(panel.budgets):
        axes.axvline(latency_ms, linestyle="--", color="#c2571a", linewidth=1)
        axes.annotate(
            text, (latency_ms, 0.95 - 0.07 * number), xycoords=("data", "axes fraction"),
            xytext=(4, 0), textcoords="offset points", fontsize=8, color="#c2571a",
        )  # fmt: skip
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel("p95 latency on this machine, ms")
    axes.set_ylabel(panel.accuracy_label)
    axes.margins(0.18)
    shown = [point.latency_ms for point in panel.points] + [ms for ms, _ in panel.budgets]
    axes.set_xlim(0, 1.3 * max(shown, default=1.0))
    axes.grid(alpha=0.25)


def _mark(axes: Any, point: Point) -> None:
    measured = point.interval_percent is not None
    if point.interval_percent is not None:
        low, high = point.interval_percent
        axes.errorbar(
            [point.latency_ms], [point.top1_percent],
            yerr=[[point.top1_percent - low], [high - point.top1_percent]],
            color="#1f5fa8", capsize=3, linewidth=1,
        )  # fmt: skip
    axes.plot(
        [point.latency_ms], [point.top1_percent], "o", color="#1f5fa8",
        markerfacecolor="#1f5fa8" if measured else "white", zorder=2,
    )  # fmt: skip
    axes.annotate(point.name, (point.latency_ms, point.top1_percent), xytext=(7, -11),
                  textcoords="offset points", fontsize=9)  # fmt: skip
