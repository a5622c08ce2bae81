"""Which outputs a live run has, and how: plain records from a configuration file and from flags."""

from dataclasses import dataclass, field
from pathlib import Path

from edgescale.stream.mqtt.settings import MqttSettings
from edgescale.units import MIB

LINES = ("text", "json", "none")
DAY_S = 86_400.0


@dataclass(frozen=True)
class KeptFolder:
    """A folder that is written to and kept within limits; the oldest files go first.

    Attributes:
        folder: made where it is missing.
        max_bytes: most that all files of ours take.
        max_age_s: none is kept longer.
    """

    folder: Path
    max_bytes: int = 1024 * MIB
    max_age_s: float = 7 * DAY_S


@dataclass(frozen=True)
class Recordings(KeptFolder):
    """Recordings in segments.

    Attributes:
        segment_s: longest segment.
        on_events: record only while a label is there.
    """

    segment_s: float = 60.0
    on_events: bool = False


@dataclass(frozen=True)
class Webhook:
    """Where events are posted; address and token may be secrets, so neither is ever shown."""

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    timeout_s: float = 5.0


@dataclass(frozen=True)
class Page:
    """Where the page is served, ``[HOST:]PORT``, its token, and further names of its host."""

    address: str
    token: str | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutputSettings:
    """All outputs of a run; None or false is an output that it has not.

    Attributes:
        lines: ``text``, ``json`` or ``none``, on stdout.
        save: the annotated video.
        record: recordings of the plain pictures.
        snapshots: a picture of each arrival.
        window: show the pictures on this machine.
        webhook: post events.
        mqtt: publish results and events.
        web: serve the page.
    """

    lines: str = "text"
    save: Path | None = None
    record: Recordings | None = None
    snapshots: KeptFolder | None = None
    window: bool = False
    webhook: Webhook | None = None
    mqtt: MqttSettings | None = None
    web: Page | None = None

    @property
    def want_presence(self) -> bool:
        """Says whether an output lives on what entered and left."""
        events_only = (self.snapshots, self.webhook, self.mqtt, self.web)
        return any(events_only) or (self.record is not None and self.record.on_events)
