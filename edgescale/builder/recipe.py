"""The recipe of a family as records: what a person wrote, with every default filled in.

``recipe_file`` reads one from TOML. The records hold plain values only, so that their resolved form
goes into the manifest and their parts into the keys of the stages.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgescale.architecture.baseline import Baseline
from edgescale.architecture.block import format_block
from edgescale.scaling.solve import Limits
from edgescale.scaling.variant import ScalingRules

DATASETS = ("cluttered-digits",)
CALIBRATIONS = ("training", "skimage-photos")
WEIGHTS = ("scratch", "published", "previous", "file")
LABEL_SETS = ("imagenet",)
LIMIT_KEYS = {
    "max_bytes": "weight_bytes",
    "max_file_bytes": "file_bytes",
    "max_macs": "macs",
    "max_parameters": "parameters",
}  # a recipe's key: the field of Limits


@dataclass(frozen=True)
class VariantsRecipe:
    """Which variants to build: every phi, every "N times larger" (phi = log2 N), published names.

    ``limits`` ask for one more, the largest that keeps all of them.
    """

    phis: tuple[float, ...]
    times: tuple[float, ...]
    names: tuple[str, ...]
    limits: Limits | None


@dataclass(frozen=True)
class WeightsFile:
    """Trained weights to start from."""

    path: Path
    as_written: str
    sha256: str


@dataclass(frozen=True)
class DataRecipe:
    """Labelled images: the dataset of a named package, or a folder with a folder per class.

    ``crop_fraction`` belongs to the preparation, the fractions and the seed to the split of a
    folder; ``seed`` also draws what a dataset composes anew each epoch.
    """

    dataset: str | None
    folder: Path | None
    folder_as_written: str | None
    validation_fraction: float
    test_fraction: float
    seed: int
    crop_fraction: float


@dataclass(frozen=True)
class TrainingRecipe:
    """How the variants are trained; angles in degrees, scale and shift as fractions."""

    epochs: int
    batch_size: int
    learning_rate: float
    warmup_epochs: float
    dropout: float
    drop_connect: float
    rotate_deg: float
    scale: float
    shift: float
    flip: bool
    seed: int


@dataclass(frozen=True)
class QuantisationRecipe:
    """How many representative images the quantiser sees, and from where."""

    dataset: str  # one of CALIBRATIONS
    images: int
    seed: int


@dataclass(frozen=True)
class EvaluationRecipe:
    """A labelled folder for a family that has no data of its own."""

    folder: Path
    folder_as_written: str


@dataclass(frozen=True)
class Recipe:
    """Everything a family is made from.

    ``labels`` are known here for a family without data; with data they come from it.
    ``provenance`` says where coefficients that came from a file were found.
    """

    name: str
    baseline: Baseline
    rules: ScalingRules
    provenance: Mapping[str, Any] | None
    variants: VariantsRecipe
    data: DataRecipe | None
    labels: tuple[str, ...] | None
    labels_source: str | None
    weights: str
    weights_file: WeightsFile | None
    training: TrainingRecipe | None
    quantisation: QuantisationRecipe
    evaluation: EvaluationRecipe | None

    def resolved(self) -> dict[str, Any]:
        """Returns the recipe with all defaults, as plain values; paths stay as they were written.

        The manifest stores it, and it is equal wherever the recipe lies.
        """
        return {
            "name": self.name,
            "baseline": {
                **baseline_record(self.baseline),
                "trained": self.baseline.trained and asdict(self.baseline.trained),
            },
            "scaling": {
                **asdict(self.rules.coefficients),
                "rounding": self.rules.rounding,
                "resolution_step": self.rules.resolution_step,
                "resolution_trim": self.rules.trim,
                **(
                    {} if self.rules.searched is None else {"searched": asdict(self.rules.searched)}
                ),
                "provenance": self.provenance,
            },
            "variants": variants_record(self.variants),
            "data": None if self.data is None else data_record(self.data),
            "labels": self.labels_source,
            "weights": {"from": self.weights, **_file_record(self.weights_file)},
            "training": None if self.training is None else asdict(self.training),
            "quantisation": asdict(self.quantisation),
            "evaluation": None
            if self.evaluation is None
            else {"folder": self.evaluation.folder_as_written},
        }


def baseline_record(baseline: Baseline) -> dict[str, Any]:
    """Returns a baseline's network as plain values, its blocks as block strings."""
    record = {**asdict(baseline), "blocks": [format_block(block) for block in baseline.blocks]}
    del record["trained"]  # where it was proven is no part of the network
    return record


def variants_record(variants: VariantsRecipe) -> dict[str, Any]:
    """Returns the variants asked for as plain values, under the recipe's keys."""
    return {
        "phis": list(variants.phis),
        "times": list(variants.times),
        "names": list(variants.names),
        **{key: getattr(variants.limits, part, None) for key, part in LIMIT_KEYS.items()},
    }


def _file_record(file: WeightsFile | None) -> dict[str, str]:
    return {} if file is None else {"file": file.as_written, "sha256": file.sha256}


def data_record(data: DataRecipe) -> dict[str, Any]:
    """Returns the data part as plain values, with the folder as it was written."""
    record = asdict(data)
    record["folder"] = record.pop("folder_as_written")
    return record
