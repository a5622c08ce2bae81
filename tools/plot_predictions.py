"""Draws predicted latency and on-chip share over phi for three devices, as the README shows them.

    python -m tools.plot_predictions [--out tools/predicted-latency.png] [--low -2] [--high 3]

Each network along phi is predicted once (``scaling.plateaus``), so that every cliff stands where it
is. Colours are Okabe & Ito's, and nothing is told by colour alone.
"""

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgescale.architecture.baseline import find_baseline
from edgescale.cli.plan_devices import devices_of
from edgescale.device.forecast import Forecast, calibration_for, forecast
from edgescale.device.known import KnownDevice
from edgescale.scaling.plateaus import plateaus

BASELINE = "efficientnet-edgetpu"
DEVICES = (("usb3", "#0072B2"), ("dev-board", "#007A5A"), ("usb3-pi4", "#D55E00"))
OUTPUT = Path("tools/predicted-latency.png")
CLASSES = 1000
_SIZE_INCHES, _DPI = (11.0, 5.6), 130
_TICKS_MS = (2, 5, 10, 20, 50, 100)
_GREY = "#555555"


@dataclass(frozen=True)
class Step:
    """One network's forecast, and the phis from which and to which it is the scaled one."""

    low_phi: float
    high_phi: float
    forecast: Forecast


def steps_of(device: KnownDevice, low: float, high: float) -> tuple[Step, ...]:
    """Predicts every network between two phis on one device, the smallest phi first."""
    networks = plateaus(find_baseline(BASELINE), low=low, high=high, classes=CLASSES)
    steps = [
        Step(one.low_phi, one.high_phi, forecast(device, one.architecture.layers))
        for one in networks
    ]
    return tuple(reversed(steps))


def picture(low: float, high: float) -> bytes:
    """Returns the picture as a PNG: a column per device, latency above, on-chip share below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, len(DEVICES), sharex=True, sharey="row", height_ratios=(2.2, 1))
    devices = devices_of([name for name, _ in DEVICES], find_baseline(BASELINE), CLASSES)
    for column, (device, (_, colour)) in enumerate(zip(devices.given, DEVICES, strict=True)):
        steps = steps_of(device, low, high)
        _latency(grid[0, column], device, steps, colour)
        _on_chip(grid[1, column], steps, colour)
        grid[1, column].set_xlabel("phi")
    _label_rows(grid)
    figure.suptitle(
        "EfficientNet-EdgeTPU along phi: predicted, not measured. Band: 90 % interval, where noted"
        " only a guess; circle: published latency of S, which\nis phi 0 and one of the rows that"
        " the prediction is fitted to.", fontsize=9.5, x=0.01, ha="left",
    )  # fmt: skip
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _latency(axes: Any, device: KnownDevice, steps: Sequence[Step], colour: str) -> None:
    phis = [phi for step in steps for phi in (step.low_phi, step.high_phi)]
    predicted = [step.forecast.predicted for step in steps for _ in range(2)]
    axes.fill_between(phis, [one.low_ms for one in predicted], [one.high_ms for one in predicted],
                      color=colour, alpha=0.22, linewidth=0)  # fmt: skip
    axes.plot(phis, [one.latency_ms for one in predicted], color=colour, linewidth=1.6)
    for latency in device.latencies:
        if (latency.baseline, latency.variant) == (BASELINE, "s"):
            axes.plot([0], [latency.latency_ms], "o", markerfacecolor="white",
                      markeredgecolor="black", markersize=7, zorder=3)  # fmt: skip
            axes.annotate(f"{latency.latency_ms:g} ms", (0, latency.latency_ms), ha="right",
                          xytext=(-6, 9), textcoords="offset points",
                          fontsize=8.5)  # fmt: skip
    axes.set_title(device.name.replace(" on a", "\non a"), fontsize=9.5, loc="left")
    if calibration_for(device).rows_inside is None:
        axes.annotate("the band is a guess:\ntoo few latencies\nare published", (0.03, 0.93),
                      xycoords="axes fraction", va="top", fontsize=8.5)  # fmt: skip
    _cliff(axes, steps)
    axes.grid(alpha=0.25)


def _on_chip(axes: Any, steps: Sequence[Step], colour: str) -> None:
    phis = [phi for step in steps for phi in (step.low_phi, step.high_phi)]
    shares = [100 * step.forecast.predicted.on_chip_share for step in steps for _ in range(2)]
    axes.plot(phis, shares, color=colour, linewidth=1.6)
    axes.fill_between(phis, shares, color=colour, alpha=0.22, linewidth=0)
    axes.set_ylim(0, 105)
    _cliff(axes, steps)
    axes.grid(alpha=0.25)


def _cliff(axes: Any, steps: Sequence[Step]) -> None:
    """Marks the first phi whose weights do not all fit on the chip."""
    streaming = [step.low_phi for step in steps if step.forecast.predicted.streamed_bytes]
    if streaming:
        axes.axvline(streaming[0], color=_GREY, linewidth=1, linestyle=(0, (4, 3)))


def _label_rows(grid: Any) -> None:
    grid[0, 0].set_ylabel("latency of one image, ms")
    grid[0, 0].set_yscale("log")
    grid[0, 0].set_yticks(_TICKS_MS, [str(tick) for tick in _TICKS_MS])
    grid[0, 0].minorticks_off()
    grid[1, 0].set_ylabel("weights on chip, %")
    grid[1, 0].annotate("dashed: from here on,\nweights are streamed", (0.03, 0.12),
                        xycoords="axes fraction", fontsize=8.5)  # fmt: skip


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUTPUT)
    parser.add_argument("--low", type=float, default=-2.0, help="smallest phi")
    parser.add_argument("--high", type=float, default=3.0, help="largest phi")
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_bytes(picture(asked.low, asked.high))
    print(asked.out)


if __name__ == "__main__":
    main()
