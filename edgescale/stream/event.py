"""What happens beside the results of a live run: a worker that died, a variant that was changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """One thing that happened while frames were classified.

    Attributes:
        kind: ``worker-died`` (or could not be started again), ``refused`` (it lives, and gave an
            error instead of a result), ``restarted``, ``moved`` (to another device), ``switched``
            (to another variant), ``confirmed``, ``doubted`` or ``undecided`` (the profile, by the
            first results), ``source-lost``, ``source-back``, ``source-ended``, ``sink-failed``,
            ``entered`` or ``left`` (a label, by its scores).
        text: one sentence for a person.
        details: figures and names, ready for JSON; ``source`` where it concerns one source.
    """

    kind: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)


OnEvent = Callable[[Event], None]
