"""A second variant, opened in a thread while the first one serves: no frame waits for it."""

import logging
import threading
from collections.abc import Callable

from edgescale.family.manifest import VariantRecord
from edgescale.stream.supervisor import Serving

log = logging.getLogger(__name__)

Opener = Callable[[VariantRecord], Serving]


class Standby:
    """Holds at most one worker beside the one that serves.

    Not for several threads: all methods are called by the thread that serves.

    Args:
        open_variant: opens a variant and warms it up; called in a thread.
    """

    def __init__(self, open_variant: Opener) -> None:
        self._open = open_variant
        self._worker: Serving | None = None
        self._loading: _Loading | None = None
        self._closing: list[threading.Thread] = []

    def want(self, variant: VariantRecord) -> None:
        """Begins to open a variant, unless it is here or another one is being opened.

        To be called until ``has`` says yes. What is held instead is closed first.

        Raises:
            Exception: what kept it from being opened, once.
        """
        if self._finished_loading() and not self.has(variant):
            held, self._worker = self._worker, None
            self._loading = _Loading(self._open, variant, held)
            self._loading.start()

    def has(self, variant: VariantRecord) -> bool:
        """Says whether a variant is ready."""
        return self.variant is not None and self.variant.name == variant.name

    @property
    def variant(self) -> VariantRecord | None:
        """Returns what is ready; another one may be on its way."""
        return None if self._worker is None else self._worker.variant

    def wait(self) -> None:
        """Waits until nothing is being opened.

        Raises:
            Exception: what kept it from being opened.
        """
        if self._loading is not None:
            self._loading.join()
        self._finished_loading()

    def take(self) -> Serving:
        """Gives the worker that is ready away."""
        if self._worker is None:
            raise ValueError("nothing stands by; ask with has() first")
        ready, self._worker = self._worker, None
        return ready

    def keep(self, worker: Serving) -> None:
        """Holds a worker that has served, after ``take``."""
        self._worker = worker

    def retire(self, worker: Serving) -> None:
        """Closes a worker in a thread: its process may take a moment to end."""
        thread = threading.Thread(target=worker.close, name="close a worker")
        thread.start()
        self._closing = [one for one in self._closing if one.is_alive()] + [thread]

    def drop(self) -> None:
        """Lets go of what is held or being opened; the next ``want`` begins anew."""
        if self._worker is not None:
            self.retire(self._worker)
            self._worker = None
        if self._loading is not None:
            self._loading.forget()
            self._closing.append(self._loading)
            self._loading = None

    def close(self) -> None:
        """Ends all workers and threads."""
        self.drop()
        for thread in self._closing:
            thread.join()
        self._closing.clear()

    def _finished_loading(self) -> bool:
        """Takes over what a thread has opened; False while it still opens."""
        if self._loading is None:
            return True
        if self._loading.is_alive():
            return False
        loading, self._loading = self._loading, None
        self._worker = loading.worker
        if loading.problem is not None:
            raise loading.problem
        return True


class _Loading(threading.Thread):
    """Opens one variant, after what was held before is closed."""

    def __init__(self, open_variant: Opener, variant: VariantRecord, held: Serving | None) -> None:
        super().__init__(name=f"open {variant.name}")
        self._open, self._variant, self._held = open_variant, variant, held
        self._done = threading.Lock()
        self._forgotten = False
        self.worker: Serving | None = None
        self.problem: Exception | None = None

    def run(self) -> None:
        """Opens it; what nobody wants any more is closed again."""
        if self._held is not None:
            self._held.close()
        try:
            worker = self._open(self._variant)
        except Exception as problem:  # noqa: BLE001 - raised in the thread that serves
            self.problem = problem
            return
        with self._done:
            self.worker = worker
            unwanted = self._forgotten
        if unwanted:
            worker.close()

    def forget(self) -> None:
        """Closes the worker as soon as it is there."""
        with self._done:
            self._forgotten = True
            worker = self.worker
        if worker is not None:
            worker.close()
