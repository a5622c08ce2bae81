"""Events to a web address of the user's: one POST of JSON each, in order, retried for a while.

The address and the token are secrets (many services put their key into the path): of the address
only scheme, host and port are ever shown, of the token nothing.
"""

import json
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from edgescale.errors import SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.sinks.post import Post, Refused, Unreachable, parse_address
from edgescale.stream.sinks.records import event_record, result_record

if TYPE_CHECKING:
    from edgescale.stream.flight import FrameResult

log = logging.getLogger(__name__)

MOST_WAITING = 100  # events; the oldest gives way to a newer one
BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # before each further attempt for one event
_LAST_CHANCE_S = 3.0  # at the end of a run, for all that waits
_CUT_S = 1.0


class WebhookSink:
    """Posts events in a thread of its own; see ``outputs.Sink``.

    What cannot be delivered is dropped, counted, and an error at the end. A redirect is followed
    nowhere: it counts as a refusal.

    Args:
        url: ``http://`` or ``https://``; user and password in it become basic authentication.
        token: sent as bearer token, instead of user and password.
        timeout_s: for connecting and for each part of the answer.
        back_off_s: pauses between the attempts for one event.

    Attributes:
        written: events that were delivered.
        lost: events that were not, and will not be.

    Raises:
        SinkFailed: not such a URL, or a token that no header can hold.
    """

    always_live = True
    takes_results = False
    queue_size = 8

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout_s: float = 5.0,
        *,
        back_off_s: tuple[float, ...] = BACK_OFF_S,
    ) -> None:
        address = parse_address(url, token)
        self.name = f"webhook {address.shown}"
        if address.exposes_its_secret:
            log.warning("%s: its token is sent unencrypted; use https", self.name)
        self._post, self._back_off_s = Post(address, timeout_s), back_off_s
        self._waiting: deque[bytes] = deque()
        self._change = threading.Condition()
        self._ending = self._given_up = False
        self._told = self.written = self.lost = 0
        self._reason = ""  # why the last attempt failed; empty once one did not
        self._lost_by = ""
        # A daemon: the system's resolver of host names cannot be interrupted.
        self._thread = threading.Thread(target=self._serve, name="webhook", daemon=True)
        self._thread.start()

    def result(self, result: "FrameResult") -> None:
        """Does nothing: only events are posted, and no result is given."""

    def event(self, event: Event, result: "FrameResult | None") -> None:
        """Leaves an event to be posted, with the predictions of its frame."""
        record: dict[str, Any] = event_record(event)
        if result is not None:
            record["predictions"] = result_record(result)["predictions"]
        body = json.dumps(record, allow_nan=False).encode()
        with self._change:
            self._told += 1
            self._waiting.append(body)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self._lose("more events came than it takes")
            self._change.notify_all()

    def tick(self) -> None:
        """Ends an attempt whose answer has no end."""
        self._post.cut_overdue()

    def close(self) -> None:
        """Gives what waits a last chance of three seconds, then drops it.

        Raises:
            SinkFailed: events could not be delivered.
        """
        with self._change:
            self._ending = True
            self._change.notify_all()
        self._thread.join(_LAST_CHANCE_S)
        with self._change:
            self._given_up = True
            self._change.notify_all()
        self._post.cut()
        self._thread.join(_CUT_S)
        with self._change:
            self.lost += len(self._waiting) + self._thread.is_alive()
            self._waiting.clear()
        if self.lost:
            raise SinkFailed(
                f"{self.name}: {self.lost} of {self._told} events could not be delivered"
                f" ({self._lost_by or 'no answer'}); look at the address and its server"
            )

    def _serve(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting or self._given_up:
                    return
                body = self._waiting.popleft()
            self._deliver(body)

    def _deliver(self, body: bytes) -> None:
        """Posts one event, again after each pause, and counts it as lost in the end."""
        reason = ""
        for pause_s in (*self._back_off_s, None):
            try:
                self._post.send(body)
            except Refused as problem:
                reason = str(problem)
                break
            except Unreachable as problem:
                reason = str(problem)
            else:
                with self._change:
                    self._reason = ""
                    self.written += 1
                return
            with self._change:
                if self._reason != reason:
                    log.warning("%s: %s", self.name, reason)
                self._reason = reason
                if pause_s is not None:
                    self._change.wait_for(lambda: self._ending, pause_s)
                if self._given_up:
                    break
        with self._change:
            self._lose(reason)

    def _lose(self, reason: str) -> None:
        self.lost += 1
        self._lost_by = reason
