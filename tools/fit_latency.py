"""Fits the constants of ``edgescale.edgetpu.latency`` to published rows, leaving networks out.

The form of the model (depthwise cost, capacity, bands of rows) was chosen while looking at these
rows; ``with_form_chosen_blindly`` says what is lost when it is chosen without the network judged.
"""

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.edgetpu.latency import always_sent_bytes, cycles
from edgescale.edgetpu.placement import CAPACITY_BYTES, place, whole
from edgescale.layer import Layer, elements
from tools.published_latencies import Row, SyntheticRow

MAIN_LINKS = ("usb3", "dev-board")
INSIDE = 0.90
# What the form might have been: cost of a depthwise tap, and on-chip memory in bytes.
DEPTHWISE_COSTS = (1, 2, 3, 4, 6)
CAPACITIES = tuple(round(mib * 2**20) for mib in (6.9, 7.0, 7.2, 7.41, 7.59))
CHOSEN_DEPTHWISE_COST = 4
Vector = NDArray[np.float64]
Features = Callable[[Any], Sequence[float]]


def amounts(
    layers: Sequence[Layer],
    depthwise_cost: float = CHOSEN_DEPTHWISE_COST,
    capacity_bytes: int = CAPACITY_BYTES,
) -> tuple[float, float, float, float]:
    """Returns megacycles, packed MB, MB sent and MB given back: what the constants multiply."""
    placed = place(layers, capacity_bytes).layers
    depthwise = sum(cycles(layer) for layer in layers if layer.operation == "depthwise")
    more = depthwise * (depthwise_cost / CHOSEN_DEPTHWISE_COST - 1)
    return (
        (sum(map(cycles, layers)) + more) / 1e6,
        sum(one.packed_bytes for one in placed) / 1e6,
        (sum(one.sent_bytes for one in placed) + always_sent_bytes(layers)) / 1e6,
        elements(layers[-1].output_shape) / 1e6,
    )


def real_features(row: Row, **form: Any) -> Sequence[float]:
    """Six columns: overhead of each link, transfer of each link, compute, weights.

    A classifier gives back a kilobyte, so its output counts as sent.
    """
    megacycles, packed, sent, output = amounts(row.layers, **form)
    usb, moved = row.link == MAIN_LINKS[0], sent + output
    return (usb, not usb, moved * usb, moved * (not usb), megacycles, packed)


def three_numbers(row: Row) -> Sequence[float]:
    """What a simple model knows: overhead, MACs, weights beyond 6.5 MB."""
    weights = sum(layer.weights for layer in row.layers)
    macs = sum(layer.macs for layer in row.layers)
    return (1.0, macs / 1e9, max(0.0, weights / 1e6 - 6.5))


def synthetic_features(row: SyntheticRow) -> Sequence[float]:
    """Overhead, transfer, compute, weights, and the output: these give back a whole map."""
    megacycles, packed, sent, output = amounts(row.layers)
    return (1.0, sent, megacycles, packed, output)


def plain_tile_features(row: SyntheticRow) -> Sequence[float]:
    """The same with the rule of half the narrow memory, 1.5 MiB for input and output of a pass."""
    megacycles, packed, _, output = amounts(row.layers)
    sent = always_sent_bytes(row.layers) + sum(
        one.streamed_bytes * whole(elements(one.layer.input_shape)
                                   + elements(one.layer.output_shape), 3 * 2**19)
        for one in place(row.layers).layers
    )  # fmt: skip
    return (1.0, sent / 1e6, megacycles, packed, output)


def by_network(row: Row) -> str:
    """A network is left out on both links at once."""
    return row.network


def by_size(row: SyntheticRow) -> tuple[str, int]:
    """A synthetic network is its kind and size."""
    return row.kind, row.size


def fitted(rows: Sequence[Any], features: Features) -> Vector:
    """Returns the constants, none negative, of the least relative squares."""
    table = np.array([features(row) for row in rows], dtype=float)
    times = np.array([row.latency_ms for row in rows])
    return not_negative(table / times[:, None], np.ones(len(rows)))


