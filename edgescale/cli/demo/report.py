"""Writes the demo's report from its findings."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgescale.cli.demo.findings import Choice, Clip, Finding, interval_percent
from edgescale.cli.demo.page import Section, Still, Table, page
from edgescale.cli.demo.plot import Panel, Point, accuracy_latency_svg
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import write_bytes
from edgescale.inference.preparation import Image
from edgescale.units import percent

# Int8 top-1 on ImageNet's validation set: tensorflow/tpu efficientnet/lite/README.md.
PUBLISHED_INT8_PERCENT = {"lite0": 74.4, "lite1": 75.9, "lite2": 77.0, "lite3": 79.0, "lite4": 80.2}


_LEGEND = (
    "Filled points were measured here on held-out images, with 95 % intervals. Hollow points show"
    " the accuracy that was published for the network (int8, ImageNet validation set): their"
    " latency was measured here, their accuracy was not. Dashed lines show the budgets; a frame"
    " rate is judged by the measured fps, its line is one frame's share of a second."
)


def write_report(path: Path, findings: Sequence[Finding], clips: Sequence[Clip]) -> Path:
    """Writes the page and returns its path.

    Raises:
        ArtifactError: the place cannot be written.
    """
    machine = findings[0].profile.machine
    facts = f"{machine.cpu_model or machine.architecture}, {machine.usable_cores} cores"
    sections = [
        Section(
            "Accuracy against latency",
            (_LEGEND,),
            svg=accuracy_latency_svg([_panel(finding) for finding in findings]),
        ),
        *[_family(finding) for finding in findings],
        *[_clip(clip) for clip in clips],
    ]
    html = page("edgescale demo: two families on this machine", facts, sections)
    write_bytes(path, html.encode())
    return path


def _panel(finding: Finding) -> Panel:
    points = [_point(finding, variant) for variant in finding.family.manifest.variants]
    budgets = [
        (1000 / choice.budget.min_fps, f"a frame at {choice.budget.min_fps:.0f} fps")
        if choice.budget.min_fps
        else (choice.budget.latency_ms, "latency budget")
        for choice in finding.choices
        if choice.budget.min_fps or choice.budget.latency_ms
    ]
    measured = any(variant.accuracy for variant in finding.family.manifest.variants)
    return Panel(
        title=finding.family.manifest.name,
        accuracy_label="int8 top-1, %" if measured else "published int8 top-1, %",
        points=tuple(point for point in points if point is not None),
        budgets=tuple((float(ms), text) for ms, text in budgets if ms is not None),
    )


def _point(finding: Finding, variant: VariantRecord) -> Point | None:
    figures = finding.profile.measurement(variant.name)
    if figures is None or figures.latency_ms is None:
        return None
    if variant.accuracy is not None:
        top1: float | None = 100 * variant.accuracy.int8_top1
    else:
        top1 = PUBLISHED_INT8_PERCENT.get(variant.name)
    if top1 is None:
        return None
    return Point(variant.name, figures.latency_ms.p95, top1, interval_percent(variant))


def _family(finding: Finding) -> Section:
    headings, rows = finding.table()
    names = [row[0] for row in rows]
    chosen = finding.serving
    steps = [line for line in finding.sentences() if "sign test" in line or "accuracy:" in line]
    choices = [_choice_table(choice, names) for choice in finding.choices]
    return Section(
        f"Family {finding.family.manifest.name}",
        (finding.conditions, *steps),
        (Table(headings, tuple(rows), names.index(chosen) if chosen else None), *choices),
    )


def _choice_table(choice: Choice, names: Sequence[str]) -> Table:
    reasons = {rejection.variant: rejection.text for rejection in choice.rejections}
    rows: list[tuple[str, str]] = [
        (name, "chosen: the largest that fits" if name == choice.chosen else reasons.get(name, ""))
        for name in names
    ]
    if choice.chosen is None:
        rows.append(("nothing fits", choice.nothing_fits))
    chosen = names.index(choice.chosen) if choice.chosen else None
    return Table(("budget", choice.budget_text), tuple(rows), chosen, words=True)


def _clip(clip: Clip) -> Section:
    common = Counter(name or "not sure" for name in clip.top1).most_common(5)
    rows = tuple((name, str(frames), percent(frames / len(clip.top1))) for name, frames in common)
    return Section(
        f"Video of {clip.what}",
        (f"{len(clip.top1)} frames classified by {clip.variant}. {clip.note}",),
        (Table(("top-1", "frames", "share"), rows),),
        stills=tuple(Still(_jpeg(image), caption) for image, caption in clip.stills),
    )  # fmt: skip


def _jpeg(image: Image) -> bytes:
    import cv2

    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return encoded.tobytes()
