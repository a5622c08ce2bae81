"""Which variant is larger: the more accurate one where that is proven, else the one of more MACs.

Neither is monotone in phi: a larger int8 model may answer worse, and two accuracies of some hundred
images often do not tell which model is better.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from edgescale.errors import EdgescaleError
from edgescale.family.evidence import PairedComparison, compare
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.evaluation import load_evaluation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """Variants from the smallest to the largest, and the comparisons that ordered them.

    Attributes:
        variants: smallest first.
        resolved: pairs whose int8 accuracies differ at 95 % on the same images.
        compared: how many pairs were answered on the same images.
    """

    variants: tuple[VariantRecord, ...]
    resolved: tuple[PairedComparison, ...]
    compared: int

    @property
    def text(self) -> str:
        """Says in one sentence what ordered the variants."""
        pairs = len(self.variants) * (len(self.variants) - 1) // 2
        if not pairs:
            return "there is only one to choose from"
        if not self.resolved:
            why = "no pair was evaluated on the same images"
            if self.compared:
                why = "int8 accuracy resolves no pair at 95 % (paired, same images)"
            return f"ordered by MACs: {why}"
        if len(self.resolved) == pairs:
            return "ordered by int8 accuracy, every pair resolved at 95 % (paired, same images)"
        return (
            f"ordered by int8 accuracy where it is resolved at 95 % (paired, same images:"
            f" {len(self.resolved)} of {pairs} pairs), else by MACs"
        )


def ordered(family: Family, variants: Sequence[VariantRecord]) -> Order:
    """Orders variants from the smallest to the largest.

    A proven difference in accuracy goes before MACs. Proven differences never contradict each
    other, since each of them goes with the accuracies themselves, so an order always exists; among
    those that nothing proves to be larger than another one left, the fewest MACs come first.
    """
    right = {variant.name: _right(family, variant) for variant in variants}
    comparisons = []
    for first, second in combinations(sorted(variants, key=_size), 2):
        images, answers = right[first.name]
        others, other_answers = right[second.name]
        if answers and other_answers and images == others:
            comparisons.append(compare(first.name, answers, second.name, other_answers))
    resolved = tuple(one for one in comparisons if one.resolved)
    below: dict[str, set[str]] = {variant.name: set() for variant in variants}
    for one in resolved:
        less, more = (one.first, one.second) if one.better > one.worse else (one.second, one.first)
        below[more].add(less)
    left = sorted(variants, key=_size)
    found: list[VariantRecord] = []
    while left:
        names = {variant.name for variant in left}
        smallest = next(variant for variant in left if not below[variant.name] & names)
        left.remove(smallest)
        found.append(smallest)
    return Order(tuple(found), resolved, len(comparisons))


def _size(variant: VariantRecord) -> tuple[int, str]:
    return variant.macs, variant.name


def _right(family: Family, variant: VariantRecord) -> tuple[str, list[bool]]:
    """Returns which images a variant was evaluated on, and whether it got each right."""
    if variant.accuracy is None:
        return "", []
    try:
        evaluation = load_evaluation(family.verify(variant.accuracy.evaluation))
    except EdgescaleError as problem:
        log.warning("'%s' is ordered by its MACs: %s", variant.name, problem)
        return "", []
    return variant.accuracy.images_sha256, list(evaluation.int8_right)
