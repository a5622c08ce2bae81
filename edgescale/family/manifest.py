"""The manifest: what the workstation says about a family and the device may believe.

It is the only contract between the two. A manifest is foreign input: every field is checked, sizes
and counts are bounded, and paths stay inside the family (see ``store``). It holds no times, so that
the same recipe and data give the same bytes.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgescale.errors import ManifestError
from edgescale.family.compilation import Compilation, compilation_from
from edgescale.family.fields import Fields

SCHEMA_VERSION = 2  # 2: what the Edge TPU compiler said of each variant
MOST_VARIANTS = 256
MOST_LABELS = 100_000
LARGEST_FILE_BYTES = 2**31
DEEPEST_TABLE = 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True)
class Artifact:
    """A file of the family: relative POSIX path, sha256 in hex, size."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes the input tensor, the same in builder, calibration and live path.

    Centre crop of ``crop_fraction`` of the largest rectangle with the tensor's aspect, halving by
    INTER_AREA while more than twice too large, INTER_LINEAR to (height, width), RGB, then
    ``q = round((x - mean) / std / scale) + zero_point``, which is x itself for raw uint8 bytes.
    """

    height: int
    width: int
    crop_fraction: float
    mean: float
    std: float
    dtype: str  # "uint8", "int8" or "float32"
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Accuracy:
    """Top-1 and top-5 on held-out images; fractions, not percentages.

    ``evaluation`` is the file with one prediction per image, on which paired tests stand.
    """

    n: int
    images_sha256: str
    int8_top1: float
    int8_top5: float
    float_top1: float | None
    agreement: float | None  # fraction of images on which float and int8 have the same argmax
    evaluation: Artifact


@dataclass(frozen=True)
class OperatorCount:
    """How often one TFLite operator of one version stands in the model file."""

    name: str
    version: int
    count: int


@dataclass(frozen=True)
class VariantRecord:
    """One member of the family.

    ``phi`` is None for a published name and for an imported model; ``parameters`` counts trainable
    ones and is None where only the model file is known. ``macs_ratio`` is the realised MACs over
    the baseline's, ``asked_macs_ratio`` the alpha * beta^2 * gamma^2 to the power phi that was
    asked for. ``label_offset`` is subtracted from an output index to get its label.
    """

    name: str
    phi: float | None
    depth_coefficient: float | None
    width_coefficient: float | None
    resolution: int
    parameters: int | None
    macs: int
    macs_ratio: float | None
    asked_macs_ratio: float | None
    weight_bytes: int
    peak_activation_bytes: int
    model: Artifact
    compiled: Artifact | None
    compiled_reason: str | None
    architecture: Artifact | None
    preparation: Preparation
    outputs: int
    label_offset: int
    scores: str  # "softmax" or "logits": what the output tensor holds
    accuracy: Accuracy | None
    accuracy_reason: str | None
    operators: tuple[OperatorCount, ...]
    compilation: Compilation | None = None  # None too where ``compiled`` was made elsewhere


@dataclass(frozen=True)
class Manifest:
    """A family: its variants, their labels and where they came from."""

    schema_version: int
    edgescale_version: str
    name: str
    provenance: str  # "built" or "imported"
    labels: tuple[str, ...]
    coefficients: Mapping[str, Any] | None
    baseline: Mapping[str, Any] | None
    recipe: Mapping[str, Any] | None
    variants: tuple[VariantRecord, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain dicts and lists, ready for JSON; ``manifest_from_dict`` reverses it."""
        return asdict(self)


def manifest_from_dict(record: object, where: str = "manifest.json") -> Manifest:
    """Reads a manifest from parsed JSON.

    Raises:
        ManifestError: wrong schema version, unknown or missing key, wrong type, out of bounds.
    """
    fields = Fields(record, where, ManifestError)
    version = fields.integer("schema_version", low=1)
    if version > SCHEMA_VERSION:
        made_by = fields.text("edgescale_version", "a newer version", longest=100)
        raise ManifestError(
            f"{where}: schema version {version} is newer than this edgescale reads"
            f" ({SCHEMA_VERSION}); install edgescale {made_by} or newer"
        )
    if version == 1:
        fields = Fields(_upgraded_to_2(record, where), where, ManifestError)
        fields.take("schema_version")
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        edgescale_version=fields.text("edgescale_version", longest=100),
        name=_name(fields, "name"),
        provenance=fields.text("provenance", choices=("built", "imported")),
        labels=fields.texts("labels", most=MOST_LABELS),
        coefficients=_raw_table(fields, "coefficients"),
        baseline=_raw_table(fields, "baseline"),
        recipe=_raw_table(fields, "recipe"),
        variants=tuple(_variant(item) for item in fields.tables("variants", most=MOST_VARIANTS)),
    )
    fields.close()
    _check_together(manifest, where)
    return manifest


def _upgraded_to_2(record: Any, where: str) -> dict[str, Any]:
    """Adds what version 2 brought; what is no table is left for the reader to refuse."""
    variants = record.get("variants")
    if not isinstance(variants, list):
        return dict(record)
    if any(isinstance(item, Mapping) and "compilation" in item for item in variants):
        raise ManifestError(f"{where}: 'compilation' came with schema version 2, and this says 1")
    upgraded = [
        {**item, "compilation": None} if isinstance(item, Mapping) else item for item in variants
    ]
    return {**record, "variants": upgraded}


