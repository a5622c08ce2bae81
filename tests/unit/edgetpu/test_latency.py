"""Latency predictions: their parts, their interval, and how well they meet published rows."""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from edgescale.architecture.baseline import find_baseline
from edgescale.edgetpu.latency import (
    Calibration,
    calibration_of,
    calibrations,
    cycles,
    predict,
)
from edgescale.edgetpu.placement import place
from edgescale.errors import DeviceError
from edgescale.layer import Layer
from edgescale.scaling.variant import published
from tests.unit.edgetpu.test_placement import REFERENCE, conv, needs_rows
from tools.calibrate_latency import record
from tools.fit_latency import (
    MAIN_LINKS,
    by_network,
    by_size,
    fitted,
    left_out,
    percent_error,
    plain_tile_features,
    ratios_of,
    real_features,
    synthetic_features,
    three_numbers,
    with_form_chosen_blindly,
    worst_percent,
)
from tools.published_latencies import (
    Row,
    SyntheticRow,
    real_rows,
    synthetic_layers,
    synthetic_rows,
)

CHIP = Calibration("test", "a test", 1.0, 2.0, 3.0, 4.0, 5.0, spread=1.5,
                   networks=1, rows=1, rows_inside=None)  # fmt: skip
SMALL = (conv(8, 64, 64), replace(conv(8, 64, 64), name="second"))


def main_rows() -> list[Row]:
    return [row for row in real_rows(REFERENCE) if row.link in MAIN_LINKS]


def test_the_parts_add_up_to_the_latency() -> None:
    found = predict(SMALL, CHIP)
    assert found.latency_ms == pytest.approx(
        found.fixed_ms + sum(layer.compute_ms + layer.stream_ms for layer in found.layers)
    )
    sent_mb, output_mb = (8 * 8 * 64 + 2 * 2600) / 1e6, 8 * 8 * 64 / 1e6
    assert found.fixed_ms == pytest.approx(1.0 + 4.0 * sent_mb + 5.0 * output_mb)
    compute_ms = 2.0 * 4 * 16 * 9 / 1e6 + 3.0 * 64 * (64 * 9 + 8) / 1e6
    assert found.layers[0].compute_ms == pytest.approx(compute_ms)


def test_what_fits_is_not_streamed_and_what_does_not_is_sent_in_bands() -> None:
    assert predict(SMALL, CHIP).streamed_bytes == 0
    found = predict(synthetic_layers("conv", 642), CHIP)
    streamed = [layer for layer in found.layers if not layer.on_chip]
    assert len(streamed) == 3
    assert streamed[0].stream_ms == pytest.approx(4.0 * 5 * streamed[0].packed_bytes / 1e6)
    assert found.on_chip_share == pytest.approx(3.93 / (3.93 + 11.69), rel=0.01)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        pytest.param(conv(7, 5, 65), 2 * 2 * 2 * 2 * 9, id="all rounded up"),
        pytest.param(Layer("d", "depthwise", (), (8, 8, 64), (8, 8, 64), 3, weights=9 * 64),
                     2 * 2 * 4 * 9, id="a depthwise tap takes as long as four"),
        pytest.param(Layer("d", "dense", (), (1, 1, 1280), (1, 1, 1001), weights=1280 * 1001),
                     16 * 320, id="dense"),
        pytest.param(Layer("t", "transpose_conv", (), (8, 8, 16), (16, 16, 64), 2, 2,
                           weights=4 * 16 * 64), 2 * 2 * 4 * 4, id="transposed: what is read"),
        pytest.param(Layer("p", "average_pool", (), (7, 7, 64), (1, 1, 64), 7), 0, id="pool"),
    ],
)  # fmt: skip
def test_cycles_count_blocks_of_pixels_cells_and_lanes(layer: Layer, expected: int) -> None:
    assert cycles(layer) == expected


def test_the_interval_is_wide_where_a_layer_may_just_fit() -> None:
    sure, unsure = predict(SMALL, CHIP), predict(synthetic_layers("dense", 1060), CHIP)
    assert (sure.low_ms, sure.high_ms) == pytest.approx((sure.latency_ms / 1.5,
                                                         sure.latency_ms * 1.5))  # fmt: skip
    packed_mb = unsure.layers[0].packed_bytes / 1e6
    assert 6.89 * 2**20 < place(synthetic_layers("dense", 1060)).on_chip_bytes < 7.6 * 2**20
    assert unsure.high_ms == pytest.approx(1.5 * (unsure.latency_ms + 4.0 * packed_mb))


@pytest.mark.parametrize("device", ["usb4", ""])
def test_an_unknown_device_names_the_known_ones(device: str) -> None:
    with pytest.raises(DeviceError, match="usb3, dev-board"):
        predict(SMALL, device)


