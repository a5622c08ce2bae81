"""Who is watching: each viewer has a slot of its own, in which the newest replaces the unsent.

A viewer who reads slowly, or not at all, misses what came meanwhile and delays nobody. All of this
lives in the server's thread and needs no lock.
"""

import asyncio
from collections.abc import Iterable


class Viewer:
    """One open connection: what waits to be sent to it, the newest of each kind."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._waiting: dict[str, bytes] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, kind: str, payload: bytes) -> None:
        """Stores a payload; one of the same kind that was not sent is replaced."""
        self._waiting.pop(kind, None)
        self._waiting[kind] = payload
        self._changed.set()

    def close(self) -> None:
        """Ends the connection when what waits has been sent."""
        self._closed = True
        self._changed.set()

    async def take(self) -> list[bytes]:
        """Waits for something to send, in the order it came; empty is the end."""
        await self._changed.wait()
        self._changed.clear()
        taken, self._waiting = list(self._waiting.values()), {}
        if self._closed:
            self._changed.set()
        return taken


class Viewers:
    """The open connections of one kind, and never more than a limit.

    Args:
        most: so many may watch at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._all: list[Viewer] = []

    def __len__(self) -> int:
        return len(self._all)

    def join(self, topic: str = "") -> Viewer | None:
        """Returns a new viewer of a topic; None where there are too many."""
        if len(self._all) >= self._most:
            return None
        viewer = Viewer(topic)
        self._all.append(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forgets a viewer."""
        self._all.remove(viewer)

    def publish(self, kind: str, payload: bytes, topic: str = "") -> None:
        """Puts a payload into the slot of everybody who watches the topic."""
        for viewer in self._of(topic):
            viewer.put(kind, payload)

    def close(self) -> None:
        """Ends all connections when what waits has been sent."""
        for viewer in self._all:
            viewer.close()

    def _of(self, topic: str) -> Iterable[Viewer]:
        return (viewer for viewer in self._all if viewer.topic == topic)
