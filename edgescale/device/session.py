"""A span of measuring: what the machine was like before it, and the profile that comes of it."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone

import edgescale
from edgescale.device.bench import Measured
from edgescale.device.choose import model_for, models_on
from edgescale.device.delegate_file import library_sha256
from edgescale.device.memory import predicted_worker_bytes, with_predictions
from edgescale.device.noise import judge_noise, read_now
from edgescale.device.picture import FRAME_TEXT
from edgescale.device.probe import probe
from edgescale.device.profile import SCHEMA_VERSION, DeviceProfile
from edgescale.device.rig import Rig
from edgescale.device.threads import search_threads
from edgescale.errors import DeviceError
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.worker import WorkerSettings
from edgescale.units import mib

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

    def check_room(self, variant: VariantRecord) -> None:
        """Refuses a variant that would be killed for want of memory, by what its file tells.

        Raises:
            DeviceError: its worker would take more than is left here.
        """
        if self._base_bytes is None:
            return
        path = self._family.path(model_for(variant, self.settings.device))
        runtime = self.settings.runtime or ""
        needed = predicted_worker_bytes(path, self._base_bytes, runtime=runtime)
        left = self._machine.memory_available_bytes
        if needed > left:
            limits = ", ".join(one.group for one in self._machine.memory_limits)
            raise DeviceError(
                f"its worker would take about {mib(needed)} ({mib(self._base_bytes)} without the"
                f" model), but {mib(left)} are left{f' (limits of {limits})' if limits else ''};"
                " free memory, or raise the limit"
            )

    def profile(self, measured: Measured, rounds: int) -> DeviceProfile:
        """Ends the session: puts the figures beside the conditions they were measured under.

        Args:
            measured: the figures; of a variant that the begun profile has too, these count.
            rounds: blocks that alternated between the variants; 1 is one after the other.
        """
        asked, settings = self._asked, replace(self.settings, runtime=measured.runtime)
        fresh = {one.variant for one in measured.variants}
        earlier = () if self._begun is None else self._begun.variants
        kept = tuple(one for one in earlier if one.variant not in fresh)
        noise = judge_noise(
            self._before,
            read_now(self._rig.temperature_c(), time.monotonic()),
            cores=self._machine.usable_cores,
            governor=self._machine.governor,
            clock_mhz=(measured.cpu_mhz_before, measured.cpu_mhz_after),
            figures=(*kept, *measured.variants),
            earlier=None if self._begun is None else self._begun.noise,
        )
        for flag in noise.flags:
            log.warning("the figures are doubtful: %s", flag)
        now = rfc3339(datetime.now(timezone.utc))
        figures = with_predictions(self._family, measured.variants, settings, self._base_bytes)
        return DeviceProfile(
            schema_version=SCHEMA_VERSION,
            edgescale_version=edgescale.__version__,
            time=now if self._begun is None else self._begun.time,
            family=self._family.manifest.name,
            models=models_on(self._family, settings.device),
            machine=probe() if settings.device != "cpu" else self._machine,
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
            variants=(*kept, *figures),
        )


def rfc3339(time: datetime) -> str:
    """Formats a time in UTC to the second, e.g. ``2026-01-31T12:00:00Z``."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
