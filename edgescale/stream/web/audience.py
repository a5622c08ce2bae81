"""Those who watch, and what they are told; lives in the server's thread and needs no lock."""

from collections.abc import Mapping, Sequence

from edgescale.inference.classifier import Prediction
from edgescale.stream.snapshot import Snapshot
from edgescale.stream.web.health import Health
from edgescale.stream.web.message import (
    History,
    answer_message,
    end_message,
    past_message,
    state_message,
)
from edgescale.stream.web.viewers import Viewer, Viewers
from edgescale.stream.web.watched import Watched

MOST_VIEWERS = 16


class Audience:
    """The open pages and pictures, with the past that a page is given when it is opened.

    Args:
        run: what is watched.
        pauses_s: how long results may stay away because the user wants few, by source.

    Attributes:
        pages: those who follow the state.
        pictures: those who follow a picture; the topic is its source.
        health: whether the run serves.
    """

    def __init__(self, run: Watched, pauses_s: Mapping[str, float]) -> None:
        self._run = run
        self._history = History()
        self.pages, self.pictures = Viewers(MOST_VIEWERS), Viewers(MOST_VIEWERS)
        self.health = Health(pauses_s)

    def observe(self, snapshot: Snapshot) -> None:
        """Takes how the run is, about once a second."""
        self.health.observe(snapshot)
        self._history.add(snapshot)
        if len(self.pages):
            self.pages.publish("state", state_message(snapshot))

    def answer(self, source: str, predictions: Sequence[Prediction]) -> None:
        """Shows the newest answer of a source."""
        if len(self.pages):
            self.pages.publish(f"answer {source}", answer_message(source, predictions))

    def picture(self, source: str, jpeg: bytes) -> None:
        """Shows the newest picture of a source."""
        self.pictures.publish("picture", jpeg, source)

    def open_page(self, *, sign_out: bool) -> Viewer | None:
        """Returns a new page with the past and the present; None where too many are open."""
        page = self.pages.join()
        if page is not None:
            page.put("past", past_message(self._history.points(), sign_out=sign_out))
            page.put("state", state_message(self._run.snapshot()))
        return page

    def end(self) -> None:
        """Tells everybody that the run has ended, and lets them go."""
        self.pages.publish("end", end_message())
        self.pages.close()
        self.pictures.close()
