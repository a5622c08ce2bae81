"""Builds a family from a recipe: plans, runs what is not there yet, and writes the manifest.

This process imports no TensorFlow: workers do the work, and a build with nothing to do takes about
a second.
"""

import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgescale.builder.assemble import assemble
from edgescale.builder.budget import budget_line
from edgescale.builder.class_folders import ClassFolders
from edgescale.builder.compile_family import Compiling, Outcome, compile_variants
from edgescale.builder.find_recipe import find_recipe
from edgescale.builder.lock import building
from edgescale.builder.plan import Plan, PlannedVariant, make_plan
from edgescale.builder.pool import Pool
from edgescale.builder.progress import BuildEvent, OnEvent, Steps
from edgescale.builder.recipe import Recipe
from edgescale.builder.recipe_file import recipe_from_table
from edgescale.builder.results import BUILD_FOLDER, is_finished, remove_unfinished, stage_folder
from edgescale.builder.tensorflow_setup import require_tensorflow
from edgescale.builder.toml_file import parse_toml
from edgescale.errors import BuildError, FamilyError
from edgescale.family.manifest import Manifest
from edgescale.family.store import MANIFEST_FILE, Family, load_family
from edgescale.scaling.variant import Variant
from edgescale.units import mib, millions

log = logging.getLogger(__name__)
_NOT_COMPILING = Compiling(None, "no Edge TPU compiler was given to the build")
_NEARLY_EQUAL = 1.05  # MACs of neighbours nearer than this are one network for most purposes


def build_family(
    recipe: Path | str,
    out: Path | str,
    *,
    data_folder: Path | None = None,
    jobs: int | None = None,
    on_event: OnEvent | None = None,
    compiling: Compiling = _NOT_COMPILING,
) -> Family:
    """Builds the family that a recipe describes, or what of it is missing.

    Safe to kill at any moment: the next build goes on and ends in the same manifest.

    Args:
        recipe: a recipe file, a folder with one, or the name of a shipped recipe.
        out: the family's folder; made where it is not there.
        data_folder: a folder of images in place of the recipe's data.
        jobs: variants built at a time; one per core where not given.
        on_event: told what happens, see ``BuildEvent``.
        compiling: the Edge TPU compiler; a variant it fails on keeps the reason, and the build goes
            on.

    Raises:
        RecipeError: a recipe that cannot be built.
        BuildError: a stage failed, the folder cannot be written, or TensorFlow is missing.
        BuildLocked: another build works on the folder.
    """
    path, family = find_recipe(str(recipe)), Path(out)
    table = parse_toml(path)
    plan = make_plan(recipe_from_table(table, path, data_folder))
    if line := budget_line(plan):
        log.info("%s", line)
    for line in scaling_warnings([planned.variant for planned in plan.variants]):
        log.warning("%s", line)
    _refuse_other_content(family, plan.recipe.name)
    with building(family) as lock:
        remove_unfinished(family)
        job = {
            "recipe": table,
            "recipe_path": str(path.absolute()),
            "data_folder": None if data_folder is None else str(data_folder.absolute()),
            "digests": asdict(plan.digests),
            "labels": plan.labels,
            "family": str(family.resolve()),
        }
        tell = on_event or _logged
        steps = _run(family, plan, lock, job, jobs=jobs or cores(), on_event=tell)

        def told(outcome: Outcome) -> None:
            tell(_compile_event(outcome, steps))

        compile_variants(assemble(family, plan), compiling, told)
        return load_family(family, verify=False)


def _compile_event(outcome: Outcome, steps: Steps) -> BuildEvent:
    said, state = outcome.why or "", "failed"
    if outcome.state == "kept":
        state = "skipped"
    elif outcome.record.compilation is not None and outcome.state == "compiled":
        found, state = outcome.record.compilation, "finished"
        said = (
            f"{mib(found.on_chip_memory_used_bytes)} on chip,"
            f" {mib(found.off_chip_streaming_bytes)} streamed, {found.ops_on_edgetpu} operators"
            f" on the Edge TPU, {found.ops_on_cpu} on the CPU"
        )
    took_s = outcome.took_s or None  # none where the compiler was not asked
    return BuildEvent(outcome.record.name, "compile", state, said, took_s, steps.total, steps.total)