def _check_together(manifest: Manifest, where: str) -> None:
    if not manifest.variants:
        raise ManifestError(f"{where}: the family has no variants")
    names = [variant.name for variant in manifest.variants]
    for name in names:
        if names.count(name) > 1:
            raise ManifestError(f"{where}: two variants are named '{name}'")
    for variant in manifest.variants:
        if variant.outputs != len(manifest.labels) + variant.label_offset:
            raise ManifestError(
                f"{where}: variant '{variant.name}' has {variant.outputs} outputs, but there are"
                f" {len(manifest.labels)} labels and a label offset of {variant.label_offset}"
            )


def _variant(fields: Fields) -> VariantRecord:
    record = VariantRecord(
        name=_name(fields, "name"),
        phi=fields.optional_number("phi"),
        depth_coefficient=fields.optional_number("depth_coefficient"),
        width_coefficient=fields.optional_number("width_coefficient"),
        resolution=fields.integer("resolution", low=1, high=10_000),
        parameters=fields.optional_integer("parameters"),
        macs=fields.integer("macs"),
        macs_ratio=fields.optional_number("macs_ratio"),
        asked_macs_ratio=fields.optional_number("asked_macs_ratio"),
        weight_bytes=fields.integer("weight_bytes"),
        peak_activation_bytes=fields.integer("peak_activation_bytes"),
        model=_artifact(fields.table("model")),
        compiled=_optional_artifact(fields, "compiled"),
        compiled_reason=fields.optional_text("compiled_reason"),
        architecture=_optional_artifact(fields, "architecture"),
        preparation=_preparation(fields.table("preparation")),
        outputs=fields.integer("outputs", low=1, high=MOST_LABELS + 1),
        label_offset=fields.integer("label_offset", low=0, high=1_000),
        scores=fields.text("scores", choices=("softmax", "logits")),
        accuracy=_accuracy(fields.optional_table("accuracy")),
        accuracy_reason=fields.optional_text("accuracy_reason"),
        operators=tuple(_operator(item) for item in fields.tables("operators")),
        compilation=compilation_from(fields),
    )
    fields.close()
    return record


def _preparation(fields: Fields) -> Preparation:
    record = Preparation(
        height=fields.integer("height", low=1, high=10_000),
        width=fields.integer("width", low=1, high=10_000),
        crop_fraction=fields.number("crop_fraction", low=0.01, high=1),
        mean=fields.number("mean", low=-1e6, high=1e6),
        std=fields.number("std", low=1e-6, high=1e6),
        dtype=fields.text("dtype", choices=("uint8", "int8", "float32")),
        scale=fields.number("scale", low=1e-12, high=1e6),
        zero_point=fields.integer("zero_point", low=-128, high=255),
    )
    fields.close()
    return record


def _accuracy(fields: Fields | None) -> Accuracy | None:
    if fields is None:
        return None
    record = Accuracy(
        n=fields.integer("n", low=1),
        images_sha256=fields.sha256("images_sha256"),
        int8_top1=fields.number("int8_top1", low=0, high=1),
        int8_top5=fields.number("int8_top5", low=0, high=1),
        float_top1=fields.optional_number("float_top1"),
        agreement=fields.optional_number("agreement"),
        evaluation=_artifact(fields.table("evaluation")),
    )
    fields.close()
    return record


def _operator(fields: Fields) -> OperatorCount:
    record = OperatorCount(
        name=fields.text("name", longest=200),
        version=fields.integer("version", high=10_000),
        count=fields.integer("count", low=1, high=1_000_000),
    )
    fields.close()
    return record


def _artifact(fields: Fields) -> Artifact:
    record = Artifact(
        path=fields.text("path", longest=500),
        sha256=fields.sha256("sha256"),
        size_bytes=fields.integer("size_bytes", low=1, high=LARGEST_FILE_BYTES),
    )
    fields.close()
    return record


def _optional_artifact(fields: Fields, key: str) -> Artifact | None:
    table = fields.optional_table(key)
    return None if table is None else _artifact(table)


def _raw_table(fields: Fields, key: str) -> Mapping[str, Any] | None:
    value = fields.take(key)
    if value is not None and not isinstance(value, Mapping):
        raise fields.refuse(key, "a table or null")
    if not _shallow(value, DEEPEST_TABLE):
        raise fields.refuse(key, f"at most {DEEPEST_TABLE} tables and lists inside each other")
    return value


def _shallow(value: object, levels: int) -> bool:
    """Says whether a value holds at most so many levels, which whoever writes it again needs."""
    if not isinstance(value, Mapping | list):
        return True
    items = value.values() if isinstance(value, Mapping) else value
    return levels > 0 and all(_shallow(item, levels - 1) for item in items)


def _name(fields: Fields, key: str) -> str:
    value: str = fields.text(key, longest=100)
    if not NAME.fullmatch(value):
        raise fields.refuse(key, "a name of letters, digits and . _ + - (at most 100)")
    return value
