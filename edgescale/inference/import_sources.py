"""Which files make which variant: a CPU model, and the twin compiled from it for the Edge TPU.

Compiled is what holds the Edge TPU's operator; the name only says which twin belongs to which
model, and equal inputs and outputs must confirm it.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from edgescale.edgetpu.model_file import ModelFile, read_model_file
from edgescale.errors import ModelFileError

TWIN_SUFFIX = "_edgetpu"


@dataclass(frozen=True)
class Source:
    """One model to import: its name, file and content, and its compiled twin if it has one."""

    name: str
    path: Path
    content: ModelFile
    compiled: Path | None = None


class Refusals:
    """Collects what is wrong with single files, so that the user hears of all of them at once."""

    def __init__(self) -> None:
        self._problems: list[ModelFileError] = []
        self.names: set[str] = set()

    @contextmanager
    def noted(self, path: Path) -> Iterator[None]:
        """Keeps the refusal of a file for later."""
        try:
            yield
        except ModelFileError as problem:
            self._problems.append(problem)
            self.names.add(name_from(path.stem))

    def raise_all(self) -> None:
        """Raises the one refusal, or all of them in one.

        Raises:
            ModelFileError: there is one at least.
        """
        if len(self._problems) == 1:
            raise self._problems[0]
        if self._problems:
            texts = "; ".join(f"({n}) {problem}" for n, problem in enumerate(self._problems, 1))
            raise ModelFileError(f"{len(self._problems)} files cannot be imported: {texts}")


def read_sources(files: Sequence[Path], refusals: Refusals) -> tuple[Source, ...]:
    """Makes one source of each CPU model and its compiled twin, smallest MACs first.

    Refused are no classifiers, two of one name, and compiled models without their CPU model.
    """
    models: list[tuple[Path, ModelFile]] = []
    for path in files:
        with refusals.noted(path):
            content = read_model_file(path)
            _check_classifier(path, content)
            models.append((path, content))
    sources: dict[str, Source] = {}
    for path, content in models:
        if not content.compiled:
            with refusals.noted(path):
                _add(sources, path, content)
    for path, content in models:
        name = name_from(path.stem.removesuffix(TWIN_SUFFIX))
        if content.compiled and name not in refusals.names:
            with refusals.noted(path):
                sources[name] = _with_twin(sources.get(name), path, content)
    return tuple(sorted(sources.values(), key=lambda source: (source.content.macs, source.name)))


def _add(sources: dict[str, Source], path: Path, content: ModelFile) -> None:
    name = name_from(path.stem)
    if name in sources:
        raise ModelFileError(
            f"{path}: {sources[name].path} has the same name '{name}'; rename one of them"
        )
    sources[name] = Source(name, path, content)


def _with_twin(source: Source | None, path: Path, content: ModelFile) -> Source:
    if source is None:
        raise ModelFileError(
            f"{path}: compiled for the Edge TPU, and its CPU model is not among the files; give"
            f" {path.stem.removesuffix(TWIN_SUFFIX)}.tflite too, whose costs and accuracy stand"
            " for both"
        )
    if source.compiled is not None:
        raise ModelFileError(
            f"{path}: {source.compiled} is already the compiled twin of {source.path.name}; give"
            " one of them"
        )
    if _facts(source.content) != _facts(content):
        raise ModelFileError(
            f"{path}: its input or output differs from that of {source.path}, so it was compiled"
            " from another model; compile this one again"
        )
    return replace(source, compiled=path)


def _facts(content: ModelFile) -> list[tuple[object, ...]]:
    specs = (*content.inputs, *content.outputs)
    return [(spec.shape, spec.dtype, spec.scales, spec.zero_points) for spec in specs]


def _check_classifier(path: Path, content: ModelFile) -> None:
    if len(content.inputs) != 1 or len(content.outputs) != 1:
        raise ModelFileError(
            f"{path}: {len(content.inputs)} inputs and {len(content.outputs)} outputs; an image"
            " classifier has one of each"
        )
    shape, scores = content.inputs[0].shape, content.outputs[0].shape
    good = len(shape) == 4 and shape[0] in (1, -1) and shape[3] == 3 and min(shape[1:]) > 0
    if not good or content.inputs[0].dtype not in ("uint8", "int8", "float32"):
        raise ModelFileError(
            f"{path}: input {content.inputs[0].dtype} {list(shape)}; an image classifier takes"
            " uint8, int8 or float32 [1, height, width, 3]"
        )
    if not scores or prod(scores[:-1]) not in (1, -1) or scores[-1] < 1:
        raise ModelFileError(
            f"{path}: output {list(scores)}; an image classifier gives one row of scores"
        )


def name_from(text: str) -> str:
    """Returns a variant or family name made of a file's, with only what names may hold."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "-", text).lstrip("._+-")[:100]
    return name or "model"
