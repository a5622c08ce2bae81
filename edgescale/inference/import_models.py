"""Makes a family of existing models: reads what the files say, tries each, and writes the manifest.

Nothing is trusted to a file name but the pairing of a model with its ``_edgetpu`` twin. The family
is made in a temporary folder beside its place and moved there when it is whole.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgescale import __version__
from edgescale.edgetpu.model_file import TensorSpec
from edgescale.errors import EdgescaleError, ModelFileError
from edgescale.family.manifest import SCHEMA_VERSION, Manifest, Preparation, VariantRecord
from edgescale.family.staging import check_free, copied, staged
from edgescale.family.store import Family, artifact_from, load_family, save_manifest, sha256_of
from edgescale.inference.background import BACKGROUND
from edgescale.inference.evaluation import evaluate, save_evaluation, with_worker
from edgescale.inference.import_sources import (
    TWIN_SUFFIX,
    Refusals,
    Source,
    name_from,
    read_sources,
)
from edgescale.inference.label_file import read_labels
from edgescale.inference.labelled import LabelledImage, labelled_images, read_samples
from edgescale.inference.worker import Worker, WorkerSettings

log = logging.getLogger(__name__)

DEFAULT_CROP = 0.875
NOT_COMPILED = "no compiled twin was imported"
FLOAT_MODEL = "not evaluated: takes float32, and only quantised models are evaluated"
NOT_EVALUATED = "not evaluated: imported without --evaluate"

# Given a variant's name and its images, returns the images; a progress bar goes in between.
Watch = Callable[[str, Sequence[LabelledImage]], Iterable[LabelledImage]]


@dataclass(frozen=True)
class ImportSettings:
    """What the files do not say: label offset, preparation, and images to evaluate on.

    ``label_offset`` None is 0, or 1 where the labels begin with ``background``. ``mean`` and
    ``std`` None are those with which raw bytes go in.
    """

    label_offset: int | None = None
    mean: float | None = None
    std: float | None = None
    crop_fraction: float = DEFAULT_CROP
    evaluate_on: Path | None = None
    runtime: str | None = None

    def __post_init__(self) -> None:
        """Refuses numbers that no manifest may hold, which are the caller's mistake."""
        for name, value, low, high in (
            ("mean", self.mean, -1e6, 1e6),
            ("std", self.std, 1e-6, 1e6),
            ("crop_fraction", self.crop_fraction, 0.01, 1),
        ):
            if value is not None and not low <= value <= high:  # NaN is in no range
                raise ValueError(f"{name} is {value}; it must be from {low:g} to {high:g}")


def import_family(
    files: Sequence[Path],
    labels_file: Path,
    out: Path,
    *,
    settings: ImportSettings,
    watch: Watch = lambda _, images: images,
) -> Family:
    """Imports models as one family.

    Args:
        files: ``.tflite`` files; a CPU model and its ``_edgetpu`` twin become one variant.
        labels_file: see ``label_file``.
        out: the family's folder; it must not hold anything else.
        settings: see ``ImportSettings``.
        watch: is given a variant's name and its images, and returns them; for progress bars.

    Raises:
        ModelFileError: a file that is no image classifier, or does not fit the labels.
        DataError: labels or images that cannot be used.
        ManifestError, ArtifactError: the folder is taken or cannot be written.
        DeviceError: a model that does not run here.
    """
    refusals = Refusals()
    sources = read_sources(files, refusals)
    labels, offset = _labels(labels_file, settings.label_offset)
    for source in sources:
        with refusals.noted(source.path):
            _offset_of(source, len(labels), offset)
            preparation_of(source.path, source.content.inputs[0], settings)
    refusals.raise_all()
    paths = [path for source in sources for path in (source.path, source.compiled) if path]
    check_free(out, {sha256_of(path) for path in paths})
    images: tuple[LabelledImage, ...] = ()
    if settings.evaluate_on is not None:
        images = labelled_images(settings.evaluate_on, labels)
    with staged(out) as folder:
        records = [_record(folder, source, len(labels), offset, settings) for source in sources]
        family = Family(folder, _manifest(out, labels, records))
        with _named_by_source(family, sources):
            tried = [_tried(family, record, images, settings, watch) for record in records]
        save_manifest(folder, replace(family.manifest, variants=tuple(tried)))
    return load_family(out)


def _labels(labels_file: Path, offset: int | None) -> tuple[tuple[str, ...], int]:
    """Returns the labels and the offset; a leading ``background`` is an output, not a class."""
    labels = read_labels(labels_file)
    if labels[0].casefold() == BACKGROUND and offset != 0 and len(labels) > 1:
        return labels[1:], 1 if offset is None else offset
    return labels, offset or 0


def _offset_of(source: Source, labels: int, offset: int) -> int:
    """Returns the label offset of one model; none where it has as many outputs as labels."""
    outputs = source.content.outputs[0].shape[-1]
    if outputs == labels:
        return 0
    if outputs != labels + offset:
        hint = "give the labels it was trained with"
        if 0 < outputs - labels <= 10:
            hint = f"or is it --label-offset {outputs - labels}?"
        raise ModelFileError(
            f"{source.path}: {outputs} outputs, but there are {labels} labels and a label offset of"
            f" {offset}; {hint}"
        )
    return offset


