"""The figures of a family for a choice: those of a stored profile, and what it lacks measured now.

One worker at a time: a second process on an Edge TPU would end the first one's work, and on a small
board it takes memory that the figures are about.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

from edgescale.device.bench import Bench, Measured, Progress
from edgescale.device.picture import texture
from edgescale.device.profile import MOST_LATENCIES, DeviceProfile, Measurement
from edgescale.device.rig import Rig
from edgescale.device.session import Session
from edgescale.device.side_by_side import UNCOUNTED
from edgescale.device.statistics import nearest_rank
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from edgescale.units import milliseconds

log = logging.getLogger(__name__)

_WARMUP_RUNS = 3
_PAUSE_S = 0.2  # between blocks: a machine has slow and fast seconds, and a test needs some of each
_LONG_S = 5.0  # a test that may take longer is announced


class Steps:
    """Tells a progress bar how many runs are done, of the most that may be needed."""

    def __init__(self, progress: Progress | None, most: int) -> None:
        self._progress, self._most, self._done = progress, most, 0

    def add(self, runs: int) -> None:
        """Counts runs; the bar stays short of its end, since nobody knows when that is."""
        self._done += runs
        if self._progress is not None:
            self._progress(min(self._done, self._most - 1), self._most)

    def end(self) -> None:
        """Ends the bar, if anything was measured at all."""
        if self._progress is not None and self._done:
            self._progress(self._most, self._most)


class LiveFigures:
    """A context manager; workers are ended when it is left.

    Args:
        family: the family.
        settings: as the user asked for them.
        device: what ``auto`` came to.
        stored: the profile that is believed, if there is one.
        rig: what is measured with.
        test_runs: fewest and most runs of a test, said before one begins.
        on_runs: called with the number of runs after each block.
    """

    def __init__(  # noqa: PLR0913 - what is measured, with what, and who is told
        self,
        family: Family,
        settings: WorkerSettings,
        device: str,
        stored: DeviceProfile | None,
        *,
        rig: Rig | None = None,
        test_runs: tuple[int, int] = (0, 0),
        on_runs: Callable[[int], None] = lambda runs: None,
    ) -> None:
        self.device = device
        self._family, self._asked, self._stored = family, settings, stored
        self._rig, self._test_runs, self._on_runs = rig or Rig(), test_runs, on_runs
        self._session: Session | None = None
        self._open: Bench | None = None
        self._benches: dict[str, Bench] = {}
        self._clocks: list[float | None] = []
        self._announced: set[str] = set()
        self._frame = texture()

    def __enter__(self) -> "LiveFigures":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open is not None:
            self._open.close()

    def latencies(self, variant: str, count: int) -> Sequence[float]:
        """Returns all latencies in ms, measured now where the profile has fewer than asked for.

        Fewer come back where the variant does not run.

        Raises:
            EdgescaleError: the machine lacks device or runtime.
        """
        known = self._known(variant)
        if len(known) < count and not self._failed(variant):
            self._measure(variant, count - len(known))
            known = self._known(variant)
        return known

    def at_hand(self, variant: str) -> bool:
        """Says whether a look at a variant costs nothing."""
        return bool(self._known(variant)) or self._failed(variant)

    def measurement(self, variant: str) -> Measurement | None:
        """Returns all figures of a variant so far, None where it was not measured."""
        stored = None if self._stored is None else self._stored.measurement(variant)
        return self._added(variant) or stored

    def _added(self, variant: str) -> Measurement | None:
        """Returns the figures of a variant with what was measured now, None without any of it."""
        bench = self._benches.get(variant)
        if bench is None:
            return None
        found = bench.measurement()
        if found.error is not None:
            return found
        if not (found.latencies_ms and found.main_pss_bytes):  # broken off before it was weighed
            return None
        stored = None if self._stored is None else self._stored.measurement(variant)
        return found if stored is None else _joined(stored, found)

    def profile(self) -> DeviceProfile | None:
        """Returns the profile with what was measured added, None where nothing was."""
        runtime = next((bench.runtime for bench in self._benches.values() if bench.runtime), None)
        if self._session is None or runtime is None:
            return self._stored
        found = [self._added(name) for name in self._benches]
        entries = tuple(one for one in found if one is not None)
        if not entries:
            return self._stored
        clocks = (self._clocks or [None])[0], (self._clocks or [None])[-1]
        return self._session.profile(Measured(*runtime, entries, *clocks), rounds=1)

    def _known(self, variant: str) -> tuple[float, ...]:
        stored = None if self._stored is None else self._stored.measurement(variant)
        before = () if stored is None else stored.latencies_ms
        bench = self._benches.get(variant)
        return before if bench is None else before + tuple(bench.latencies_ms)

    def _failed(self, variant: str) -> bool:
        bench = self._benches.get(variant)
        if bench is not None:
            return bench.problem is not None
        stored = None if self._stored is None else self._stored.measurement(variant)
        return stored is not None and stored.error is not None

    def _measure(self, variant: str, runs: int) -> None:
        bench = self._opened(variant)
        before = self._known(variant)
        self._announce(variant, before, bench.latencies_ms)
        if bench.latencies_ms:
            self._rig.sleep(_PAUSE_S)
        bench.block(self._frame, runs, uncounted=UNCOUNTED)
        self._clocks.append(self._rig.cpu_mhz())
        self._on_runs(runs)
        if not before and bench.latencies_ms:
            median_ms = nearest_rank(bench.latencies_ms, 0.5)
            log.info("looked at '%s': median %s", variant, milliseconds(median_ms))

    def _announce(self, variant: str, known: Sequence[float], measured: Sequence[float]) -> None:
        """Says before a test how long it may take; a p99 takes minutes on a slow board."""
        fewest, most = self._test_runs
        if variant in self._announced or not known or len(measured) >= most:
            return
        self._announced.add(variant)
        median_s = nearest_rank(known, 0.5) / 1000
        if most * median_s < _LONG_S:
            return
        log.info(
            "testing '%s': a yes takes %d to %d runs, %.1f to %.0f s; a no may come at once",
            *(variant, fewest, most, fewest * median_s, most * median_s),
        )

    def _opened(self, variant: str) -> Bench:
        """Returns the variant's bench with its worker started, all others' ended."""
        if self._session is None:
            everyone = self._family.manifest.variants
            self._session = Session(
                self._family, self._asked, self.device, everyone, self._rig, self._stored
            )
        bench = self._benches.get(variant)
        if bench is None:
            record = self._family.variant(variant)
            session = self._session
            bench = Bench(self._family, record, session.settings, self._rig, session.check_room)
            self._benches[variant] = bench
        if bench.worker is None:
            if self._open is not None:
                self._open.close()
            self._open = bench
            bench.start()
            bench.warm_up(self._frame, _WARMUP_RUNS)
            bench.weigh()
        return bench


def _joined(stored: Measurement, found: Measurement) -> Measurement:
    """Returns stored figures with later ones of the same variant added."""
    latencies_ms = stored.latencies_ms + found.latencies_ms
    return replace(
        stored,
        latencies_ms=latencies_ms[:MOST_LATENCIES],
        worker_pss_bytes=max(stored.worker_pss_bytes or 0, found.worker_pss_bytes or 0),
        worker_peak_rss_bytes=max(
            stored.worker_peak_rss_bytes or 0, found.worker_peak_rss_bytes or 0
        ),
        main_pss_bytes=max(stored.main_pss_bytes or 0, found.main_pss_bytes or 0),
    )
