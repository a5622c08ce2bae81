"""Changes the variant of a live run: the controller decides, a standby loads, a swap is instant.

The neighbour is loaded before it is needed and stays loaded after a swap, so that going down takes
no longer than one frame; another variant is loaded beside the run, which goes on meanwhile.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from edgescale.family.manifest import VariantRecord
from edgescale.selection.controller import Controller
from edgescale.stream.event import Event, OnEvent
from edgescale.stream.standby import Opener, Standby
from edgescale.stream.supervisor import Supervisor
from edgescale.units import milliseconds

log = logging.getLogger(__name__)

READING_S = 1.0  # between two temperatures; the driver of the Edge TPU looks every five


class Adaptation:
    """Keeps a run on the largest variant that keeps the budget now.

    Args:
        variants: the ladder, smallest first; the last one runs.
        controller: of the same ladder.
        open_variant: opens a variant beside the one that runs; called in a thread.
        keep_both: whether memory allows to hold a second variant all the time.
        on_event: told of each change.
        temperature_c: reads the Edge TPU's temperature; None where it tells none.
        clock: in seconds, monotonic.
    """

    def __init__(  # noqa: PLR0913 - what it watches, moves and tells
        self,
        variants: Sequence[VariantRecord],
        controller: Controller,
        *,
        open_variant: Opener,
        keep_both: bool,
        on_event: OnEvent,
        temperature_c: Callable[[], float | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._variants, self._controller = tuple(variants), controller
        self._standby = Standby(open_variant)
        self._keep_both, self._on_event = keep_both, on_event
        self._temperature_c, self._clock = temperature_c, clock
        self._last_reading_s = clock()
        self._celsius: float | None = None
        self._hopeless = False  # the neighbour cannot be loaded

    def prepare(self) -> None:
        """Loads the neighbour below; to be called before the first frame."""
        next_one = self._next_one()
        if next_one is None:
            return
        try:
            self._standby.want(next_one)
            self._standby.wait()
        except Exception as problem:  # noqa: BLE001 - the one that runs is not touched by it
            self._give_up(problem)

    def observe(self, latency_ms: float) -> None:
        """Takes the latency of a result of the variant that runs."""
        controller = self._controller
        controller.observe(latency_ms)
        self._read_temperature()
        next_one = self._next_one()
        if next_one is None:
            return
        try:
            self._standby.want(next_one)
        except Exception as problem:  # noqa: BLE001 - the one that runs is not touched by it
            self._give_up(problem)
            if controller.wanted != controller.running:
                controller.refused()

    @property
    def swap_due(self) -> bool:
        """Says whether another variant is ready to take over, once nothing is under way."""
        return self._successor() is not None

    def swap(self, supervisor: Supervisor) -> None:
        """Lets the variant that is ready take over; nothing may be under way."""
        controller, rung = self._controller, self._successor()
        if rung is None:
            raise ValueError("no variant waits to take over; ask swap_due first")
        old = supervisor.swap(self._standby.take())
        if self._keep_both:
            self._standby.keep(old)
        else:
            self._standby.retire(old)
        slowdown, why = controller.slowdown, controller.why
        controller.switched(rung)
        self._hopeless = False  # the neighbour is another one now
        text = (
            f"'{old.variant.name}' -> '{supervisor.variant.name}': {why}, slowdown x{slowdown:.2f}"
        )
        details: dict[str, Any] = {
            "from": old.variant.name,
            "to": supervisor.variant.name,
            "why": why,
            "slowdown": round(slowdown, 3),
            "limit_ms": controller.limit_ms,
            "temperature_c": self._celsius,
        }
        if self._celsius is not None:
            text += f", {self._celsius:.1f} C"
        text += f", budget {milliseconds(controller.limit_ms)}"
        self._on_event(Event("switched", text, details))

    def drop_standby(self) -> None:
        """Lets go of the neighbour, as when the process that may hold both has died."""
        self._standby.drop()
        self._hopeless = False

    def close(self) -> None:
        """Ends what stands by."""
        self._standby.close()

    def _next_one(self) -> VariantRecord | None:
        """Returns what should stand by: what is wanted, else the neighbour below."""
        controller = self._controller
        if self._successor() is not None:
            return None
        if controller.wanted != controller.running:
            return self._variants[controller.wanted]
        if not self._keep_both or self._hopeless or controller.running == 0:
            return None
        # After a way up of several rungs, what stands by is smaller than the neighbour.
        ready, neighbour = self._ready_rung(), controller.running - 1
        return self._variants[neighbour] if ready is None or ready < neighbour else None

    def _successor(self) -> int | None:
        """Returns the rung that is ready to take over: the one wanted, or a stopgap above it.

        Loading takes a second on loaded cores; a smaller variant that is ready helps at once, and
        its own latencies say whether to go on.
        """
        controller, rung = self._controller, self._ready_rung()
        if controller.wanted == controller.running or rung is None:
            return None
        return rung if rung == controller.wanted or self._between(rung) else None

    def _ready_rung(self) -> int | None:
        ready = self._standby.variant
        if ready is None:
            return None
        return next(i for i, one in enumerate(self._variants) if one.name == ready.name)

    def _give_up(self, problem: Exception) -> None:
        log.warning("no variant stands by: %s", problem)
        self._hopeless = True

    def _between(self, rung: int) -> bool:
        return self._controller.wanted < rung < self._controller.running

    def _read_temperature(self) -> None:
        if self._temperature_c is None or self._clock() - self._last_reading_s < READING_S:
            return
        self._last_reading_s = self._clock()
        self._celsius = self._temperature_c()
        if self._celsius is not None:
            self._controller.heat(self._celsius)
