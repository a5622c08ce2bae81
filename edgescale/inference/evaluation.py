"""How often a model is right on held-out images, with every single answer kept.

The answers per image are what paired comparisons between variants stand on; the digest of the
images says which evaluations may be compared.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgescale.errors import ArtifactError, DataError
from edgescale.family.fields import Fields
from edgescale.family.manifest import Accuracy, Artifact, Preparation
from edgescale.family.store import read_json, write_json
from edgescale.inference.classifier import Classifier, class_scores
from edgescale.inference.preparation import Image, Preparer
from edgescale.inference.worker import Worker

SCHEMA_VERSION = 1
TOP = 5
MOST_IMAGES = 10_000_000


@dataclass(frozen=True)
class Evaluation:
    """What a model answered to each image.

    Attributes:
        images_sha256: over pixels, order and classes of the images.
        truth: class index of each image.
        int8_top5: up to five class ids per image, the surest first; -1 is the background.
        float_top1: class id per image of the model before quantisation, where it was run.
    """

    images_sha256: str
    truth: tuple[int, ...]
    int8_top5: tuple[tuple[int, ...], ...]
    float_top1: tuple[int, ...] | None = None

    @property
    def int8_right(self) -> tuple[bool, ...]:
        """Whether the first answer to each image is right."""
        pairs = zip(self.int8_top5, self.truth, strict=True)
        return tuple(answer[:1] == (truth,) for answer, truth in pairs)

    def accuracy(self, evaluation: Artifact) -> Accuracy:
        """Sums up, naming the file that holds the answers."""
        n = len(self.truth)
        pairs = list(zip(self.int8_top5, self.truth, strict=True))
        return Accuracy(
            n=n,
            images_sha256=self.images_sha256,
            int8_top1=sum(self.int8_right) / n,
            int8_top5=sum(truth in answer for answer, truth in pairs) / n,
            float_top1=_fraction_equal(self.float_top1, self.truth),
            agreement=_fraction_equal(self.float_top1, [answer[0] for answer, _ in pairs]),
            evaluation=evaluation,
        )


def evaluate(
    classify: Callable[[Iterable[Image]], Iterator[Sequence[int]]],
    samples: Iterable[tuple[Image, int]],
    *,
    float_top1: Sequence[int] | None = None,
) -> Evaluation:
    """Runs a model over images.

    Args:
        classify: takes the frames and yields the class ids of each, the surest first.
        samples: frames, uint8 (H, W, 3), with the class index of each.
        float_top1: the answers of the float model to the same images.

    Raises:
        DataError: there are no images.
    """
    digest = hashlib.sha256()
    truth: list[int] = []

    def frames() -> Iterator[Image]:
        for frame, class_index in samples:
            digest.update(f"{frame.shape} {class_index}\n".encode())
            digest.update(frame.tobytes())
            truth.append(int(class_index))
            yield frame

    answers = tuple(tuple(int(i) for i in ids[:TOP]) for ids in classify(frames()))
    if not truth:
        raise DataError("no images to evaluate on; give some")
    floats = None if float_top1 is None else tuple(int(index) for index in float_top1)
    if floats is not None and len(floats) != len(truth):
        raise ValueError(f"{len(floats)} float answers for {len(truth)} images")
    return Evaluation(digest.hexdigest(), tuple(truth), answers, floats)


def with_worker(
    worker: Worker, *, bgr: bool = False
) -> Callable[[Iterable[Image]], Iterator[Sequence[int]]]:
    """Returns a ``classify`` for ``evaluate`` that keeps two pictures under way in a worker."""

    def classify(frames: Iterable[Image]) -> Iterator[Sequence[int]]:
        under_way = 0
        for frame in frames:
            worker.submit(frame, bgr=bgr)
            under_way += 1
            if under_way == 2:
                yield worker.result().class_ids
                under_way -= 1
        for _ in range(under_way):
            yield worker.result().class_ids

    return classify


def with_model(
    model_path: Path,
    preparation: Preparation,
    *,
    label_offset: int = 0,
    bgr: bool = False,
    runtime: str | None = None,
    threads: int = 1,
) -> Callable[[Iterable[Image]], Iterator[Sequence[int]]]:
    """Returns a ``classify`` for ``evaluate`` that runs a model in this process."""
    classifier = Classifier(model_path, runtime=runtime, threads=threads)
    preparer = Preparer(preparation)

    def classify(frames: Iterable[Image]) -> Iterator[Sequence[int]]:
        for frame in frames:
            raw = classifier.invoke(preparer.prepared(frame, bgr=bgr))
            # Only the ids are taken, and the softmax of logits would not change their order.
            yield class_scores(classifier, raw, kind="softmax", label_offset=label_offset, k=TOP)[0]

    return classify


def save_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Writes an evaluation as JSON, atomically.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    floats = evaluation.float_top1
    write_json(
        path,
        {
            "schema_version": SCHEMA_VERSION,
            "n": len(evaluation.truth),
            "images_sha256": evaluation.images_sha256,
            "truth": list(evaluation.truth),
            "int8_top5": [list(answer) for answer in evaluation.int8_top5],
            "float_top1": None if floats is None else list(floats),
        },
    )


def load_evaluation(path: Path) -> Evaluation:
    """Reads what ``save_evaluation`` wrote.

    Raises:
        ArtifactError: it cannot be read or is not an evaluation.
    """
    fields = Fields(read_json(path, ArtifactError), str(path), ArtifactError)
    version = fields.integer("schema_version", low=1)
    if version > SCHEMA_VERSION:
        raise ArtifactError(
            f"{path}: schema version {version} is newer than this edgescale reads"
            f" ({SCHEMA_VERSION}); install a newer one"
        )
    n = fields.integer("n", low=1, high=MOST_IMAGES)
    floats = fields.items("float_top1", most=MOST_IMAGES) if fields.has("float_top1") else None
    fields.take("float_top1", None)
    evaluation = Evaluation(
        images_sha256=fields.text("images_sha256", longest=64),
        truth=_class_ids(fields.items("truth", most=MOST_IMAGES), n, path),
        int8_top5=tuple(
            _class_ids(answer, None, path) for answer in fields.items("int8_top5", most=MOST_IMAGES)
        ),
        float_top1=None if floats is None else _class_ids(floats, n, path),
    )
    fields.close()
    if len(evaluation.int8_top5) != n:
        raise ArtifactError(f"{path}: {len(evaluation.int8_top5)} answers to {n} images")
    return evaluation


def _class_ids(values: Any, count: int | None, path: Path) -> tuple[int, ...]:
    good = isinstance(values, list) and all(
        isinstance(value, int) and not isinstance(value, bool) and value >= -1 for value in values
    )
    if not good or not (len(values) == count if count is not None else 1 <= len(values) <= TOP):
        raise ArtifactError(f"{path}: a list of class ids is not as expected; evaluate again")
    return tuple(values)


def _fraction_equal(answers: Sequence[int] | None, others: Sequence[int]) -> float | None:
    if answers is None:
        return None
    return sum(a == b for a, b in zip(answers, others, strict=True)) / len(others)
