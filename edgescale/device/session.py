"""A span of measuring: what the machine was like before it, and the profile that comes of it."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone

import edgescale
from edgescale.device.bench import Measured
from edgescale.device.choose import models_on
from edgescale.device.delegate_file import library_sha256
from edgescale.device.memory import with_predictions
from edgescale.device.noise import judge_noise, read_now
from edgescale.device.picture import FRAME_TEXT
from edgescale.device.probe import probe
from edgescale.device.profile import SCHEMA_VERSION, DeviceProfile
from edgescale.device.rig import Rig
from edgescale.device.threads import search_threads
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings

log = logging.getLogger(__name__)


class Session:
    """Begins when it is made: finds the threads and looks at the machine.

    Args:
        family: whose variants are measured.
        asked: settings as the user gave them.
        device: what ``auto`` came to.
        variants: those that may be measured.
        rig: what it is measured with.
        begun: a profile that this one adds to; its threads are taken.

    Attributes:
        settings: what workers are started with.

    Raises:
        EdgescaleError: the machine lacks the runtime.
    """

    def __init__(
        self,
        family: Family,
        asked: WorkerSettings,
        device: str,
        variants: Iterable[VariantRecord],
        rig: Rig,
        begun: DeviceProfile | None = None,
    ) -> None:
        self._family, self._asked, self._rig, self._begun = family, asked, rig, begun
        self._machine = probe()
        settings = replace(asked, device=device)
        self._before = read_now(rig.temperature_c(), time.monotonic())
        if begun is None:
            threads, self._tried = search_threads(family, settings, tuple(variants), rig)
        else:
            threads, self._tried = begun.threads, begun.threads_tried
        self.settings = replace(settings, threads=threads)
        self._base_bytes = rig.base_bytes(self.settings)

    def profile(self, measured: Measured, rounds: int) -> DeviceProfile:
        """Ends the session: puts the figures beside the conditions they were measured under.

        Args:
            measured: the figures; of a variant that the begun profile has too, these count.
            rounds: blocks that alternated between the variants; 1 is one after the other.
        """
        asked, settings = self._asked, replace(self.settings, runtime=measured.runtime)
        noise = judge_noise(
            self._before,
            read_now(self._rig.temperature_c(), time.monotonic()),
            cores=self._machine.usable_cores,
            governor=self._machine.governor,
            clock_mhz=(measured.cpu_mhz_before, measured.cpu_mhz_after),
            figures=measured.variants,
        )
        for flag in noise.flags:
            log.warning("the figures are doubtful: %s", flag)
        now = rfc3339(datetime.now(timezone.utc))
        fresh = {one.variant for one in measured.variants}
        kept = () if self._begun is None else self._begun.variants
        figures = with_predictions(self._family, measured.variants, settings, self._base_bytes)
        return DeviceProfile(
            schema_version=SCHEMA_VERSION,
            edgescale_version=edgescale.__version__,
            time=now if self._begun is None else self._begun.time,
            family=self._family.manifest.name,
            models=models_on(self._family, settings.device),
            machine=self._machine,
            device_asked=asked.device,
            device=settings.device,
            runtime=measured.runtime,
            runtime_version=measured.runtime_version,
            threads=settings.threads or 1,
            threads_asked=asked.threads,
            threads_tried=self._tried,
            edgetpu_library=asked.edgetpu_library,
            edgetpu_library_sha256=library_sha256(settings),
            edgetpu_performance=asked.edgetpu_performance,
            frame=FRAME_TEXT,
            rounds=rounds,
            noise=noise,
            variants=(*(one for one in kept if one.variant not in fresh), *figures),
        )


def rfc3339(time: datetime) -> str:
    """Formats a time in UTC to the second, e.g. ``2026-01-31T12:00:00Z``."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
