"""Packed bytes, what stays on the chip, and how often streamed weights are sent."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgescale.architecture.baseline import find_baseline
from edgescale.edgetpu.model_file import read_model_file
from edgescale.edgetpu.package import read_compiled
from edgescale.edgetpu.placement import CAPACITY_BYTES, bands, packed_bytes, place
from edgescale.layer import Layer
from edgescale.scaling.variant import published
from tools.published_latencies import synthetic_layers, synthetic_rows

DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
REFERENCE = DATA.parent / "reference"
MIB = 2**20

needs_rows = pytest.mark.skipif(
    not (REFERENCE / "coral_benchmarks.csv").is_file(), reason=f"no {REFERENCE}"
)


def conv(side: int, inputs: int, outputs: int, kernel: int = 3) -> Layer:
    """Returns a convolution of stride 1 on a square map."""
    return Layer("conv", "conv", ("input",), (side, side, inputs), (side, side, outputs), kernel,
                 weights=kernel**2 * inputs * outputs, biases=outputs)  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        # ricardodeazambuja/LibrEdgeTPU HARDWARE_ANALYSIS.md: 66.00 KiB in the compiler's log.
        pytest.param(Layer("d", "dense", (), (1, 1, 256), (1, 1, 256), weights=256**2, biases=256),
                     67_584, id="dense of 256"),
        # Five of them are the 0.101318359375 MiB of the synthetic row of 42 filters.
        pytest.param(conv(64, 42, 42), 64 * (44 * 9 + 8), id="channels rounded up"),
        pytest.param(conv(64, 3, 42), 64 * (4 * 9 + 8), id="three inputs count as four"),
        pytest.param(Layer("a", "add", (), (8, 8, 16), (8, 8, 16)), 0, id="no weights"),
        pytest.param(Layer("c", "conv", (), (35, 35, 64), (35, 35, 64), 1, weights=7 * 64 * 64,
                           biases=64), 64 * (64 * 7 + 8), id="kernel of 1 by 7"),
    ],
)  # fmt: skip
def test_packed_bytes_follow_the_cells(layer: Layer, expected: int) -> None:
    assert packed_bytes(layer) == expected


@needs_rows
def test_every_synthetic_row_lies_on_the_chip_as_published() -> None:
    rows = synthetic_rows(REFERENCE)
    assert len(rows) == 59
    for row in rows:
        placement = place(row.layers)
        assert placement.on_chip_bytes == pytest.approx(row.on_chip_bytes, rel=0.02), row.size
        assert placement.streamed_bytes == pytest.approx(row.streamed_bytes, rel=0.02), row.size


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        pytest.param("conv", 442, 452, id="one layer of five leaves"),
        pytest.param("conv", 512, 522, id="a second leaves"),
        pytest.param("conv", 632, 642, id="a third leaves"),
        pytest.param("dense", 1002, 1102, id="the wide dense layer leaves"),
    ],
)
def test_memory_falls_off_at_the_published_sizes(kind: str, before: int, after: int) -> None:
    smaller, larger = (place(synthetic_layers(kind, size)) for size in (before, after))
    assert larger.on_chip_bytes < smaller.on_chip_bytes <= CAPACITY_BYTES
    assert (
        sum(one.on_chip for one in larger.layers) == sum(one.on_chip for one in smaller.layers) - 1
    )


@pytest.mark.parametrize(("name", "logged_mib"), [("s", 6.57), ("m", 8.37)])
def test_the_published_variants_pack_to_what_their_compile_logs_say(
    name: str, logged_mib: float
) -> None:
    # HanChangHun/EdgeTPU-Compiler-Log-Parser README: 3.20 + 3.37 and 4.21 + 4.16 MiB.
    layers = published(
        find_baseline("efficientnet-edgetpu"), name, classes=1001
    ).architecture.layers
    total = sum(map(packed_bytes, layers)) / MIB
    assert total == pytest.approx(logged_mib, rel=0.03)


@pytest.mark.parametrize(
    ("plain", "compiled", "within"),
    [
        pytest.param("models/mobilenet_v1_0.25_128_quant", "models", 0.03, id="v1 0.25"),
        pytest.param("models/mobilenet_v1_0.5_160_quant", "models", 0.03, id="v1 0.5"),
        pytest.param("models/mobilenet_v1_0.75_192_quant", "models", 0.03, id="v1 0.75"),
        # Builds of 2020, whose softmax took no memory of the chip.
        pytest.param("models/mobilenet_v2_1.0_224_quant", "models_alt", 0.03, id="v2"),
        pytest.param("models_alt/mobilenet_edgetpu_0.75_224_post_training_quant", "models_alt",
                     0.05, id="edgetpu 0.75"),
    ],
)  # fmt: skip
def test_compiled_files_hold_as_many_bytes_as_predicted(
    plain: str, compiled: str, within: float
) -> None:
    folder = DATA / "coral"
    if not folder.is_dir():
        pytest.skip(f"no Coral models under {DATA}")
    placement = place(read_model_file(folder / f"{plain}.tflite").layers)
    twin = read_compiled(folder / compiled / f"{Path(plain).name}_edgetpu.tflite")
    assert placement.streamed_bytes == twin.streamed_bytes == 0
    assert placement.on_chip_bytes == pytest.approx(twin.on_chip_bytes, rel=within)


def test_a_layer_that_does_not_fit_lets_a_later_one_in() -> None:
    large, small = conv(8, 512, 512), conv(8, 64, 64)
    placement = place([large, replace(large, name="second"), small],
                      capacity_bytes=packed_bytes(large) + packed_bytes(small))  # fmt: skip
    assert [one.on_chip for one in placement.layers] == [True, False, True]
    assert placement.streamed_bytes == packed_bytes(large)


@pytest.mark.parametrize(("filters", "passes"), [(452, 3), (622, 3), (642, 5), (702, 5)])
def test_streamed_weights_pass_once_per_band_of_rows(filters: int, passes: int) -> None:
    # From the published times of these rows: streaming takes 3.15 and 5.05 times the bytes.
    assert bands(conv(64, filters, filters)) == passes


def test_bands_never_outnumber_the_rows() -> None:
    assert bands(conv(4, 200_000, 200_000)) <= 4
    assert bands(Layer("c", "conv", (), (1, 1, 10**7), (1, 1, 10**7), weights=10**14)) == 1
