"""What the demo does, in order: build, profile, select, classify, report.

Each step calls what the verbs call; nothing in the demo is a path of its own.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click

from edgescale.builder.build import build_family
from edgescale.builder.cluttered_digits import test_images
from edgescale.builder.photos import photo_paths
from edgescale.cli import show
from edgescale.cli.build import build_progress
from edgescale.cli.demo import videos
from edgescale.cli.demo.findings import (
    Choice,
    Clip,
    Finding,
    digits_right,
    photos_named,
    resolved_steps,
)
from edgescale.cli.demo.report import write_report
from edgescale.cli.options import progress_bar
from edgescale.device.fresh import fresh_profile
from edgescale.device.profile import DeviceProfile
from edgescale.errors import DataError, NothingFits
from edgescale.family.store import Family, replacing
from edgescale.inference.image_file import read_image
from edgescale.inference.preparation import Image
from edgescale.inference.worker import WorkerSettings
from edgescale.selection.budget import Budget
from edgescale.selection.choice import select
from edgescale.stream.pipeline import classify
from edgescale.stream.sinks.annotate import annotate
from edgescale.stream.sinks.records import result_record
from edgescale.stream.sinks.saved_video import SavedVideo
from edgescale.units import milliseconds

log = logging.getLogger(__name__)

DIGITS = "cluttered-digits"
IMAGENET = "imagenet-lite"
_SHOWN = {"chelsea.png": "a cat", "coffee.png": "coffee", "rocket.jpg": "a rocket"}
_MIN_FPS = 30.0


@dataclass(frozen=True)
class Places:
    """Where the demo writes; everything lies under one folder."""

    out: Path

    def family(self, name: str) -> Path:
        """Returns the folder of a family."""
        return self.out / "families" / name

    def video(self, name: str) -> Path:
        """Returns the path of a video."""
        return self.out / "videos" / name


def run(out: Path, jobs: int | None) -> None:
    """Runs the demo and prints what was built, what was chosen and why.

    Raises:
        EdgescaleError: a package is missing, a build fails, the folder cannot be written.
    """
    if find_spec("matplotlib") is None:  # needed last; better said first
        raise DataError("the package 'matplotlib' is not installed; install it with: pip install"
                        " 'edgescale[demo]'")  # fmt: skip
    places = Places(out)
    log.info("1/4 building two families (the first run trains for some minutes)")
    families = [_built(name, places, jobs) for name in (DIGITS, IMAGENET)]
    log.info("2/4 measuring both families on this machine")
    digits, imagenet = (_profiled(family, places) for family in families)
    log.info("3/4 choosing a variant under each budget")
    imagenet = imagenet.with_choices(_choices(imagenet.family, imagenet.profile))
    digits = digits.with_choices([_choice(digits.family, digits.profile, "no limit", Budget())])
    log.info("4/4 classifying two videos")
    clips = [_photo_clip(places, imagenet), _digits_clip(places, digits)]
    path = write_report(out / "report.html", [digits, imagenet], clips)
    _tell([digits, imagenet], clips, path)


def _built(name: str, places: Places, jobs: int | None) -> Family:
    with build_progress() as on_event:
        return build_family(name, places.family(name), jobs=jobs, on_event=on_event)


def _profiled(family: Family, places: Places) -> Finding:
    with progress_bar(f"profile {family.manifest.name}") as progress:
        profile = fresh_profile(
            family, WorkerSettings(device="cpu"), folder=places.out / "profiles", progress=progress
        )
    return Finding(family, profile, resolved_steps(family))


def _choices(family: Family, profile: DeviceProfile) -> list[Choice]:
    largest = max(family.manifest.variants, key=lambda variant: variant.macs)
    figures = profile.measurement(largest.name)
    budgets = [(f"at least {_MIN_FPS:.0f} fps", Budget(min_fps=_MIN_FPS))]
    if figures is not None and figures.latency_ms is not None:
        half_ms = figures.latency_ms.p95 / 2
        text = f"p95 latency at most {milliseconds(half_ms)}, half of {largest.name}'s"
        budgets.append((text, Budget(latency_ms=half_ms)))
    return [_choice(family, profile, text, budget) for text, budget in budgets]


def _choice(family: Family, profile: DeviceProfile, text: str, budget: Budget) -> Choice:
    try:
        selection = select(family, profile, budget)
    except NothingFits as problem:
        return Choice(text, budget, None, str(problem), problem.rejections)
    return Choice(text, budget, selection.chosen.name, "", selection.rejections)


def _photo_clip(places: Places, finding: Finding) -> Clip:
    photos = [path for path in photo_paths() if path.name in _SHOWN]
    source = places.video("photos.mkv")
    _write_video(source, videos.photo_frames([read_image(path) for path in photos]))
    shown = [_SHOWN[path.name] for path in photos]
    each = int(videos.PHOTO_SECONDS * videos.FPS)
    clip = _classified(source, finding, "photographs", [each * i + each // 2 for i in range(3)])
    return clip.with_note(photos_named(clip, shown, each))


def _digits_clip(places: Places, finding: Finding) -> Clip:
    held_out = test_images()
    shown = videos.digits_shown(len(held_out.images))
    source = places.video("cluttered-digits.mkv")
    _write_video(source, videos.digit_frames([held_out.images[index] for index in shown]))
    each = int(videos.DIGIT_SECONDS * videos.FPS)
    stills = [each * index + each // 2 for index in range(3)]
    clip = _classified(source, finding, f"{len(shown)} held-out cluttered digits", stills)
    truth = [str(held_out.classes[index]) for index in shown]
    return clip.with_note(digits_right(clip, truth, each))


def _write_video(path: Path, frames: Iterator[Image]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    with SavedVideo(partial) as video:
        for frame in frames:
            video.write(frame, fps=videos.FPS)
    partial.replace(path)


def _classified(source: Path, finding: Finding, what: str, still_at: Sequence[int]) -> Clip:
    variant = finding.serving
    annotated = source.with_name(f"{source.stem}-annotated.mkv")
    lines = source.with_name(f"{source.stem}.jsonl")
    top1: list[str | None] = []
    stills: list[tuple[Image, str]] = []
    with (
        replacing(lines) as partial,
        partial.open("w", encoding="utf-8") as file,
        SavedVideo(annotated) as video,
    ):
        for result in classify(finding.family, source=str(source), variant=variant, device="cpu"):
            drawn = annotate(result.image, result.predictions)
            video.write(drawn, fps=result.source_fps)
            file.write(f"{json.dumps(result_record(result, str(source)))}\n")
            top1.append(result.predictions[0].label if result.predictions else None)
            if result.index in still_at:
                stills.append((drawn, f"frame {result.index}: {top1[-1] or 'not sure'}"))
    return Clip(what, source, annotated, lines, variant or "", tuple(top1), tuple(stills))


def _tell(findings: list[Finding], clips: list[Clip], report: Path) -> None:
    for finding in findings:
        click.echo(f"\n{finding.family.manifest.name}: built in {finding.family.folder}")
        click.echo(show.table(*finding.table()))
        for line in finding.sentences():
            click.echo(line)
    for clip in clips:
        click.echo(f"\n{clip.what}: {len(clip.top1)} frames by {clip.variant}; "
                   + show.printable(clip.note))  # fmt: skip
        click.echo(f"  {clip.annotated}\n  {clip.lines}")
    click.echo(f"\nreport: {report}")
