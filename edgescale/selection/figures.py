"""Where the figures of a choice come from: a profile, or a measurement made on the way."""

from collections.abc import Sequence
from typing import Protocol

from edgescale.device.profile import DeviceProfile, Measurement
from edgescale.errors import ProfileError
from edgescale.family.store import Family

_LADDER_RUNS = 20  # tell a variant's usual time; the budget is only proven for the chosen one


class Figures(Protocol):
    """What is known of the variants, and what can still be measured; also the search's sampler."""

    @property
    def device(self) -> str:
        """Returns the device they are of."""

    def latencies(self, variant: str, count: int) -> Sequence[float]:
        """Returns the first ``count`` latencies in ms, fewer where there are no more."""

    def at_hand(self, variant: str) -> bool:
        """Says whether a look at a variant costs nothing."""

    def measurement(self, variant: str) -> Measurement | None:
        """Returns all figures of a variant so far, None where it was not measured."""


class StoredFigures:
    """The figures of a profile, with nothing measured beside them."""

    def __init__(self, family: Family, profile: DeviceProfile) -> None:
        """Takes the profile of this family.

        Raises:
            ProfileError: it is of another family.
        """
        if profile.family != family.manifest.name:
            raise ProfileError(
                f"the profile is of family '{profile.family}', not of '{family.manifest.name}';"
                " profile this family"
            )
        self._device = profile.device
        models = {
            variant.name: {model.sha256 for model in (variant.model, variant.compiled) if model}
            for variant in family.manifest.variants
        }
        self._entries = {
            entry.variant: entry
            for entry in profile.variants
            if entry.model_sha256 in models.get(entry.variant, ())
        }

    @property
    def device(self) -> str:
        """Returns the device that was measured."""
        return self._device

    def latencies(self, variant: str, count: int) -> Sequence[float]:
        """Returns the first ``count`` latencies, fewer where no more were measured."""
        entry = self._entries.get(variant)
        return () if entry is None else entry.latencies_ms[:count]

    def at_hand(self, variant: str) -> bool:
        """Says that a look costs nothing."""
        return True

    def measurement(self, variant: str) -> Measurement | None:
        """Returns the figures of a variant, or that its model is not in the profile."""
        absent = "its model is not in the profile; profile it again"
        return self._entries.get(variant) or Measurement(variant, "", absent)


class Memory:
    """Whether a variant keeps the memory limit, by its measured figures.

    Args:
        figures: gives them.
        names: the variants, smallest first.
        most_bytes: the limit; None is none.
        adapt: whether the next smaller variant is held too.
    """

    def __init__(
        self, figures: Figures, names: Sequence[str], most_bytes: float | None, adapt: bool
    ) -> None:
        self._figures, self._names = figures, names
        self._most_bytes, self._adapt = most_bytes, adapt

    def keeps(self, variant: str) -> bool:
        """Says so of a variant that was looked at."""
        return self._most_bytes is None or self.needed_bytes(variant) <= self._most_bytes

    def needed_bytes(self, variant: str) -> int:
        """Returns what all processes take while a variant serves; 0 where it was not measured."""
        entry = self._figures.measurement(variant)
        needed = 0 if entry is None else entry.memory_bytes
        place = self._names.index(variant)
        if self._adapt and self._most_bytes is not None and place:
            below = looked_at(self._names[place - 1], self._figures, measure=True)
            needed += 0 if below is None else below.worker_pss_bytes or 0
        return needed


def looked_at(name: str, figures: Figures, measure: bool) -> Measurement | None:
    """Returns the figures of a variant, measured now if that is asked; None where it fails."""
    if measure and not figures.latencies(name, _LADDER_RUNS):
        return None
    entry = figures.measurement(name)
    return entry if entry is not None and entry.latencies_ms else None
