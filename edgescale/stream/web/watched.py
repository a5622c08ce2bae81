"""What the page needs of a run: the newest result of a source, and how the run is."""

from typing import TYPE_CHECKING, Protocol

from edgescale.stream.snapshot import Snapshot

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult


class Watched(Protocol):
    """A live run as the page sees it; any thread may ask."""

    def snapshot(self) -> Snapshot:
        """Returns how the run is now."""

    def latest(self, source: str) -> "FrameResult | None":
        """Returns the newest result of a source; None before the first."""

    def wait_newer(self, source: str, index: int, timeout_s: float) -> "FrameResult | None":
        """Waits for a result of a frame after ``index``; None where none came in time."""