def not_negative(table: Vector, wanted: Vector) -> Vector:
    """Solves for constants of at least 0 by least squares."""
    from scipy.optimize import nnls

    solution: Vector = nnls(table, wanted)[0]
    return solution


def predicted(rows: Sequence[Any], features: Features, constants: Vector) -> Vector:
    """Returns the predicted latency of each row in ms."""
    times: Vector = np.array([features(row) for row in rows], dtype=float) @ constants
    return times


def ratios_of(rows: Sequence[Any], features: Features, constants: Vector) -> Vector:
    """Returns predicted / published of each row."""
    ratios: Vector = predicted(rows, features, constants) / [row.latency_ms for row in rows]
    return ratios


def left_out(rows: Sequence[Any], features: Features, group: Callable[[Any], object]) -> Vector:
    """Returns predicted / published of each row, fitted without its group."""
    ratios = np.zeros(len(rows))
    for name in {group(row) for row in rows}:
        inside = [index for index, row in enumerate(rows) if group(row) == name]
        others = [row for row in rows if group(row) != name]
        held = [rows[index] for index in inside]
        ratios[inside] = ratios_of(held, features, fitted(others, features))
    return ratios


def with_form_chosen_blindly(rows: Sequence[Row]) -> Vector:
    """Returns predicted / published, the form too being chosen without the row's network."""
    forms = [_form(rows, *form) for form in product(DEPTHWISE_COSTS, CAPACITIES)]
    ratios = np.zeros(len(rows))
    for name in {row.network for row in rows}:
        others = [row for row in rows if row.network != name]
        best = min(forms, key=lambda form: percent_error(left_out(others, form, by_network)))
        inside = [index for index, row in enumerate(rows) if row.network == name]
        held = [rows[index] for index in inside]
        ratios[inside] = ratios_of(held, best, fitted(others, best))
    return ratios


def _form(rows: Sequence[Row], depthwise_cost: float, capacity_bytes: int) -> Features:
    """Returns the features of one form, worked out once for each row."""
    form = {"depthwise_cost": depthwise_cost, "capacity_bytes": capacity_bytes}
    known = {id(row): real_features(row, **form) for row in rows}
    return lambda row: known[id(row)]


def spread_of(ratios: Vector, networks: int) -> float:
    """Returns the factor that holds 90 % of left-out networks, by Student's t."""
    from scipy.stats import t as student

    rms = math.sqrt(float(np.mean(np.log(ratios) ** 2)))
    return math.exp(rms * float(student.ppf((1 + INSIDE) / 2, networks - 1)))


def rows_inside(rows: Sequence[Row]) -> dict[str, int]:
    """Counts by link the rows inside an interval that was made without their network."""
    inside = dict.fromkeys(MAIN_LINKS, 0)
    for name in {row.network for row in rows}:
        others = [row for row in rows if row.network != name]
        without = left_out(others, real_features, by_network)
        spread = spread_of(without, len({row.network for row in others}))
        constants = fitted(others, real_features)
        for row in (row for row in rows if row.network == name):
            ratio = float(ratios_of([row], real_features, constants)[0])
            inside[row.link] += 1 / spread < ratio < spread
    return inside


def errors(
    rows: Sequence[Any], features: Features, group: Callable[[Any], object]
) -> list[float | None]:
    """Returns the standard errors of the constants, by the jackknife over groups.

    None for a constant that stands at its bound of 0: what moves it is not seen there.
    """
    groups = {group(row) for row in rows}
    fits = np.array(
        [fitted([row for row in rows if group(row) != name], features) for name in groups]
    )
    squares = np.sum((fits - fits.mean(axis=0)) ** 2, axis=0)
    spread = np.sqrt((len(groups) - 1) / len(groups) * squares)
    bound = fitted(rows, features) == 0
    return [None if zero else float(error) for zero, error in zip(bound, spread, strict=True)]


def percent_error(ratios: Vector) -> float:
    """Returns the mean absolute error in percent."""
    return 100 * float(np.mean(np.abs(ratios - 1)))


def worst_percent(ratios: Vector) -> float:
    """Returns the largest absolute error in percent."""
    return 100 * float(np.max(np.abs(ratios - 1)))
