"""What the demo found out: families with profile, choices and evidence, and classified clips."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from edgescale.device.profile import DeviceProfile
from edgescale.family.evidence import PairedComparison, compare, wilson_interval
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.evaluation import load_evaluation
from edgescale.inference.preparation import Image
from edgescale.selection.budget import Budget
from edgescale.selection.explanation import Rejection
from edgescale.units import count, mib, millions, milliseconds, percent


@dataclass(frozen=True)
class Choice:
    """A budget and what it led to: the chosen variant, or None and why nothing fits."""

    budget_text: str
    budget: Budget
    chosen: str | None
    nothing_fits: str
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True)
class Clip:
    """A classified video: its files, the top-1 of each frame (None: not sure), captioned frames."""

    what: str
    source: Path
    annotated: Path
    lines: Path
    variant: str
    top1: tuple[str | None, ...]
    stills: tuple[tuple[Image, str], ...]
    note: str = ""

    def with_note(self, note: str) -> "Clip":
        """Returns the clip with a sentence about its result."""
        return replace(self, note=note)


@dataclass(frozen=True)
class Finding:
    """One family on this machine."""

    family: Family
    profile: DeviceProfile
    steps: tuple[PairedComparison, ...]
    choices: tuple[Choice, ...] = ()

    @property
    def serving(self) -> str | None:
        """The variant that classifies: what the last budget that anything fits chose."""
        return next((one.chosen for one in reversed(self.choices) if one.chosen), None)

    @property
    def conditions(self) -> str:
        """Returns when and with what this family was measured, and whether others disturbed it."""
        profile = self.profile
        busy = "; the machine was busy, so latencies are pessimistic" if profile.noise.noisy else ""
        return (
            f"Measured {profile.time} with {profile.runtime} {profile.runtime_version},"
            f" {profile.threads} thread{busy}."
        )

    def with_choices(self, choices: Sequence[Choice]) -> "Finding":
        """Returns the finding with what was chosen under each budget."""
        return replace(self, choices=tuple(choices))

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Returns headings and one row a variant: size, accuracy, and measured cost."""
        headings = ("variant", "px", "parameters", "MACs", "x baseline (asked)", "model file",
                    "top-1 int8", "float", "p95 latency", "fps", "memory")  # fmt: skip
        return headings, [self._row(variant) for variant in self.family.manifest.variants]

    def sentences(self) -> list[str]:
        """Returns what was chosen and why not the others, and what the accuracies prove."""
        lines = [_step_sentence(step) for step in self.steps]
        accuracies = {variant.accuracy_reason for variant in self.family.manifest.variants}
        lines += [f"accuracy: {reason}" for reason in sorted(filter(None, accuracies))]
        for choice in self.choices:
            outcome = f"chose {choice.chosen}" if choice.chosen else choice.nothing_fits
            lines.append(f"{choice.budget_text}: {outcome}")
            lines += [f"  not {other.variant}: {other.text}" for other in choice.rejections]
        return lines

    def _row(self, variant: VariantRecord) -> tuple[str, ...]:
        figures = self.profile.measurement(variant.name)
        latency = figures.latency_ms if figures is not None else None
        ratios = (variant.macs_ratio, variant.asked_macs_ratio)
        return (
            variant.name,
            str(variant.resolution),
            "?" if variant.parameters is None else count(variant.parameters),
            millions(variant.macs),
            "?" if None in ratios else "{:.2f} ({:.2f})".format(*ratios),
            mib(variant.model.size_bytes),
            _top1(variant),
            _float_top1(variant),
            "?" if latency is None else milliseconds(latency.p95),
            "?" if figures is None or figures.fps is None else f"{figures.fps:.0f}",
            "?" if figures is None else mib(figures.memory_bytes),
        )


def resolved_steps(family: Family) -> tuple[PairedComparison, ...]:
    """Compares neighbouring variants, by MACs, on the images both were evaluated on."""
    evaluated = sorted(
        (variant for variant in family.manifest.variants if variant.accuracy is not None),
        key=lambda variant: variant.macs,
    )
    right = {variant.name: _right(family, variant) for variant in evaluated}
    return tuple(
        compare(first.name, right[first.name], second.name, right[second.name])
        for first, second in pairwise(evaluated)
    )


def photos_named(clip: Clip, shown: Sequence[str], frames_each: int) -> str:
    """Returns what each photograph was called most often, and in how many of its frames."""
    parts = []
    for index, what in enumerate(shown):
        named = Counter(clip.top1[index * frames_each : (index + 1) * frames_each])
        label, frames = named.most_common(1)[0]
        parts.append(f"{what}: {label or 'not sure'} ({frames} of {sum(named.values())})")
    return "; ".join(parts)


def digits_right(clip: Clip, truth: Sequence[str], frames_each: int) -> str:
    """Returns how many of the shown digits were named by most of their frames."""
    right = 0
    for index, digit in enumerate(truth):
        named = clip.top1[index * frames_each : (index + 1) * frames_each]
        right += named.count(digit) > len(named) / 2
    return f"{right} of {len(truth)} digits named rightly."


def interval_percent(variant: VariantRecord) -> tuple[float, float] | None:
    """Returns the 95 % interval of the int8 top-1 in per cent, None where it was not measured."""
    accuracy = variant.accuracy
    if accuracy is None:
        return None
    low, high = wilson_interval(round(accuracy.int8_top1 * accuracy.n), accuracy.n)
    return 100 * low, 100 * high


def _right(family: Family, variant: VariantRecord) -> list[bool]:
    if variant.accuracy is None:
        return []
    evaluation = load_evaluation(family.verify(variant.accuracy.evaluation))
    return list(evaluation.int8_right)


def _top1(variant: VariantRecord) -> str:
    interval = interval_percent(variant)
    if variant.accuracy is None or interval is None:
        return "not measured"
    low, high = interval
    return f"{percent(variant.accuracy.int8_top1)} [{low:.1f}, {high:.1f}] n={variant.accuracy.n}"


def _float_top1(variant: VariantRecord) -> str:
    if variant.accuracy is None or variant.accuracy.float_top1 is None:
        return "?"
    return percent(variant.accuracy.float_top1)


def _step_sentence(step: PairedComparison) -> str:
    verdict = "resolved" if step.resolved else "not distinguishable"
    return (
        f"{step.first} -> {step.second}: better on {step.better} images, worse on {step.worse},"
        f" exact sign test p = {step.p_value:.2g}: {verdict} at 95 %"
    )
