"""What the models that a user names need of an Edge TPU library."""

from collections.abc import Iterator
from pathlib import Path

from edgescale.device.doctor_facts import ModelFacts
from edgescale.edgetpu.package import find_compiled
from edgescale.errors import EdgescaleError, ModelFileError
from edgescale.family.places import is_dir
from edgescale.family.store import MANIFEST_FILE, load_family


def models_at(path: Path | None) -> Iterator[ModelFacts]:
    """Reads what a compiled model, or the most demanding one of a family, needs.

    Raises:
        FamilyError: there is nothing at the path, or the family's manifest cannot be used.
    """
    if path is None:
        return
    if path.name != MANIFEST_FILE and not is_dir(path, ModelFileError):
        yield _model(path, named=True)
        return
    family = load_family(path, verify=False)
    compiled = [one.compiled for one in family.manifest.variants if one.compiled is not None]
    found = [_model(family.path(one), named=False) for one in compiled]
    yield from (model for model in found if model.problem is not None)
    readable = [model for model in found if model.problem is None]
    if readable:  # the one that needs most speaks for all
        yield max(readable, key=lambda model: model.min_runtime_version or 0)
    if not found:
        yield ModelFacts(str(path), None, named=False)


def _model(path: Path, *, named: bool) -> ModelFacts:
    try:
        compiled = find_compiled(path)
    except EdgescaleError as problem:
        return ModelFacts(str(path), None, str(problem), named)
    least = None if compiled is None else compiled.min_runtime_version
    return ModelFacts(str(path), least, None, named)