def test_no_layers_are_no_network() -> None:
    with pytest.raises(DeviceError, match="without layers"):
        predict([], CHIP)


def test_slower_links_are_predicted_slower_where_weights_are_streamed() -> None:
    layers = published(find_baseline("efficientnet-edgetpu"), "l", classes=1001).architecture.layers
    times = [predict(layers, link).latency_ms for link in
             ("usb3", "dev-board", "usb3-pi4", "usb2-pi3")]  # fmt: skip
    assert times == sorted(times)
    assert predict(layers, "usb3").low_ms < 21.3 < predict(layers, "usb3").high_ms


@needs_rows
def test_left_out_networks_are_predicted_within_ten_percent() -> None:
    rows = main_rows()
    assert len(rows) == 16
    assert len(real_features(rows[0])) == 6
    without = left_out(rows, real_features, by_network)
    simple = percent_error(left_out(rows, three_numbers, by_network))
    assert percent_error(without) <= 10
    assert percent_error(without) <= 0.8 * simple
    assert worst_percent(without) <= 25
    assert percent_error(with_form_chosen_blindly(rows)) <= 10


@needs_rows
def test_synthetic_rows_are_predicted_and_so_is_streaming_from_rows_without() -> None:
    rows = synthetic_rows(REFERENCE)
    assert percent_error(left_out(rows, synthetic_features, by_size)) <= 8
    resident = [row for row in rows if row.kind == "dense" or row.size <= 442]
    streaming = [row for row in rows if row not in resident]
    ours = ratios_of(streaming, synthetic_features, fitted(resident, synthetic_features))
    assert worst_percent(ours) <= 12
    plain = ratios_of(streaming, plain_tile_features, fitted(resident, plain_tile_features))
    assert percent_error(plain) <= 12


@needs_rows
def test_the_stored_constants_are_those_the_tool_fits() -> None:
    stored = json.loads(files("edgescale.edgetpu").joinpath("latency.json").read_text("utf-8"))
    every = [row for row in real_rows(REFERENCE, doubtful=True) if row.link in MAIN_LINKS]
    made = record(real_rows(REFERENCE), every, synthetic_rows(REFERENCE))
    assert flat(stored) == pytest.approx(flat(made), abs=2e-3)


def flat(record: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Returns all values of nested tables by their path."""
    values: dict[str, Any] = {}
    for key, value in record.items():
        path = f"{above}/{key}"
        values |= flat(value, path) if isinstance(value, dict) else {path: value}
    return values


@needs_rows
def test_nearly_every_published_row_lies_in_its_interval() -> None:
    rows: tuple[Row | SyntheticRow, ...] = (*real_rows(REFERENCE), *synthetic_rows(REFERENCE))
    inside = 0
    for row in rows:
        found = predict(row.layers, row.link if isinstance(row, Row) else "synthetic")
        inside += found.low_ms <= row.latency_ms <= found.high_ms
    assert inside >= 0.9 * len(rows)


def test_a_calibration_says_whose_it_is() -> None:
    found = calibration_of("dev-board")
    assert found.host == "Coral Dev Board, PCIe"
    assert (found.networks, found.rows, found.rows_inside) == (6, 6, 5)
    assert found.spread < calibration_of("usb3-pi4").spread
    assert calibration_of("usb3-pi4").rows_inside is None
    assert "synthetic" in calibrations()


def test_a_softmax_costs_instructions_and_stays_on_the_chip() -> None:
    softmax = Layer("s", "softmax", (), (1, 1, 10), (1, 1, 10))
    found = predict([*SMALL, softmax], CHIP)
    plain = predict([*SMALL, replace(softmax, operation="logistic")], CHIP)
    assert found.fixed_ms - plain.fixed_ms == pytest.approx(4.0 * 0.115)
    crowded = place([*synthetic_layers("dense", 1040), softmax])
    assert crowded.layers[-1].on_chip


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param([conv(7, 2048, 1024)], None, id="like what is published"),
        pytest.param(SMALL, "smaller than any", id="tiny"),
        pytest.param([conv(513, 3, 21)], "its output of 5.27 MiB", id="gives back a map"),
        pytest.param([Layer("d", "dense", (), (1, 1, 40_000), (1, 1, 4000), weights=160_000_000)],
                     "it sends 153.8", id="streams more than any"),
    ],
)  # fmt: skip
def test_what_lies_beyond_the_published_networks_is_said(
    layers: Sequence[Layer], expected: str | None
) -> None:
    outside = predict(layers, CHIP).outside
    assert outside is None if expected is None else expected in str(outside)
