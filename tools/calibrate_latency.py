"""Writes the constants of ``edgescale.edgetpu.latency`` and says how good they are.

    python -m tools.calibrate_latency [--reference FOLDER] [--write]

Six constants are fitted to 16 rows of 10 networks on two links: overhead and transfer of each link,
and the chip's compute and weights. ``--write`` stores them with their errors.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.fit_latency import (
    INSIDE,
    MAIN_LINKS,
    Vector,
    amounts,
    by_network,
    by_size,
    errors,
    fitted,
    left_out,
    not_negative,
    percent_error,
    plain_tile_features,
    ratios_of,
    real_features,
    rows_inside,
    spread_of,
    synthetic_features,
    three_numbers,
    with_form_chosen_blindly,
    worst_percent,
)
from tools.published_latencies import (
    DOUBTFUL,
    REFERENCE,
    Row,
    SyntheticRow,
    check_reference,
    real_rows,
    synthetic_rows,
)

OUTPUT = Path(__file__).parents[1] / "edgescale" / "edgetpu" / "latency.json"
HOSTS = {
    "usb3": "desktops with USB 3, some not named",
    "dev-board": "Coral Dev Board, PCIe",
    "usb3-pi4": "Raspberry Pi 4B, USB 3",
    "usb2-pi3": "Raspberry Pi 3B and 3B+, USB 2",
}
# What published parameter streaming comes to. The two networks published on a Raspberry Pi fit on
# the chip and say nothing of it: fitted to them, a Pi 4 would stream 150 MB/s and a Pi 3 have an
# overhead below 0.
PI_MEGABYTES_PER_S = {"usb3-pi4": 295, "usb2-pi3": 35}
_OF_TWO_NETWORKS = 2  # two networks cannot show how far a third may lie: twice the spread
_CONSTANTS = ("overhead_ms", "transfer_ms_per_megabyte", "compute_ms_per_megacycle",
              "weights_ms_per_megabyte", "output_ms_per_megabyte")  # fmt: skip


def record(
    rows: Sequence[Row], every: Sequence[Row], synthetic: Sequence[SyntheticRow]
) -> dict[str, Any]:
    """Fits everything and returns what ``latency.json`` holds; ``every`` has doubtful rows too."""
    main = [row for row in rows if row.link in MAIN_LINKS]
    ratios = left_out(main, real_features, by_network)
    spread = spread_of(ratios, len({row.network for row in main}))
    return {
        "schema_version": 1,
        "made_by": "python -m tools.calibrate_latency --write",
        "kind": "fitted to published latencies; errors by the jackknife over networks, null where"
        " a constant is taken as published or stands at its bound of 0",
        "leave_one_network_out_percent": round(percent_error(ratios), 2),
        "with_the_form_chosen_blindly_percent": round(
            percent_error(with_form_chosen_blindly(main)), 2
        ),
        "with_doubtful_rows_percent": round(
            percent_error(left_out(every, real_features, by_network)), 2
        ),
        "interval": INSIDE,
        "links": {
            **_main_links(main, spread),
            **_pi_links(rows, fitted(main, real_features), errors(main, real_features, by_network),
                        spread),
            "synthetic": _synthetic(synthetic),
        },
    }  # fmt: skip


def _main_links(rows: Sequence[Row], spread: float) -> dict[str, Any]:
    constants, error = fitted(rows, real_features), errors(rows, real_features, by_network)
    inside = rows_inside(rows)
    links = {}
    for column, link in enumerate(MAIN_LINKS):
        order = (column, 2 + column, 4, 5, 2 + column)  # a classifier's output counts as sent
        links[link] = _link(
            HOSTS[link], [row for row in rows if row.link == link], spread, inside[link],
            [(constants[index], error[index]) for index in order],
        )  # fmt: skip
    return links


def _pi_links(
    rows: Sequence[Row], chip: Vector, error: Sequence[float | None], spread: float
) -> dict[str, Any]:
    """Only the overhead of a host is fitted; the chip is the same, streaming is as published."""
    links = {}
    for link, megabytes_per_s in PI_MEGABYTES_PER_S.items():
        own = [row for row in rows if row.link == link]
        transfer = 1000 / megabytes_per_s
        known = np.array([_known_ms(row, chip, transfer) for row in own])
        times = np.array([row.latency_ms for row in own])
        overhead = float(not_negative((1 / times)[:, None], 1 - known / times)[0])
        links[link] = _link(
            HOSTS[link], own, spread**_OF_TWO_NETWORKS, None,
            [(overhead, None), (transfer, None), (chip[4], error[4]), (chip[5], error[5]),
             (transfer, None)],
        )  # fmt: skip
    return links


def _known_ms(row: Row, chip: Vector, transfer: float) -> float:
    megacycles, packed, sent, output = amounts(row.layers)
    return float(chip[4] * megacycles + chip[5] * packed) + transfer * (sent + output)


def _synthetic(rows: Sequence[SyntheticRow]) -> dict[str, Any]:
    """Returns the constants of the synthetic rows: what they say of the chip, on a host unnamed."""
    spread = spread_of(left_out(rows, synthetic_features, by_size), len(rows))
    constants, error = fitted(rows, synthetic_features), errors(rows, synthetic_features, by_size)
    host = "a host that Jorgitou98/EdgeTPU-QuantRL-Evaluation does not name"
    return _link(host, rows, spread, None, list(zip(constants.tolist(), error, strict=True)))


def _link(
    host: str,
    rows: Sequence[Row] | Sequence[SyntheticRow],
    spread: float,
    inside: int | None,
    constants: Sequence[tuple[float, float | None]],
) -> dict[str, Any]:
    return {
        "host": host,
        "networks": len({row.layers for row in rows}),
        "rows": len(rows),
        "rows_inside": inside,
        "spread": round(spread, 4),
        "constants": {
            name: {
                "value": round(float(value), 4),
                "error": None if error is None else round(error, 4),
            }
            for name, (value, error) in zip(_CONSTANTS, constants, strict=True)
        },
    }


def main() -> None:
    """Prints how good the predictions are and, where asked, writes the constants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, default=REFERENCE, metavar="FOLDER",
                        help="published rows: coral_benchmarks.csv and net_layers.json"
                        " (default: %(default)s)")  # fmt: skip
    parser.add_argument("--write", action="store_true", help=f"write {OUTPUT.name}")
    flags = parser.parse_args()
    check_reference(flags.reference)
    rows, synthetic = real_rows(flags.reference), synthetic_rows(flags.reference)
    every = [row for row in real_rows(flags.reference, doubtful=True) if row.link in MAIN_LINKS]
    made = record(rows, every, synthetic)
    _report_real([row for row in rows if row.link in MAIN_LINKS], made)
    print(f"all {len(every)} rows, with {' and '.join(DOUBTFUL)}, leaving a network out:"
          f" {made['with_doubtful_rows_percent']:.1f} %")  # fmt: skip
    _report_synthetic(synthetic)
    if flags.write:
        OUTPUT.write_text(json.dumps(made, indent=2) + "\n", "utf-8")
        print(f"written: {OUTPUT.name}")


