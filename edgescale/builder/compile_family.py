"""Compiles the variants of a family for the Edge TPU, the same for ``compile`` and ``build``.

The manifest is the memory: a variant is skipped that was compiled from the same model by the same
compiler with the same options. It is replaced after each variant, so that a family killed at any
moment is whole; a failure takes only its own variant with it and is never remembered as a result.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgescale.builder.lock import building
from edgescale.builder.results import BUILD_FOLDER, remove_unfinished
from edgescale.edgetpu.compiler import Compiled, compile_model, cpu_lines
from edgescale.edgetpu.compiler_command import CompilerOptions
from edgescale.edgetpu.compiler_log import write_log
from edgescale.edgetpu.compiler_run import Compiler
from edgescale.errors import (
    ArtifactError,
    BuildError,
    CompilerFailed,
    FamilyError,
    ModelFileError,
)
from edgescale.family.compilation import Compilation
from edgescale.family.manifest import Artifact, VariantRecord
from edgescale.family.store import (
    Family,
    artifact_from,
    artifacts_of,
    artifacts_of_variant,
    inside,
    load_family,
    save_manifest,
    write_bytes,
)

log = logging.getLogger(__name__)
_KEY_VERSION = 1  # goes up when the same compiler and options would be judged otherwise
_CONTENT_NAME = re.compile(r"-[0-9a-f]{12}$")
_DIGITS_IN_NAME = 12
_LONGEST_REASON = 2_000
_LOG_FILE = "compile.log"


@dataclass(frozen=True)
class Compiling:
    """What to compile with; ``compiler`` None and the reason where there is none.

    ``allow_partial`` takes variants of which a part stays on the CPU.
    """

    compiler: Compiler | None
    reason: str = ""
    options: CompilerOptions = field(default_factory=CompilerOptions)
    allow_partial: bool = False

    def key(self, model: Artifact) -> str:
        """Hashes all that a compiled file depends on."""
        if self.compiler is None:
            return ""
        version = self.compiler.version
        content = [_KEY_VERSION, model.sha256, version, self.options.words(version)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of one variant: ``compiled``, ``kept`` (it was there) or ``failed``.

    ``record`` is its entry in the manifest, in which a failure has its reason. A file compiled
    before stays where a new attempt fails: ``reason`` tells of the attempt all the same. ``log``
    holds what the compiler said; the manifest names none, since a copied family has none.
    """

    record: VariantRecord
    state: str
    reason: str | None = None
    attempts: int = 0
    took_s: float = 0.0
    notes: tuple[str, ...] = ()
    on_cpu: tuple[str, ...] = ()
    log: Path | None = None

    @property
    def why(self) -> str | None:
        """Why it failed, and where all that the compiler said is."""
        if self.reason is None or self.log is None:
            return self.reason
        return f"{self.reason}; all it said is in {self.log}"


OnOutcome = Callable[[Outcome], None]


def compile_family(
    folder: Path, compiling: Compiling, on_outcome: OnOutcome
) -> tuple[Outcome, ...]:
    """Compiles every variant of a family that is not compiled like this yet.

    A compiled file that is missing or damaged is made again; every other file must be whole.

    Raises:
        ManifestError, ArtifactError: no usable family.
        BuildLocked: a build or another compile works on it.
        BuildError: its folder cannot be written.
    """
    load_family(folder, verify=False)  # before a lock is put into a folder that is none
    with building(folder):
        remove_unfinished(folder)
        family = load_family(folder, verify=False)
        for variant in family.manifest.variants:
            for artifact in artifacts_of_variant(replace(variant, compiled=None)):
                family.verify(artifact)
        return compile_variants(family, compiling, on_outcome)


def compile_variants(
    family: Family, compiling: Compiling, on_outcome: OnOutcome
) -> tuple[Outcome, ...]:
    """Compiles the variants of a family whose lock is held; see ``compile_family``."""
    outcomes = []
    for variant in family.manifest.variants:
        outcome = _outcome(family, _sound(family, variant), compiling)
        if outcome.record != variant:
            family = _saved(family, variant, outcome.record)
        outcomes.append(outcome)
        on_outcome(outcome)
    return tuple(outcomes)


def _sound(family: Family, variant: VariantRecord) -> VariantRecord:
    """Returns the record without a compiled file that is missing or damaged."""
    if variant.compiled is None:
        return variant
    try:
        family.verify(variant.compiled)
    except ArtifactError as problem:
        log.warning("%s: what was compiled before does not count (%s)", variant.name, problem)
        return replace(variant, compiled=None, compilation=None)
    return variant


