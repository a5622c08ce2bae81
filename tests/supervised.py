"""Workers that die to order, and a supervised run of them on a clock that only sleeping moves."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from edgescale.errors import WorkerDied
from edgescale.family.manifest import Artifact, VariantRecord
from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image
from edgescale.inference.worker import Inference
from edgescale.stream.event import Event
from edgescale.stream.supervisor import Opener, Supervisor
from tests.fakes import variant_record

VARIANT = variant_record("small", Artifact("small.tflite", "0" * 64, 1))
OTHER = variant_record("large", Artifact("large.tflite", "1" * 64, 1))


class Scripted:
    """Answers with the picture's first value; dies at its ``dies_at``-th result or submit."""

    def __init__(
        self,
        dies_at: int | None = None,
        *,
        device: str = "usb",
        variant: VariantRecord = VARIANT,
        error: Exception | None = None,
        in_submit: bool = False,
        invoke_ms: float = 3.0,
    ) -> None:
        self.family: Any = None
        self.variant, self.device, self.invoke_ms = variant, device, invoke_ms
        self.runtime_name, self.runtime_version = "ai_edge_litert", "2.3.0"
        self.error = error or WorkerDied("SIGABRT")
        self.dies_at, self.in_submit = dies_at, in_submit
        self.submitted = self.served = 0
        self.pending: list[int] = []
        self.timeouts_s: list[float] = []
        self.closed = False

    def submit(self, frame: Image, *, bgr: bool) -> None:
        assert bgr
        assert not self.closed
        assert len(self.pending) < 2
        self.submitted += 1
        if self.in_submit and self.submitted == self.dies_at:
            raise self.error
        self.pending.append(int(frame.flat[0]))

    def result(self, timeout_s: float) -> Inference:
        assert not self.closed
        self.timeouts_s.append(timeout_s)
        self.served += 1
        if not self.in_submit and self.served == self.dies_at:
            raise self.error
        return Inference((self.pending.pop(0),), (1.0,), self.invoke_ms)

    def predictions(self, inference: Inference) -> tuple[Prediction, ...]:
        return ()

    def close(self) -> None:
        self.closed = True


class Stage:
    """A supervised run: the workers that are opened one after the other, sleeps and events."""

    def __init__(
        self,
        workers: Sequence[Scripted | Exception],
        elsewhere: Callable[[], Iterator[Opener]] | None = None,
        hang_limit_s: float = 1.0,
    ) -> None:
        self.coming = list(workers)
        self.opened: list[Scripted] = []
        self.reopened: list[str] = []
        self.events: list[Event] = []
        self.sleeps_s: list[float] = []
        self.now_s = 0.0
        self.supervisor = Supervisor(
            self.open(),
            reopen=self.reopen,
            elsewhere=elsewhere,
            hang_limit_s=hang_limit_s,
            on_event=self.events.append,
            clock=lambda: self.now_s,
            sleep=self.sleep,
        )

    def open(self) -> Scripted:
        worker = self.coming.pop(0)
        if isinstance(worker, Exception):
            raise worker
        self.opened.append(worker)
        return worker

    def reopen(self, variant: VariantRecord) -> Scripted:
        self.reopened.append(variant.name)
        return self.open()

    def sleep(self, seconds: float) -> None:
        self.sleeps_s.append(seconds)
        self.now_s += seconds

    def run(self, pictures: int, in_flight: int = 2) -> list[int]:
        """Classifies pictures numbered from 0 and returns the numbers that came back."""
        found: list[int] = []
        pending = 0
        for number in range(pictures):
            self.supervisor.submit(np.full((2, 2, 3), number, np.uint8), bgr=True)
            pending += 1
            if pending == in_flight:
                found.append(self.supervisor.result().class_ids[0])
                pending -= 1
        found += [self.supervisor.result().class_ids[0] for _ in range(pending)]
        return found

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]
