"""The configuration file of a live run: sources, outputs and budget, as a person writes them.

A camera's service has more to say than fits a command line, and passwords have no place there. Each
value is checked as it is read; a key that nobody knows is refused with the nearest one that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgescale.errors import ConfigError
from edgescale.family.fields import Fields
from edgescale.family.toml_file import toml_table
from edgescale.stream.config.outputs import read_outputs
from edgescale.stream.config.sources import read_sources
from edgescale.stream.sinks.output_settings import OutputSettings
from edgescale.stream.sources.source_spec import SourceSpec

_LARGEST = 2**31
_LONGEST = 4096
_DEVICE_TEXTS = ("device", "runtime", "edgetpu_performance")
_SECONDS = {"smooth_s": "smooth", "presence_s": "presence_time", "duration_s": "duration"}
_ABOVE_ZERO = ("smooth_s", "duration_s", "enter", "leave")
_SCORES = ("threshold", "enter", "leave")
_LIMITS = {"latency_ms": "latency_budget", "min_fps": "min_fps", "memory_mib": "memory_budget"}


@dataclass(frozen=True)
class LiveConfig:
    """What a configuration file says.

    Attributes:
        flags: values for flags of ``classify``, by the flag's name with ``_``; only those given.
        sources: in the order of the file.
        outputs: all of them.
    """

    flags: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[SourceSpec, ...] = ()
    outputs: OutputSettings = field(default_factory=OutputSettings)


def read_config(path: Path) -> LiveConfig:
    """Reads a file; relative paths in it start from its folder.

    Raises:
        ConfigError: unreadable, no TOML, an unknown key, or a value that is not what was needed.
        StreamError: a source or broker that cannot be one.
    """
    home = path.parent
    fields = Fields(toml_table(path, "no configuration", ConfigError), str(path), ConfigError)
    fields.refuse_unknown(("run", "budget", "sources", "outputs"))
    run = fields.optional_table("run")
    budget = fields.optional_table("budget")
    flags = _run_flags(run, home) | _budget_flags(budget)
    if budget is not None and "variant" in flags:
        raise ConfigError(f"{path}: run.variant names the variant, [budget] selects one; drop one")
    sources = read_sources(fields.tables("sources", most=64) if fields.has("sources") else [], home)
    outputs = read_outputs(fields.optional_table("outputs"), home)
    return LiveConfig(flags, sources, outputs)


def _run_flags(fields: Fields | None, home: Path) -> dict[str, Any]:
    if fields is None:
        return {}
    found: dict[str, Any] = {"variant": fields.text("variant", None, longest=_LONGEST)}
    found["adapt"] = fields.boolean("adapt", None)
    for key in _DEVICE_TEXTS:
        found[key] = fields.text(key, None, longest=_LONGEST)
    profiles = fields.text("profiles", None, longest=_LONGEST)
    found["profiles"] = None if profiles is None else str(home / profiles)
    library = fields.text("edgetpu_library", None, longest=_LONGEST)
    # A bare name that is no file here is left to the system's loader.
    here = library is not None and ("/" in library or (home / library).is_file())
    found["edgetpu_library"] = str(home / library) if library is not None and here else library
    found["threads"] = fields.integer("threads", None, low=1, high=256)
    found["top_k"] = fields.integer("top_k", None, low=1, high=100)
    found["max_frames"] = fields.integer("max_frames", None, low=1)
    for key in _SCORES:
        found[key] = fields.number(key, None, low=0, high=1)
    for key, flag in _SECONDS.items():
        found[flag] = fields.number(key, None, low=0, high=_LARGEST)
    for key in _ABOVE_ZERO:
        if found[_SECONDS.get(key, key)] == 0:
            raise fields.refuse(key, "a number above 0; leave it out to do without")
    fields.close()
    return _given(found)


def _budget_flags(fields: Fields | None) -> dict[str, Any]:
    if fields is None:
        return {}
    found = {
        flag: fields.number(key, None, low=1e-6, high=_LARGEST) for key, flag in _LIMITS.items()
    }
    percentile = fields.integer("percentile", None)
    if percentile not in (None, 95, 99):
        raise fields.refuse("percentile", "95 or 99")
    found["percentile"] = None if percentile is None else str(percentile)
    found["min_accuracy"] = fields.number("min_accuracy", None, low=0, high=1)
    found["on_chip_only"] = fields.boolean("on_chip_only", None)
    fields.close()
    return _given(found)


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    return {flag: value for flag, value in found.items() if value is not None}
