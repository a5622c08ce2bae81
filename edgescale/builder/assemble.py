"""Makes the family's files and its manifest from the results of the stages.

Nothing here needs TensorFlow. The manifest is written last and holds no times, so the same results
give the same bytes.
"""

import re
from contextlib import suppress
from math import prod
from pathlib import Path

from edgescale import __version__
from edgescale.builder.compile_family import carried_over
from edgescale.builder.plan import Plan, PlannedVariant
from edgescale.builder.quantise import check_maps
from edgescale.builder.recipe import baseline_record
from edgescale.builder.results import stage_folder
from edgescale.builder.stages import ARCHITECTURE_FILE, EVALUATION_FILE, MODEL_FILE
from edgescale.edgetpu.model_file import read_model_file
from edgescale.errors import ArtifactError, BuildError, ModelFileError
from edgescale.family.manifest import (
    SCHEMA_VERSION,
    Accuracy,
    Artifact,
    Manifest,
    VariantRecord,
    manifest_from_dict,
)
from edgescale.family.store import (
    Family,
    artifact_from,
    artifacts_of,
    save_manifest,
    sha256_of,
    write_bytes,
)
from edgescale.inference.evaluation import load_evaluation

VARIANTS_FOLDER = "variants"
_DIGITS_IN_NAME = 12
_OWN_FILE = re.compile(r"(model|architecture|evaluation)-[0-9a-f]{12}(_edgetpu)?\.(tflite|json)")
_NOT_COMPILED = "not compiled yet: 'edgescale compile' and 'edgescale build' do it"
_NOT_EVALUATED = "the recipe names no labelled images: neither [data] nor [evaluation]"


def assemble(family: Path, plan: Plan) -> Family:
    """Writes the files of every variant, then the manifest, then removes older files of a build.

    What was compiled from the same model before stays with it.

    Raises:
        BuildError: the folder cannot be written, or a model does not fit the labels or would not
            run wholly on an Edge TPU.
    """
    try:
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            edgescale_version=__version__,
            name=plan.recipe.name,
            provenance="built",
            labels=plan.labels,
            coefficients=plan.recipe.resolved()["scaling"],
            baseline=baseline_record(plan.recipe.baseline),
            recipe={**plan.recipe.resolved(), "images_sha256": vars(plan.digests)},
            variants=carried_over(
                family, tuple(_record(family, plan, planned) for planned in plan.variants)
            ),
        )
        # Read back as a device will: what it would refuse must not be written.
        checked = manifest_from_dict(_plain(manifest.to_dict()))
        save_manifest(family, manifest)
    except ArtifactError as problem:
        raise BuildError(str(problem)) from problem
    _remove_unnamed(family, checked)
    return Family(family, checked)


def _plain(record: object) -> object:
    """Turns tuples into lists, as JSON would."""
    if isinstance(record, dict):
        return {key: _plain(value) for key, value in record.items()}
    return [_plain(item) for item in record] if isinstance(record, list | tuple) else record


def _record(family: Path, plan: Plan, planned: PlannedVariant) -> VariantRecord:
    variant = planned.variant
    _check_maps(family, planned)
    model = _published(family, planned, "quantise", MODEL_FILE)
    architecture = _published(family, planned, "network", ARCHITECTURE_FILE)
    accuracy = _accuracy(family, planned) if "evaluate" in planned.keys else None
    content = read_model_file(family / model.path)
    outputs = sum(prod(output.shape) for output in content.outputs)
    if outputs != len(plan.labels):
        raise BuildError(
            f"{planned.name}: its model has {outputs} outputs, but there are {len(plan.labels)}"
            " labels; the data changed while it was built, build again"
        )
    return VariantRecord(
        name=planned.name,
        phi=variant.phi,
        depth_coefficient=variant.depth_coefficient,
        width_coefficient=variant.width_coefficient,
        resolution=variant.resolution,
        parameters=variant.cost.parameters,
        macs=variant.cost.macs,
        macs_ratio=variant.macs_ratio,
        asked_macs_ratio=variant.asked_macs_ratio,
        weight_bytes=variant.cost.weight_bytes,
        peak_activation_bytes=variant.cost.peak_activation_bytes,
        model=model,
        compiled=None,
        compiled_reason=_NOT_COMPILED,
        architecture=architecture,
        preparation=planned.preparation,
        outputs=len(plan.labels),
        label_offset=0,
        scores="softmax",
        accuracy=accuracy,
        accuracy_reason=None if accuracy is not None else _NOT_EVALUATED,
        operators=content.operators,
    )


def _check_maps(family: Path, planned: PlannedVariant) -> None:
    """Refuses a model that an Edge TPU would not run wholly: one quantised by an older version.

    What is quantised now was looked at before its stage ended.
    """
    folder = stage_folder(family, planned.name, "quantise")
    try:
        check_maps(folder / MODEL_FILE)
    except (BuildError, ModelFileError) as problem:
        raise BuildError(
            f"{planned.name}: {problem}; delete {folder}, which an older edgescale has left, and"
            " build again"
        ) from problem


def _accuracy(family: Path, planned: PlannedVariant) -> Accuracy:
    artifact = _published(family, planned, "evaluate", EVALUATION_FILE)
    return load_evaluation(family / artifact.path).accuracy(artifact)


def _published(family: Path, planned: PlannedVariant, stage: str, name: str) -> Artifact:
    """Copies a file of a stage's result to where the manifest will name it, unless it is there.

    The file's name carries its content, so that the files of the manifest before stay as they are
    until the new manifest replaces it.
    """
    source = stage_folder(family, planned.name, stage) / name
    digest = sha256_of(source)
    folder = family / VARIANTS_FOLDER / planned.name
    target = folder / f"{source.stem}-{digest[:_DIGITS_IN_NAME]}{source.suffix}"
    if not target.is_file() or sha256_of(target) != digest:
        write_bytes(target, source.read_bytes())
    return artifact_from(family, target)


def _remove_unnamed(family: Path, manifest: Manifest) -> None:
    """Removes the models of builds before that the manifest no longer names.

    Whatever a build did not write stays, and no link is followed: it may lead out of the family.
    A file that cannot be removed costs space, nothing else.
    """
    named = {family / artifact.path for artifact in artifacts_of(manifest)}
    variants = family / VARIANTS_FOLDER
    for folder in () if variants.is_symlink() else tuple(variants.iterdir()):
        with suppress(OSError):
            if not folder.is_symlink() and folder.is_dir():
                _remove_own(folder, named)


def _remove_own(folder: Path, named: set[Path]) -> None:
    unnamed = [path for path in folder.iterdir()
               if _OWN_FILE.fullmatch(path.name) and path not in named
               and path.is_file() and not path.is_symlink()]  # fmt: skip
    for path in unnamed:
        with suppress(OSError):
            path.unlink()
    if unnamed and not any(folder.iterdir()):
        folder.rmdir()
