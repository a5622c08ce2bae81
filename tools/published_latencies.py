"""Published Edge TPU latencies with the layers of their networks: what predictions are judged on.

Reads ``coral_benchmarks.csv`` and ``net_layers.json``. Which rows count is fixed here: networks
that classify, timed alone at full clock; rows of one network on one link become their geometric
mean.
"""

import csv
import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgescale.edgetpu.layer_table import layers_from_table
from edgescale.layer import Layer

REFERENCE = Path("../shared/reference")
_USB3 = (
    "EfficientNet-EdgeTPU-S", "EfficientNet-EdgeTPU-L", "Inception V1",
    "Inception V3 (listed 224; matches Inception V2 size/accuracy)", "Inception V3",
    "MobileNet V1 1.0 224", "MobileNet V1 0.25 128", "ResNet-50 V2", "SqueezeNet", "VGG16",
)  # fmt: skip
_PCIE = ("EfficientNet-EdgeTPU-S", "Inception V1", "MobileNet V1 1.0 224", "ResNet-50 V2",
         "SqueezeNet", "VGG16")  # fmt: skip
# Their published graphs are not those the layer tables hold: the files' sizes differ.
DOUBTFUL = ("Inception-ResNet V2", "DenseNet")
_PI = ("Inception V1", "MobileNet V1 1.0 224")
LINKS = {
    "usb3": ("usb3", None, _USB3),
    "dev-board": ("pcie", None, _PCIE),
    "usb3-pi4": ("usb3", "Raspberry Pi 4", _PI),
    "usb2-pi3": ("usb2", "Raspberry Pi 3", _PI),
}
_SYNTHETIC = re.compile(
    r"synthetic (5xconv3x3 F|FC hidden)=(\d+) \(on-chip ([\d.]+) MiB, off-chip ([\d.]+) MiB\)"
)


@dataclass(frozen=True)
class Row:
    """One network on one link and host, with the geometric mean of its published latencies."""

    link: str
    network: str
    latency_ms: float
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class SyntheticRow:
    """A chain of five 3x3 convolutions, or two dense layers, of so many filters or units."""

    kind: str  # "conv" or "dense"
    size: int
    on_chip_bytes: float
    streamed_bytes: float
    latency_ms: float
    layers: tuple[Layer, ...]


def check_reference(folder: Path) -> None:
    """Ends the program in one sentence where the published rows are not at hand."""
    for name in ("coral_benchmarks.csv", "net_layers.json"):
        if not (folder / name).is_file():
            sys.exit(
                f"{folder / name} is not there; the published rows are not part of the package:"
                " give --reference FOLDER, which holds coral_benchmarks.csv and net_layers.json"
            )


def real_rows(folder: Path, *, doubtful: bool = False) -> tuple[Row, ...]:
    """Returns the rows of real networks, those of doubtful graphs only where asked for."""
    tables = json.loads((folder / "net_layers.json").read_text("utf-8"))
    records = _records(folder)
    rows = []
    for link, (wire, host, networks) in LINKS.items():
        extra = DOUBTFUL if doubtful and host is None else ()
        for network in (*networks, *extra):
            times = [
                float(record["latency_ms"])
                for record in records
                if record["model"] == network
                and record["link"].rstrip("?") == wire
                and _counts(record, host)
            ]
            layers = layers_from_table(tables[network]["layers"])
            mean = math.exp(sum(map(math.log, times)) / len(times))
            rows.append(Row(link, network, mean, layers))
    return tuple(rows)


def _counts(record: dict[str, str], host: str | None) -> bool:
    """Says whether a row is an execution at full clock on the host asked for."""
    device, source = record["device"], record["source"]
    right_host = "Raspberry" not in device if host is None else host in device
    return right_host and "std clock" not in device and "end-to-end" not in source


def synthetic_rows(folder: Path) -> tuple[SyntheticRow, ...]:
    """Returns the synthetic networks of Jorgitou98/EdgeTPU-QuantRL-Evaluation."""
    rows = []
    for record in _records(folder):
        match = _SYNTHETIC.match(record["model"])
        if match:
            kind = "conv" if match[1].startswith("5xconv") else "dense"
            size = int(match[2])
            on_chip, streamed = (float(match[index]) * 2**20 for index in (3, 4))
            rows.append(
                SyntheticRow(kind, size, on_chip, streamed, float(record["latency_ms"]),
                             synthetic_layers(kind, size))
            )  # fmt: skip
    return tuple(rows)


def synthetic_layers(kind: str, size: int) -> tuple[Layer, ...]:
    """Returns the layers of one synthetic network."""
    if kind == "dense":
        shapes = ((6912, size), (size, 10))
        return layers_from_table([{"op": "fc", "in": [[a]], "out": [b]} for a, b in shapes])
    inputs = (3, *(size,) * 4)
    return layers_from_table(
        [
            {"op": "conv", "kernel": [3, 3], "in": [[64, 64, channels]], "out": [64, 64, size]}
            for channels in inputs
        ]
    )


def _records(folder: Path) -> Sequence[dict[str, str]]:
    return tuple(_read(folder / "coral_benchmarks.csv"))


def _read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
