"""What the live benches share: models as a family, the Edge TPU's double, test videos, conditions.

Figures of two runs on a shared machine cannot be compared, so each bench takes its yardstick in
turns with what it measures, and the load of the machine is printed beside them.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from edgescale.device.probe import pressure, probe
from edgescale.family.manifest import VariantRecord
from edgescale.family.store import Family
from edgescale.inference.image_file import read_image
from edgescale.inference.import_models import ImportSettings, import_family
from edgescale.inference.preparation import Image
from edgescale.inference.runtime import choose_runtime
from edgescale.inference.worker import WorkerSettings
from edgescale.stream.frame import Frame
from tests.edgetpu_double import VARIABLE, behaviour, compile_double

DATA = Path(os.environ.get("EDGESCALE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
MODEL = "mobilenet_v2_1.0_224_quant"
SIZES = {"480p": (640, 480), "720p": (1280, 720)}
FPS = 30.0
OTHER_LOOPS = 2  # as other programs of a device that keep two cores busy
_TRIED = 30
_PHOTOS = ("cat_720p.jpg", "parrot.jpg", "owl.jpg", "hot_dog.jpg")
_NOISE = 10  # grey levels up and down, a webcam indoors; without it a codec has little to do


@dataclass(frozen=True)
class Scene:
    """MobileNet V2 at 224 pixels with its compiled twin, and what stands in for libedgetpu."""

    folder: Path
    family: Family
    library: Path

    @property
    def variant(self) -> VariantRecord:
        """Returns the one variant."""
        return self.family.manifest.variants[0]

    @property
    def double(self) -> WorkerSettings:
        """Returns how a worker is to run on the double."""
        return WorkerSettings(device="usb", edgetpu_library=str(self.library))

    def interpreter(self, device: str) -> Any:
        """Returns an interpreter of one thread in this process, ready to be invoked."""
        runtime, variant = choose_runtime(), self.variant
        given: dict[str, Any] = {"model_path": str(self.family.path(variant.model))}
        if device != "cpu":
            assert variant.compiled is not None
            given = {
                "model_path": str(self.family.path(variant.compiled)),
                "experimental_delegates": [runtime.load_delegate(str(self.library))],
            }
        interpreter = runtime.interpreter_class(num_threads=1, **given)
        interpreter.allocate_tensors()
        return interpreter

    def wait_ms(self, invoke_ms: float) -> float:
        """Returns how long the double has to wait for an invoke to take so long in all.

        Its answer is a sum over the input, which takes some tenths of a millisecond.
        """
        took_s = []
        with double_behaves(latency_ms=invoke_ms):  # waiting, the processor becomes slower
            interpreter = self.interpreter("usb")
            for _ in range(_TRIED):
                started_s = time.perf_counter()
                interpreter.invoke()
                took_s.append(time.perf_counter() - started_s)
        return 2 * invoke_ms - 1000 * statistics.median(took_s)


@contextmanager
def scene() -> Iterator[Scene]:
    """Makes a scene in a temporary folder, where the double's locks are too."""
    import cv2

    cv2.setNumThreads(1)  # as every source sets it; the loops to compare with gain by it too
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="bench-live-") as name:
        folder, models = Path(name), DATA / "coral"
        files = (
            models / f"models/{MODEL}.tflite",
            models / f"models_alt/{MODEL}_edgetpu.tflite",
        )
        settings = ImportSettings(crop_fraction=1.0)
        family = import_family(
            files, models / "imagenet_labels.txt", folder / "family", settings=settings
        )
        library = folder / "libedgetpu-double.so"
        compile_double(library)
        tempfile.tempdir = name
        try:
            yield Scene(folder, family, library)
        finally:
            tempfile.tempdir = before


@contextmanager
def double_behaves(**settings: object) -> Iterator[None]:
    """Tells the double how to behave in processes started meanwhile, and in this one."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = behaviour(**settings)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


@contextmanager
def other_work() -> Iterator[None]:
    """Keeps other processes busy for as long as it lasts."""
    endless = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(endless) for _ in range(OTHER_LOOPS)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def camera_frames(size: tuple[int, int], frames: int) -> Iterator[Image]:
    """Yields frames as of a camera that moves over photos: uint8 (height, width, 3) BGR."""
    import cv2

    width, height = size
    random = np.random.default_rng(7)
    noise = random.integers(0, 2 * _NOISE, (height + 64, width + 64, 3), np.uint8)
    large = (int(width * 1.3), int(height * 1.3))
    photos = [
        cv2.resize(read_image(DATA / "coral/images" / name, bgr=True), large) for name in _PHOTOS
    ]
    for index in range(frames):
        photo = photos[index * len(photos) // frames]
        x, y = (index * 2) % (large[0] - width), index % (large[1] - height)
        left, top = random.integers(0, 64, 2)
        grain = noise[top : top + height, left : left + width]
        yield cv2.subtract(cv2.add(photo[y : y + height, x : x + width], grain), _NOISE)


def make_video(path: Path, size: tuple[int, int], frames: int) -> Path:
    """Writes frames as motion JPEG."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, size)
    for image in camera_frames(size, frames):
        writer.write(image)
    writer.release()
    return path


class InMemory:
    """A file that never ends, of frames that need no decoding."""

    name = "memory"
    live = False
    fps: float | None = FPS
    dropped = 0

    def __init__(self, images: list[Image]) -> None:
        self._images = images

    def __iter__(self) -> Iterator[Frame]:
        """Yields the images again and again."""
        for index in count():
            yield Frame(index, self._images[index % len(self._images)], time.monotonic())

    def states(self) -> tuple[Any, ...]:
        """Returns nothing: there is no real source."""
        return ()

    def close(self) -> None:
        """Does nothing."""


def conditions() -> str:
    """Returns the machine and how busy it is, in one line."""
    machine, load = probe(), " ".join(f"{one:.2f}" for one in os.getloadavg())
    return (
        f"{machine.cpu_model}, {machine.usable_cores} cores; load {load};"
        f" CPU pressure {pressure().avg10_percent} % (10 s)"
    )


def middle(values: list[float]) -> str:
    """Returns the median with the extremes."""
    return f"{statistics.median(values):.3f} [{min(values):.3f}-{max(values):.3f}]"
