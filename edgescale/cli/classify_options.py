"""The flags of ``classify``, in groups, and how they go over what a configuration file says."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgescale.cli.show import shown
from edgescale.errors import ConfigError, EdgescaleError
from edgescale.family.fields import did_you_mean
from edgescale.stream.config.config import LiveConfig, read_config
from edgescale.stream.sources.address import camera_number
from edgescale.stream.sources.source import refuse_equal_names
from edgescale.stream.sources.source_spec import SourceSpec, parse_source

_SECTIONS = {
    "Sources": ("sources", "roi", "rotate", "max_fps", "camera_size", "camera_fps",
                "camera_format"),
    "Model": ("variant", "adapt", "device", "runtime", "threads", "edgetpu_library",
              "edgetpu_performance", "profiles"),
    "Budget": ("latency_budget", "percentile", "min_fps", "memory_budget", "min_accuracy",
               "on_chip_only"),
    "Answers": ("top_k", "threshold", "smooth", "enter", "leave", "presence_time"),
    "Outputs": ("as_json", "save", "record", "snapshots", "window", "webhook", "mqtt", "mqtt_user",
                "mqtt_prefix", "mqtt_tls", "web", "web_name", "without"),
    "Run": ("config", "max_frames", "duration"),
}  # fmt: skip


@contextmanager
def refused_as_usage() -> Iterator[None]:
    """Makes what is wrong with a flag's value wrong usage; files and variables keep their error.

    Raises:
        click.UsageError: instead of any other error.
        ConfigError: as it is.
    """
    try:
        yield
    except ConfigError:
        raise
    except EdgescaleError as problem:
        raise click.UsageError(shown(str(problem))) from problem


class GroupedCommand(click.Command):
    """A command whose help shows its many flags under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes each section; what none of them names, such as --help, comes last."""
        records = {
            param.name: record
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx))
        }
        sections = [
            (heading, [records.pop(name) for name in names]) for heading, names in _SECTIONS.items()
        ]
        sections[-1][1].extend(records.values())
        for heading, rows in sections:
            with formatter.section(heading):
                formatter.write_dl(rows)


class PerSource(click.ParamType):  # type: ignore[type-arg] # click 8.1 has none
    """``VALUE`` for all sources, or ``NAME=VALUE`` for one."""

    name = "[NAME=]VALUE"

    def __init__(self, read: Callable[[str], Any], wanted: str) -> None:
        """Takes what reads a value, raising ValueError, and what one looks like."""
        self._read, self._wanted = read, wanted

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str | None, Any]:
        """Returns the source's name, or None for all, and the value."""
        match = re.fullmatch(r"(?:([A-Za-z][\w-]{0,31})=)?(.+)", str(value), re.ASCII)
        try:
            if match is not None:
                return match[1], self._read(match[2])
        except ValueError:
            pass
        return self.fail(f"'{value}' is not {self._wanted}", param, ctx)


def pixels(count: int, separator: str) -> Callable[[str], tuple[int, ...]]:
    """Returns what reads so many whole numbers."""

    def read(text: str) -> tuple[int, ...]:
        parts = text.split(separator)
        if len(parts) != count or not all(re.fullmatch(r"\d{1,5}", part) for part in parts):
            raise ValueError(text)
        return tuple(map(int, parts))

    return read


def _rate(text: str) -> float:
    rate = float(text)
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(text)
    return rate


def _camera_size(ctx: click.Context, param: click.Parameter, text: str | None) -> Any:
    try:
        return None if text is None else pixels(2, "x")(text.lower())
    except ValueError:
        raise click.BadParameter(f"'{text}' is no size such as 1280x720", ctx, param) from None


def _load(ctx: click.Context, param: click.Parameter, path: Path | None) -> LiveConfig:
    """Reads the file before all other flags, which then fall back on it."""
    if path is None or ctx.resilient_parsing:
        return LiveConfig()
    config = read_config(path)
    ctx.default_map = dict(config.flags)
    return config


CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    callback=_load,
    is_eager=True,
    help="Sources, outputs and budget; flags win.",
)


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the flags that say what is watched and how, given on one by one."""
    for option in reversed(
        (
            click.option(
                "--source",
                "sources",
                multiple=True,
                metavar="[NAME=]ADDRESS",
                help="A camera (0, /dev/video0), a video file, an image, a folder, a pattern"
                " ('*.jpg'), an address (http://, rtsp://, ...) or - for MJPEG on standard input;"
                " repeat it for several.",
            ),
            click.option(
                "--roi",
                type=PerSource(pixels(4, ","), "a region X,Y,WIDTH,HEIGHT in pixels"),
                multiple=True,
                metavar="[NAME=]X,Y,W,H",
                help="Look at this part of the picture only, in pixels before it is turned.",
            ),
            click.option(
                "--rotate",
                type=PerSource(int, "0, 90, 180 or 270"),
                multiple=True,
                metavar="[NAME=]DEGREES",
                help="Turn the picture clockwise: 90, 180 or 270.",
            ),
            click.option(
                "--max-fps",
                type=PerSource(_rate, "a number of frames per second above zero"),
                multiple=True,
                metavar="[NAME=]F",
                help="Take at most so many frames per second.",
            ),
            click.option(
                "--camera-size",
                metavar="WxH",
                callback=_camera_size,
                help="Ask cameras for this size, e.g. 1280x720.",
            ),
            click.option(
                "--camera-fps",
                type=click.FloatRange(0, 1000, min_open=True),
                metavar="F",
                help="Ask cameras for this rate.",
            ),
            click.option(
                "--camera-format",
                metavar="FOURCC",
                help="Ask cameras for this pixel format, e.g. MJPG or YUYV.",
            ),
        )
    ):
        command = option(command)
    return command


def specs_of(
    config: LiveConfig, sources: Sequence[str], shaping: dict[str, Any], camera: dict[str, Any]
) -> tuple[SourceSpec, ...]:
    """Returns the sources: those of the flags, else those of the file, shaped by the flags.

    Args:
        config: of the file.
        sources: of the flags.
        shaping: values of ``PerSource`` flags by the field of ``SourceSpec``.
        camera: values for cameras by the field; None leaves what is there.

    Raises:
        click.UsageError: no source, a name that none has, or camera settings without a camera.
        StreamError: a source that cannot be one, or two flags that give the same name.
    """
    specs = [parse_source(text) for text in sources] if sources else list(config.sources)
    if not specs:
        raise click.UsageError("nothing to watch; give --source, or [[sources]] in a --config file")
    if sources:
        refuse_equal_names(specs)
    for field, values in shaping.items():
        for name, value in values:
            specs = _shaped(specs, field, name, value)
    asked = {field: value for field, value in camera.items() if value is not None}
    cameras = [camera_number(spec.address) is not None for spec in specs]
    if asked and not any(cameras):
        raise click.UsageError("--camera-... flags are for cameras, and no source is one")
    pairs = zip(specs, cameras, strict=True)
    return tuple(replace(spec, **asked) if one else spec for spec, one in pairs)


def _shaped(specs: list[SourceSpec], field: str, name: str | None, value: Any) -> list[SourceSpec]:
    names = [spec.name for spec in specs]
    if name is not None and name not in names:
        raise click.UsageError(f"there is no source '{name}'{did_you_mean(name, names)}")
    return [
        replace(spec, **{field: value}) if name in (None, spec.name) else spec for spec in specs
    ]
