"""One live run: its worker under supervision, its variant adapted, its profile checked on the way.

It follows the run to another place: there the ladder, the controller and the profile are others.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType

from edgescale.device.picture import texture
from edgescale.device.probe import probe
from edgescale.device.profile import Measurement
from edgescale.device.store import mark_stale
from edgescale.errors import EdgescaleError
from edgescale.family.manifest import VariantRecord
from edgescale.inference.wire import SLOTS
from edgescale.inference.worker import Worker, WorkerSettings
from edgescale.selection.controller import Controller, Rung
from edgescale.selection.explanation import budget_text
from edgescale.stream.adapt import Adaptation
from edgescale.stream.event import Event, OnEvent
from edgescale.stream.place import Place, Wish, other_places, thermometer
from edgescale.stream.recertify import Recertifier, Verdict, limit_of, sentence
from edgescale.stream.supervisor import FIRST_RESULT_TIMEOUT_S, Serving, Supervisor, hang_limit_s

log = logging.getLogger(__name__)

OpenWorker = Callable[[VariantRecord, WorkerSettings], Serving]


class LiveRun:
    """A context manager, ready to serve when entered.

    Args:
        wish: what the user asked for.
        place: where and with what to begin.
        on_event: told what happens beside the results.
        open_worker: opens a variant; None starts a ``Worker``.

    Attributes:
        supervisor: serves.
    """

    def __init__(
        self,
        wish: Wish,
        place: Place,
        *,
        on_event: OnEvent,
        open_worker: OpenWorker | None = None,
    ) -> None:
        self._wish, self._place, self._on_event = wish, place, on_event
        self._open_worker = open_worker or self._start_worker
        self._recertifier = _recertifier(wish, place)
        self._adaptation: Adaptation | None = None
        self._delayed = 0
        self._marking: threading.Thread | None = None
        self._thermometer: tuple[str, Callable[[], float | None] | None] | None = None
        may_move = wish.settings.device == "auto"
        self.supervisor = Supervisor(
            self._reopen(place.variant),
            reopen=self._reopen,
            elsewhere=self._elsewhere if may_move else None,
            hang_limit_s=hang_limit_s(place.p99_ms),
            on_event=self._told,
        )

    def __enter__(self) -> "LiveRun":
        try:
            self._adapt()
            if self._adaptation is not None:
                self._adaptation.prepare()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def variants(self) -> tuple[str, ...]:
        """Returns what the run may change between, smallest first; just one where it does not."""
        if self._adaptation is None:
            return (self.supervisor.variant.name,)
        return tuple(variant.name for variant, _ in self._place.ladder)

    @property
    def why(self) -> str:
        """Returns in a sentence why it began with its variant."""
        if self._wish.variant is not None:
            return f"'{self._wish.variant}' was asked for"
        return f"the largest variant that fits ({budget_text(self._wish.budget)})"

    def edge_tpu_c(self) -> float | None:
        """Returns the temperature of the Edge TPU that serves now; None where it tells none."""
        device = self._place.settings.device
        if self._thermometer is None or self._thermometer[0] != device:
            found = None if device == "cpu" else thermometer(device, probe())
            self._thermometer = (device, None if found is None else found[1])
        read = self._thermometer[1]
        return None if read is None else read()

    def observe(self, latency_ms: float) -> None:
        """Takes the latency of a result; those that a worker's end delayed tell of nothing else."""
        if self._delayed:
            self._delayed -= 1
            return
        if self._recertifier is not None:
            self._judge(self._recertifier.observe(latency_ms))
        if self._adaptation is not None:
            self._adaptation.observe(latency_ms)

    @property
    def swap_due(self) -> bool:
        """Says whether another variant waits to take over, once nothing is under way."""
        return self._adaptation is not None and self._adaptation.swap_due

    def swap(self) -> None:
        """Lets the other variant take over; nothing may be under way."""
        if self._adaptation is None:
            raise ValueError("this run does not change its variant")
        if self._recertifier is not None:  # its results were of the variant that leaves
            self._judge(self._recertifier.close())
            self._recertifier = None
        self._adaptation.swap(self.supervisor)

    def close(self) -> None:
        """Ends workers and threads; may be called twice."""
        try:
            if self._adaptation is not None:
                self._adaptation.close()  # waits for what is being opened: a second Ctrl-C ends it
        finally:
            self.supervisor.close()
        if self._marking is not None:
            self._marking.join()

    def _start_worker(self, variant: VariantRecord, settings: WorkerSettings) -> Serving:
        return Worker(self._wish.family, variant, settings=settings)

    def _reopen(self, variant: VariantRecord) -> Serving:
        return self._open_worker(variant, self._place.settings)

    def _elsewhere(self) -> Iterator[Callable[[], Serving]]:
        for find in other_places(self._wish, self._place):
            yield partial(self._move, find)

    def _move(self, find: Callable[[], Place]) -> Serving:
        place = find()
        worker = self._open_worker(place.variant, place.settings)
        self._leave()
        self._place = place
        self._adapt()
        return worker

    def _leave(self) -> None:
        """What was loaded and counted belongs to the place that failed."""
        self._recertifier = None
        if self._adaptation is not None:
            self._adaptation.close()
            self._adaptation = None

    def _adapt(self) -> None:
        place, limit_ms = self._place, self._wish.budget.latency_ms
        if not self._wish.adapt or limit_ms is None or not place.ladder:
            return
        if len(place.ladder) == 1:
            log.warning(
                "nothing to step down to: no smaller variant takes at least a tenth less time than"
                " '%s' here",
                place.variant.name,
            )
            return
        machine = probe()
        warm = thermometer(place.settings.device, machine)
        percentile = self._wish.budget.percentile
        self._adaptation = Adaptation(
            [variant for variant, _ in place.ladder],
            Controller(
                rungs(place.ladder, percentile),
                limit_ms,
                percentile=percentile,
                trip_points_c=warm[0].trip_points_c if warm else (),
            ),
            open_variant=self._open_beside,
            keep_both=_room_for_both(self._wish, place, machine.memory_available_bytes),
            on_event=self._on_event,
            temperature_c=warm[1] if warm else None,
        )

    def _open_beside(self, variant: VariantRecord) -> Serving:
        """Opens a variant while another one serves; called in a thread.

        On the CPU in a process of its own, warmed up by one picture; an Edge TPU takes one process
        only, and a picture for the one would keep the other waiting.
        """
        serving = self.supervisor.worker
        if isinstance(serving, Worker) and serving.device != "cpu":
            return serving.load_beside(variant)
        worker = self._reopen(variant)
        try:
            worker.submit(texture(), bgr=True)
            worker.result(FIRST_RESULT_TIMEOUT_S)
        except BaseException:
            worker.close()
            raise
        return worker

    def _told(self, event: Event) -> None:
        """Passes an event on; what was loaded beside a process that died is gone with it."""
        shared = self._place.settings.device != "cpu"
        if event.kind in ("worker-died", "refused"):
            self._delayed = SLOTS  # all that may be under way
            if shared and self._adaptation is not None:
                self._adaptation.drop_standby()
        self._on_event(event)

    def _judge(self, verdict: Verdict | None) -> None:
        """Says what the first results mean; what they contradict is measured anew next time."""
        if verdict is None:
            return
        limit, variant = verdict.limit, self.supervisor.variant.name
        details = {
            "variant": variant,
            "device": self.supervisor.device,
            "n": verdict.n,
            "over": verdict.over,
            "limit_ms": limit.ms,
            "percentile": limit.percentile,
            "budgeted": limit.budgeted,
        }
        kind = {True: "confirmed", False: "doubted", None: "undecided"}[verdict.confirmed]
        text = sentence(verdict, variant)
        if verdict.confirmed is False:
            self._marking = threading.Thread(target=self._mark_stale, args=(text,), name="mark")
            self._marking.start()
        self._on_event(Event(kind, text, details))

    def _mark_stale(self, why: str) -> None:
        """Writes to disk, in a thread: no result waits for it."""
        place = self._place
        if place.profile is None or place.folder is None:
            return
        try:
            mark_stale(place.folder, place.profile, why)
        except EdgescaleError as problem:
            log.warning("the stored profile could not be marked: %s", problem)


def rungs(ladder: Sequence[tuple[VariantRecord, Measurement]], percentile: int) -> list[Rung]:
    """Returns what the controller needs of the variants of a ladder."""
    found = []
    for variant, entry in ladder:
        latency = entry.latency_ms
        if latency is None:
            raise ValueError(f"'{variant.name}' was not measured")
        tail_ms = latency.p95 if percentile == 95 else latency.p99
        found.append(Rung(variant.name, latency.median, tail_ms))
    return found


def _recertifier(wish: Wish, place: Place) -> Recertifier | None:
    limit = None if place.measurement is None else limit_of(wish.budget, place.measurement)
    return None if limit is None else Recertifier(limit)


def _room_for_both(wish: Wish, place: Place, available_bytes: int) -> bool:
    """Says whether budget and machine have room for two variants of the ladder."""
    workers = sorted(entry.worker_pss_bytes or 0 for _, entry in place.ladder)[-2:]
    main_bytes = 0 if place.measurement is None else place.measurement.main_pss_bytes or 0
    most_bytes = wish.budget.memory_bytes
    if most_bytes is not None and sum(workers) + main_bytes > most_bytes:
        return False
    return workers[0] <= available_bytes  # the first one is loaded already