def scaling_warnings(variants: Iterable[Variant]) -> list[str]:
    """Says which neighbours are nearly one network, because rounding ate the step between them."""
    ordered = sorted(variants, key=lambda variant: variant.cost.macs)
    return [
        f"{smaller.name} and {larger.name} are nearly one network: {millions(smaller.cost.macs)}"
        f" and {millions(larger.cost.macs)} MACs, but {smaller.asked_macs_ratio:.2f} and"
        f" {larger.asked_macs_ratio:.2f} x the baseline were asked for; set their phis further"
        " apart or lower depth_divisor"
        for smaller, larger in pairwise(ordered)
        if larger.cost.macs < _NEARLY_EQUAL * smaller.cost.macs
    ]


def _refuse_other_content(family: Path, name: str) -> None:
    """Refuses a folder that holds anything but this family, or the beginning of one.

    Raises:
        BuildError: another family, or something else.
    """
    manifest = family / MANIFEST_FILE
    try:
        str(family.resolve()).encode()
    except UnicodeEncodeError as problem:
        raise BuildError(
            f"{family}: this path is not UTF-8, which TFLite runtimes need; choose another folder"
        ) from problem
    try:
        if not family.exists() or (family.is_dir() and not any(family.iterdir())):
            return
        known = manifest.is_file() or (family / BUILD_FOLDER).is_dir()
    except OSError as problem:
        raise BuildError(f"{family}: cannot be read ({problem.strerror})") from problem
    if not known:
        raise BuildError(f"{family}: exists and holds no family; choose another folder")
    if manifest.is_file():
        found = _manifest_of(family)
        if (found.name, found.provenance) != (name, "built"):
            raise BuildError(
                f"{family}: holds the {found.provenance} family '{found.name}', not '{name}';"
                " choose another folder"
            )


def _manifest_of(family: Path) -> Manifest:
    """Reads the manifest that a build will replace.

    Raises:
        BuildError: it is damaged.
    """
    try:
        return load_family(family, verify=False).manifest
    except FamilyError as problem:
        do = "delete it and build again"
        if not (family / BUILD_FOLDER).is_dir():  # nothing left to go on with
            do = "choose another folder"
        raise BuildError(f"{problem}; a build cannot tell whose it is: {do}") from problem


def _run(
    family: Path, plan: Plan, lock: int, job: dict[str, Any], *, jobs: int, on_event: OnEvent
) -> Steps:
    training = plan.recipe.training
    steps = Steps(training.epochs if training else 0, {v.name: len(v.keys) for v in plan.variants})

    def tell(variant: str, event: dict[str, Any]) -> None:
        state, stage = event["event"], event.get("stage", "train")
        said = event.get("said", "")
        if state == "epoch":
            steps.epoch(variant, event["done"])
            said = f"epoch {event['done']}, loss {event['loss']:.3f}"
        elif state in ("finished", "skipped"):
            steps.stage(variant, stage)
        on_event(BuildEvent(variant, stage, state, said, event.get("took_s"), steps.done,
                            steps.total))  # fmt: skip

    unfinished = [planned for planned in plan.variants if not _is_built(family, planned)]
    for planned in plan.variants:
        if planned not in unfinished:
            for stage in planned.keys:
                tell(planned.name, {"event": "skipped", "stage": stage})
    if not unfinished:
        return steps
    require_tensorflow()
    _check_images(plan.recipe)
    # Largest first: it takes longest, and the small ones fill the other cores meanwhile.
    failures = Pool(family, job, lock, tell).run(unfinished[::-1], jobs)
    if failures:
        raise BuildError(
            f"{len(failures)} of {len(plan.variants)} variants failed, the manifest"
            f" was not written: {_reasons(failures)}"
        )
    return steps


def _reasons(failures: Mapping[str, str]) -> str:
    """Tells every reason once, after the variants that failed for it."""
    variants: dict[str, list[str]] = {}
    for variant, why in failures.items():
        variants.setdefault(why, []).append(variant)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in variants.items())


def _check_images(recipe: Recipe) -> None:
    """Decodes every image that a folder of the user holds: minutes before a stage would find it.

    Raises:
        DataError: one cannot be decoded.
    """
    if recipe.data is not None and recipe.data.folder is not None:
        ClassFolders.scan(recipe.data.folder, recipe.data).check_images()


def _is_built(family: Path, planned: PlannedVariant) -> bool:
    return all(
        is_finished(stage_folder(family, planned.name, stage), key)
        for stage, key in planned.keys.items()
    )


def cores() -> int:
    """Returns how many cores this process may use."""
    with suppress(AttributeError):  # not on every system
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _logged(event: BuildEvent) -> None:
    if event.state == "finished":
        log.info("%s", event.line())
