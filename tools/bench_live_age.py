"""How old a camera's picture is when its result is there, by the time drawn into the picture.

The model is slower than the camera, so whoever reads one frame after another falls behind for as
long as it runs; that loop runs in the same bench, to show that the bench would see it.
"""

import statistics
import time
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from edgescale.stream.pipeline import classify
from tests.mjpeg_server import read_stamp
from tools.bench_live_scene import Scene, double_behaves
from tools.bench_live_slope import slope_interval

LIMIT_BEYOND_MS = 10.0  # beyond the invoke and two intervals of the camera
SERIAL_LIMIT_MS = 1000.0
_WARM_UP_S = 1.0


@dataclass(frozen=True)
class Ages:
    """Ages at the result in ms, with when each was there in seconds from the first."""

    at_s: list[float]
    ages_ms: list[float]

    @property
    def p50_ms(self) -> float:
        """Returns the median."""
        return statistics.median(self.ages_ms)

    @property
    def p95_ms(self) -> float:
        """Returns the 95th percentile."""
        return float(np.percentile(self.ages_ms, 95))

    @property
    def slope_ms_per_s(self) -> tuple[float, float]:
        """Returns the 95 % interval of the slope."""
        return slope_interval(self.at_s, self.ages_ms)

    @property
    def grows(self) -> bool:
        """Says whether the interval of the slope is above 0."""
        return self.slope_ms_per_s[0] > 0


def our_ages(scene: Scene, url: str, *, latency_ms: float, seconds: float) -> Ages:
    """Runs ``classify`` on a camera, on the double."""
    found = Ages([], [])
    with (
        double_behaves(latency_ms=latency_ms),
        closing(
            classify(
                scene.family, url, variant=scene.variant.name, device="usb",
                edgetpu_library=str(scene.library), duration_s=seconds + _WARM_UP_S,
            )
        ) as results,
    ):  # fmt: skip
        for result in results:
            _note(found, time.monotonic(), read_stamp(result.image))
    return _without_start(found)


def serial_ages(scene: Scene, url: str, *, latency_ms: float, seconds: float) -> Ages:
    """Runs read, resize, invoke in one loop, as most programs do."""
    import cv2

    found = Ages([], [])
    side = scene.variant.preparation.height
    with double_behaves(latency_ms=latency_ms):
        interpreter = scene.interpreter("usb")
        index = interpreter.get_input_details()[0]["index"]
        capture = cv2.VideoCapture(url)
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            good, frame = capture.read()
            if not good:
                raise SystemExit(f"{url}: the camera ended")
            rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            interpreter.set_tensor(index, np.expand_dims(cv2.resize(rgb, (side, side)), 0))
            interpreter.invoke()
            _note(found, time.monotonic(), read_stamp(frame))
        capture.release()
    return found


def _note(ages: Ages, now_s: float, stamp_s: float | None) -> None:
    if stamp_s is not None:
        ages.at_s.append(now_s)
        ages.ages_ms.append(1000 * (now_s - stamp_s))


def _without_start(ages: Ages) -> Ages:
    """Leaves out what came while the camera was being opened."""
    begun_s = ages.at_s[0] + _WARM_UP_S
    pairs = zip(ages.at_s, ages.ages_ms, strict=True)
    kept = [(at_s - begun_s, age_ms) for at_s, age_ms in pairs if at_s > begun_s]
    return Ages([at_s for at_s, _ in kept], [age_ms for _, age_ms in kept])