def _report_real(rows: Sequence[Row], made: dict[str, Any]) -> None:
    ratios = left_out(rows, real_features, by_network)
    own = ratios_of(rows, real_features, fitted(rows, real_features))
    simple = left_out(rows, three_numbers, by_network)
    for row, ratio in zip(rows, ratios, strict=True):
        print(f"{row.link:15} {row.network[:30]:31} {row.latency_ms:8.2f} ms published,"
              f" {ratio * row.latency_ms:8.2f} without it, {100 * (ratio - 1):+.1f} %")  # fmt: skip
    print(f"{len(rows)} rows, 6 constants: in the fit {percent_error(own):.1f} %, leaving a network"
          f" out {percent_error(ratios):.1f} % (worst {worst_percent(ratios):.1f} %)")  # fmt: skip
    blind = made["with_the_form_chosen_blindly_percent"]
    print(
        f"the same with depthwise cost and capacity chosen without the network too: {blind:.1f} %"
    )
    print(f"overhead, MACs and bytes over 6.5 MB alone: {percent_error(simple):.1f} %")
    for link, values in made["links"].items():
        constants = {
            name: (one["value"], one["error"]) for name, one in values["constants"].items()
        }
        print(f"{link}: {values['rows']} rows, 90 % interval a factor of {values['spread']:.3f},"
              f" held {values['rows_inside']} of them; {constants}")  # fmt: skip


def _report_synthetic(rows: Sequence[SyntheticRow]) -> None:
    resident = [row for row in rows if row.kind == "dense" or row.size <= 442]
    streaming = [row for row in rows if row not in resident]
    ratios = left_out(rows, synthetic_features, by_size)
    print(f"{len(rows)} synthetic rows, leaving one out: {percent_error(ratios):.1f} %")
    for features, rule in (
        (synthetic_features, "bands of rows, a rule found on these very rows"),
        (plain_tile_features, "tiles of half the narrow memory"),
    ):
        beyond = ratios_of(streaming, features, fitted(resident, features))
        error = f"{percent_error(beyond):.1f} % (worst {worst_percent(beyond):.1f} %)"
        print(f"{len(streaming)} with streaming convolutions, fitted without them: {error}, {rule}")


if __name__ == "__main__":
    main()
