"""What a run of ``classify`` came to, in a few lines for stderr."""

from edgescale.cli.show import printable
from edgescale.stream.stats import RunStats, SourceStats

_UNSHOWN = ("text", "json", "systemd")  # unless they lost something


def summary_text(stats: RunStats) -> str:
    """Returns one line for all, one for each of several sources, and one for the outputs."""
    lines = [_all_of(stats)]
    if len(stats.sources) > 1:
        lines += [f"  {printable(name)}: {_counts(one)}" for name, one in stats.sources.items()]
    outputs = _outputs(stats)
    return "\n".join([*lines, outputs] if outputs else lines)


def _all_of(stats: RunStats) -> str:
    text = _counts(stats)
    if stats.most_frequent is None:
        return f"{text}, never sure" if stats.frames else text
    label, times = stats.most_frequent
    return f"{text}, most often {printable(label)} ({times} of {stats.frames})"


def _counts(stats: SourceStats) -> str:
    rate = "" if stats.fps is None else f", {stats.fps:.1f} fps"
    text = f"{stats.frames} frames{rate}, {stats.dropped} dropped"
    if not stats.outages:
        return text
    return f"{text}, {stats.outages} outage{'s' * (stats.outages > 1)} of {stats.outage_s:.1f} s"


def _outputs(stats: RunStats) -> str:
    """Returns what each output took and lost; lines that were printed are no news."""
    shown = [
        f"{printable(one.name)} {one.written} written, {one.dropped} dropped"
        + (f", failed: {printable(one.error)}" if one.error else "")
        for one in stats.sinks
        if one.name not in _UNSHOWN or one.dropped
    ]
    return f"  outputs: {'; '.join(shown)}" if shown else ""