def _outcome(family: Family, variant: VariantRecord, compiling: Compiling) -> Outcome:
    if compiling.compiler is None:
        if variant.compiled is not None:
            return Outcome(variant, "kept")
        record = replace(variant, compiled_reason=compiling.reason)
        return Outcome(record, "failed", compiling.reason)
    key = compiling.key(variant.model)
    if _is_there(variant, key, compiling.allow_partial):
        return Outcome(variant, "kept")
    log.info("compile %s: %s, version %s", variant.name, variant.model.path,
             compiling.compiler.version)  # fmt: skip
    try:
        made = compile_model(
            compiling.compiler, family.path(variant.model), compiling.options,
            allow_partial=compiling.allow_partial,
        )  # fmt: skip
    except CompilerFailed as problem:
        outcome = _failed(variant, _without_folder(family, problem))
        return replace(outcome, attempts=problem.attempts, took_s=problem.took_s,
                       log=_logged(family, variant, problem.printed))  # fmt: skip
    except ModelFileError as problem:
        return _failed(variant, _without_folder(family, problem))
    kept = _logged(family, variant, made.printed)
    return replace(_compiled(family, variant, made, made.record(key)), log=kept)


def _without_folder(family: Family, problem: Exception) -> str:
    return str(problem).replace(f"{family.folder}/", "")


def log_of(family: Family, variant: VariantRecord) -> Path:
    """Returns where the log of a variant's last compile is, where there was one.

    Raises:
        ManifestError: a link leads out of the family.
    """
    return inside(family.folder, f"{BUILD_FOLDER}/{variant.name}/{_LOG_FILE}")


def _logged(family: Family, variant: VariantRecord, printed: str) -> Path | None:
    """Keeps what the compiler said, as far as the folder lets us; an older log would mislead."""
    try:
        path = log_of(family, variant)
        if printed:
            write_log(path, printed)
            return path
        with suppress(OSError):
            path.unlink(missing_ok=True)
    except FamilyError as problem:  # the outcome itself is what must be told
        log.warning("%s: its log cannot be kept (%s)", variant.name, problem)
    return None


def _is_there(variant: VariantRecord, key: str, allow_partial: bool) -> bool:
    found = variant.compilation
    if variant.compiled is None or found is None or found.key != key:
        return False
    return allow_partial or found.ops_on_cpu == 0


def _failed(variant: VariantRecord, reason: str) -> Outcome:
    """Keeps a file that was compiled before: it is still what its record says."""
    reason = reason[:_LONGEST_REASON]
    record = replace(variant, compiled_reason=reason) if variant.compiled is None else variant
    return Outcome(record, "failed", reason)


def _compiled(
    family: Family, variant: VariantRecord, made: Compiled, compilation: Compilation
) -> Outcome:
    """Puts the compiled file beside its model, under a name that carries its content."""
    digest = hashlib.sha256(made.content).hexdigest()[:_DIGITS_IN_NAME]
    model = family.path(variant.model)
    name = f"{_CONTENT_NAME.sub('', model.stem)}-{digest}_edgetpu.tflite"
    target = model.with_name(name)
    write_bytes(target, made.content)
    record = replace(
        variant, compiled=artifact_from(family.folder, target), compiled_reason=None,
        compilation=compilation,
    )  # fmt: skip
    return Outcome(
        record, "compiled", attempts=len(made.attempts),
        took_s=sum(one.took_s for one in made.attempts), notes=made.notes,
        on_cpu=tuple(cpu_lines(made.output.model)),
    )  # fmt: skip


def _saved(family: Family, before: VariantRecord, after: VariantRecord) -> Family:
    """Replaces one variant in the manifest, and then removes the file it no longer names.

    Raises:
        BuildError: the folder cannot be written.
    """
    manifest = replace(
        family.manifest,
        variants=tuple(after if one == before else one for one in family.manifest.variants),
    )
    try:
        save_manifest(family.folder, manifest)
    except ArtifactError as problem:
        raise BuildError(str(problem)) from problem
    changed = Family(family.folder, manifest)
    named = {artifact.path for artifact in artifacts_of(manifest)}
    if before.compiled is not None and before.compiled.path not in named:
        with suppress(OSError):  # a file left over costs space, nothing else
            family.path(before.compiled).unlink()
    return changed


def carried_over(folder: Path, records: tuple[VariantRecord, ...]) -> tuple[VariantRecord, ...]:
    """Adds to new records what the present manifest knows to be compiled from these very models.

    So that a build which finds no compiler, or is killed before it compiles, loses nothing.
    """
    try:
        family = load_family(folder, verify=False)
    except FamilyError:  # none yet, or a damaged one, which is replaced
        return records
    known = {variant.name: variant for variant in family.manifest.variants}
    return tuple(_carried(family, known.get(record.name), record) for record in records)


def _carried(family: Family, before: VariantRecord | None, record: VariantRecord) -> VariantRecord:
    if before is None or before.compiled is None or before.model.sha256 != record.model.sha256:
        return record
    try:
        family.verify(before.compiled)
    except FamilyError:
        return record
    return replace(
        record, compiled=before.compiled, compiled_reason=None, compilation=before.compilation
    )