@contextmanager
def _named_by_source(family: Family, sources: Sequence[Source]) -> Iterator[None]:
    """Puts the names of the user's files for those of their copies in messages."""
    try:
        yield
    except EdgescaleError as problem:
        text = str(problem)
        for source, record in zip(sources, family.manifest.variants, strict=True):
            text = text.replace(str(family.path(record.model)), str(source.path))
        raise type(problem)(text) from problem


def _record(
    folder: Path, source: Source, labels: int, offset: int, settings: ImportSettings
) -> VariantRecord:
    """Copies a model into the folder and describes it."""
    content = source.content
    label_offset = _offset_of(source, labels, offset)
    if settings.label_offset and not label_offset:
        log.warning(
            "%s: as many outputs as labels, so the label offset %d does not apply to it",
            source.path, settings.label_offset,
        )  # fmt: skip
    model = copied(source.path, folder / "models" / f"{source.name}.tflite")
    compiled = None
    if source.compiled is not None:
        twin = folder / "models" / f"{source.name}{TWIN_SUFFIX}.tflite"
        compiled = artifact_from(folder, copied(source.compiled, twin))
    if content.per_channel_dense:
        log.warning(
            "%s: dense weights with a scale per channel, which TFLite runtimes before 2.11 and the"
            " Edge TPU compiler compute wrongly without saying so", source.path
        )  # fmt: skip
    return VariantRecord(
        name=source.name,
        phi=None,
        depth_coefficient=None,
        width_coefficient=None,
        resolution=content.inputs[0].shape[1],
        parameters=None,
        macs=content.macs,
        macs_ratio=None,
        asked_macs_ratio=None,
        weight_bytes=content.weight_bytes,
        peak_activation_bytes=content.peak_activation_bytes,
        model=artifact_from(folder, model),
        compiled=compiled,
        compiled_reason=None if compiled else NOT_COMPILED,
        architecture=None,
        preparation=preparation_of(source.path, content.inputs[0], settings),
        outputs=labels + label_offset,
        label_offset=label_offset,
        scores="softmax" if content.ends_in_softmax else "logits",
        accuracy=None,
        accuracy_reason=NOT_EVALUATED,
        operators=content.operators,
    )


def preparation_of(path: Path, spec: TensorSpec, settings: ImportSettings) -> Preparation:
    """Returns how pictures go into a model: raw bytes, unless mean and std say otherwise.

    Raises:
        ModelFileError: a float model, whose file does not say, without mean and std.
    """
    scale = spec.scales[0] if spec.scales else 1.0
    zero_point = spec.zero_points[0] if spec.zero_points else 0
    if not 1e-12 <= scale <= 1e6 or not -128 <= zero_point <= 255:
        raise ModelFileError(
            f"{path}: input scale {scale:g} and zero point {zero_point} are impossible; the file is"
            " damaged, convert it again"
        )
    mean, std = settings.mean, settings.std
    if spec.dtype == "float32" and (mean is None or std is None):
        raise ModelFileError(
            f"{path}: takes float32, and the file does not say of which range; give --mean and"
            " --std of its training"
        )
    lowest = -128 if spec.dtype == "int8" else 0  # the tensor value of the byte 0
    return Preparation(
        height=spec.shape[1],
        width=spec.shape[2],
        crop_fraction=settings.crop_fraction,
        mean=float(zero_point - lowest) if mean is None else mean,
        std=1 / scale if std is None else std,
        dtype=spec.dtype,
        scale=scale,
        zero_point=zero_point,
    )


def _tried(
    family: Family,
    record: VariantRecord,
    images: Sequence[LabelledImage],
    settings: ImportSettings,
    watch: Watch,
) -> VariantRecord:
    """Runs a model once, or over the images, in a worker: a bad file must not end the import."""
    with Worker(family, record, settings=WorkerSettings(runtime=settings.runtime)) as worker:
        # A float model's answers must not stand in the manifest as those of an int8 one.
        is_float = record.preparation.dtype == "float32"
        if is_float or not images:
            worker.classify(np.full((64, 64, 3), 127, np.uint8), bgr=False)
            if not images:
                return record
            log.warning("%s: %s", record.name, FLOAT_MODEL)
            return replace(record, accuracy_reason=FLOAT_MODEL)
        samples = read_samples(watch(record.name, images))
        evaluation = evaluate(with_worker(worker), samples)
    name = f"{record.name}-{evaluation.images_sha256[:8]}.json"
    path = family.folder / "evaluations" / name
    save_evaluation(path, evaluation)
    accuracy = evaluation.accuracy(artifact_from(family.folder, path))
    log.info(
        "%s: int8 top-1 %.1f %%, top-5 %.1f %% (n=%d, measured)",
        record.name, 100 * accuracy.int8_top1, 100 * accuracy.int8_top5, accuracy.n,
    )  # fmt: skip
    return replace(record, accuracy=accuracy, accuracy_reason=None)


def _manifest(out: Path, labels: tuple[str, ...], records: Sequence[VariantRecord]) -> Manifest:
    return Manifest(
        schema_version=SCHEMA_VERSION,
        edgescale_version=__version__,
        name=name_from(out.resolve().name),
        provenance="imported",
        labels=labels,
        coefficients=None,
        baseline=None,
        recipe=None,
        variants=tuple(records),
    )
