"""What a run knows of itself beside its results, as the monitor asks for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgescale.stream.snapshot import SinkStatus
from edgescale.stream.sources.source_spec import SourceState


def _none() -> tuple[()]:
    return ()


def _unknown() -> None:
    return None


@dataclass(frozen=True)
class RunFacts:
    """What does not come with a result.

    Attributes:
        family: its name.
        why: why the first variant, in a sentence.
        budget: the limits in words.
        limit_ms: the latency budget, if there is one.
        variants: asks what the run may change between, smallest first.
        sources: asks for the sources' states.
        sinks: asks for the outputs' states.
        temperature_c: reads a temperature; None where nothing tells.
    """

    family: str = ""
    why: str = ""
    budget: str = ""
    limit_ms: float | None = None
    variants: Callable[[], tuple[str, ...]] = _none
    sources: Callable[[], Sequence[SourceState]] = _none
    sinks: Callable[[], tuple[SinkStatus, ...]] = _none
    temperature_c: Callable[[], float | None] = _unknown
