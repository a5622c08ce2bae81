"""The names of a run's MQTT topics; source names are foreign text and become safe parts of them."""

import hashlib
import re

_LONGEST_PART = 48


class Topics:
    """The topics below one prefix.

    Attributes:
        available: ``online``, or ``offline`` (the broker says that when the run dies).
        stats: figures of the run.
        run_event: what happens beside the results, such as another variant or a lost source.
        node: the id of the run in Home Assistant.
    """

    def __init__(self, prefix: str) -> None:
        """Takes the prefix."""
        self._prefix = prefix
        self.available = f"{prefix}/available"
        self.stats = f"{prefix}/stats"
        self.run_event = f"{prefix}/event"
        self.node = safe_part(prefix)

    def classification(self, source: str) -> str:
        """Returns where label and score of a source go."""
        return f"{self._prefix}/{self.part(source)}/classification"

    def state(self, source: str) -> str:
        """Returns where a source's state goes, and what is present there."""
        return f"{self._prefix}/{self.part(source)}/state"

    def event(self, source: str) -> str:
        """Returns where it is told what entered and left."""
        return f"{self._prefix}/{self.part(source)}/event"

    def part(self, source: str) -> str:
        """Returns a source's name as a level of a topic."""
        return safe_part(source)


def safe_part(name: str) -> str:
    """Returns a name of letters, digits, ``_`` and ``-``, as topics and Home Assistant take them.

    A name that had to be changed ends in a part of its hash, so that two of them never meet.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:_LONGEST_PART]
    if plain and plain == name:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain or 'source'}_{digest}"
