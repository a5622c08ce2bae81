"""Makes the family's files and its manifest from the results of the stages.

Nothing here needs TensorFlow. The manifest is written last and holds no times, so the same results
give the same bytes.
"""

from contextlib import suppress
from pathlib import Path

from edgescale import __version__
from edgescale.builder.plan import Plan, PlannedVariant
from edgescale.builder.recipe import baseline_record
from edgescale.builder.results import stage_folder
from edgescale.builder.stages import ARCHITECTURE_FILE, EVALUATION_FILE, MODEL_FILE
from edgescale.edgetpu.model_file import read_model_file
from edgescale.errors import ArtifactError, BuildError
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
_NOT_COMPILED = "this version of edgescale does not compile for the Edge TPU"
_NOT_EVALUATED = "the recipe names no labelled images: neither [data] nor [evaluation]"


def assemble(family: Path, plan: Plan) -> Family:
    """Writes the files of every variant, then the manifest, then removes what it does not name.

    Raises:
        BuildError: the folder cannot be written.
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
            variants=tuple(_record(family, plan, planned) for planned in plan.variants),
        )
        # Read back as a device will: what it would refuse must not be written.
        checked = manifest_from_dict(_plain(manifest.to_dict()))
        save_manifest(family, manifest)
    except ArtifactError as problem:
        raise BuildError(str(problem)) from problem
    with suppress(OSError):  # leftovers cost space, nothing else
        _remove_unnamed(family, checked)
    return Family(family, checked)


def _plain(record: object) -> object:
    """Turns tuples into lists, as JSON would."""
    if isinstance(record, dict):
        return {key: _plain(value) for key, value in record.items()}
    return [_plain(item) for item in record] if isinstance(record, list | tuple) else record


def _record(family: Path, plan: Plan, planned: PlannedVariant) -> VariantRecord:
    variant = planned.variant
    model = _published(family, planned, "quantise", MODEL_FILE)
    architecture = _published(family, planned, "network", ARCHITECTURE_FILE)
    accuracy = _accuracy(family, planned) if "evaluate" in planned.keys else None
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
        operators=read_model_file(family / model.path).operators,
    )


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
    """Removes the files and folders under ``variants`` that the manifest does not name."""
    named = {family / artifact.path for artifact in artifacts_of(manifest)}
    for folder in (family / VARIANTS_FOLDER).iterdir():
        for path in folder.iterdir() if folder.is_dir() else ():
            if path not in named:
                path.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
