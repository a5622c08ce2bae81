"""Pictures of the live page, for the README and for whoever changes it and has to look at it.

``edgescale classify --adapt --web`` runs on two drawn cameras; Chromium shows its page while all is
well, after real load on all cores made it change the variant, when it has changed back, and while a
camera is away. Each time it is pictured light and dark, wide and narrow.

    python tools/page_pictures.py FAMILY --out FOLDER [--seconds 60] [--latency-budget MS]
"""

import argparse
import io
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2  # noqa: TID253 - draws what the cameras see
import numpy as np

from edgescale.inference.preparation import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is in no wheel

from tests.mjpeg_server import MjpegServer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_SIZE, _FPS = (640, 360), 15.0
_WIDE, _NARROW = (1280, 800), (360, 780)
_WAIT_S = 120.0  # for the page, a switch or an outage; a profile is measured first
_SETTLE_S = 4.0  # what comes next belongs into the charts too
_SCHEMES: tuple[Literal["dark"], Literal["light"]] = ("dark", "light")


def main() -> None:
    """Starts the run, waits for what is to be seen and pictures it."""
    asked = _arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        crossing = stack.enter_context(_camera(_crossing))
        table = stack.enter_context(_camera(_table))
        sources = [f"crossing={crossing.url}", f"table={table.url}"]
        page = stack.enter_context(_browser(stack.enter_context(_run(asked, sources))))
        status, why = page.locator("#status"), page.locator("#why")
        _wait_for(status, "Getting ready")
        _picture_all(page, asked.out, "opening")
        _wait_for(status, "Live")
        time.sleep(asked.seconds)
        _picture_all(page, asked.out, "live")
        with _load(asked.burners):
            _wait_for(why, "late frames")
        time.sleep(_SETTLE_S)
        _picture_all(page, asked.out, "switched")
        _wait_for(why, "head-room")
        time.sleep(_SETTLE_S)
        _picture_reading(page, asked.out)
        crossing.stall()
        _wait_for(status, "1 of 2 sources lost")
        time.sleep(_SETTLE_S)
        _picture_all(page, asked.out, "outage")


@contextmanager
def _camera(draw: Callable[[int, int], Image]) -> Iterator[MjpegServer]:
    with MjpegServer(fps=_FPS, size=_SIZE) as server:
        server.draw = draw
        yield server


@contextmanager
def _run(asked: argparse.Namespace, sources: list[str]) -> Iterator[str]:
    """Runs ``edgescale classify`` and gives the address of its page; says what it complains of."""
    command = [
        sys.executable, "-m", "edgescale", "classify", str(asked.family), "--adapt", "--json",
        "--web", "127.0.0.1:0", "--device", "cpu", "--threads", "1", "--smooth", "1",
        "--latency-budget", f"{asked.latency_budget:g}", "--enter", "0.5", "--leave", "0.3",
        *(part for source in sources for part in ("--source", source)),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as profiles:
        command += ["--profiles", profiles]
        run = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        found: list[str] = []
        said = threading.Event()
        listener = threading.Thread(target=_listen, args=(run, found, said))
        listener.start()
        try:
            if not said.wait(_WAIT_S) or not found:
                sys.exit("classify told no address of a page: see what it says above")
            yield found[0]
        finally:
            run.terminate()
            run.wait(30)
            listener.join(30)


def _listen(run: "subprocess.Popen[str]", found: list[str], said: threading.Event) -> None:
    assert run.stderr is not None
    for line in run.stderr:
        print(line, end="", file=sys.stderr)
        if line.startswith("page: "):
            found.append(line.removeprefix("page: ").strip())
            said.set()
    said.set()


@contextmanager
def _browser(address: str) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        _resize(page, _WIDE)
        page.goto(address)
        yield page
        browser.close()


@contextmanager
def _load(burners: int) -> Iterator[None]:
    """Keeps the cores busy meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(burners)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def _wait_for(place: "Locator", text: str) -> None:
    from playwright.sync_api import expect

    expect(place).to_contain_text(text, timeout=1000 * _WAIT_S)


def _picture_all(page: "Page", folder: Path, scene: str) -> None:
    for width, size in (("narrow", _NARROW), ("wide", _WIDE)):
        _resize(page, size)
        for scheme in _SCHEMES:
            page.emulate_media(color_scheme=scheme)
            _save(page, folder / f"{scene}-{scheme}-{width}.png", full_page=True)


def _picture_reading(page: "Page", folder: Path) -> None:
    """Pictures the page down to the charts, at whose middle the mouse points."""
    for scheme in _SCHEMES:
        below = page.locator(".wide").bounding_box()
        assert below is not None
        _resize(page, (_WIDE[0], round(below["y"] + below["height"] + 12)))
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)
        page.locator("#latency").hover()
        _save(page, folder / f"reading-{scheme}-wide.png", full_page=False)
    page.mouse.move(0, 0)


def _resize(page: "Page", size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})


def _save(page: "Page", path: Path, *, full_page: bool) -> None:
    """Pictures the page in 255 colours, the rare ones of lines and marks among them."""
    from PIL import Image as Pillow

    page.wait_for_timeout(300)  # the charts follow a change of size
    with Pillow.open(io.BytesIO(page.screenshot(full_page=full_page))) as taken:
        few = taken.convert("RGB").quantize(255, method=Pillow.Quantize.MAXCOVERAGE, kmeans=3)
    few.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def _crossing(width: int, height: int) -> Image:
    """Returns a street with a traffic light that changes and cars that pass."""
    now_s = time.monotonic()
    image = _gradient(width, height, (168, 206, 236), (250, 228, 204))
    step = width // 5
    for left, top, shade in zip(
        range(0, width, step), (120, 70, 145, 95, 130), (150, 128, 160, 138, 152), strict=True
    ):
        cv2.rectangle(image, (left, top), (left + step - 8, 270), (shade, shade, shade + 14), -1)
        for y in range(top + 14, 250, 26):
            for x in range(left + 14, left + step - 30, 28):
                cv2.rectangle(image, (x, y), (x + 12, y + 12), (226, 226, 206), -1)
    cv2.rectangle(image, (0, 270), (width, height), (84, 88, 94), -1)
    for dash in range(-1, 8):
        left = dash * 100
        cv2.rectangle(image, (left, 318), (left + 50, 323), (232, 232, 226), -1)
    for speed, top, colour in ((90, 282, (196, 62, 54)), (-60, 326, (58, 104, 176))):
        _car(image, round(now_s * speed) % (width + 160) - 130, top, colour)
    _traffic_light(image, width // 2, 34, int(now_s / 3) % 3)
    return np.ascontiguousarray(image[:, :, ::-1])  # BGR, as JPEG is written


def _car(image: Image, left: int, top: int, colour: tuple[int, int, int]) -> None:
    cv2.rectangle(image, (left + 24, top - 16), (left + 84, top + 4), (206, 222, 230), -1)
    cv2.rectangle(image, (left + 24, top - 16), (left + 84, top - 10), colour, -1)
    cv2.rectangle(image, (left, top), (left + 120, top + 22), colour, -1)
    for wheel in (26, 94):
        cv2.circle(image, (left + wheel, top + 22), 11, (28, 28, 30), -1, cv2.LINE_AA)
        cv2.circle(image, (left + wheel, top + 22), 5, (150, 150, 152), -1, cv2.LINE_AA)


def _traffic_light(image: Image, middle: int, top: int, lit: int) -> None:
    cv2.rectangle(image, (middle - 7, top + 200), (middle + 7, 300), (58, 60, 62), -1)
    cv2.rectangle(image, (middle - 40, top), (middle + 40, top + 206), (24, 26, 26), -1)
    cv2.rectangle(image, (middle - 40, top), (middle + 40, top + 206), (70, 74, 74), 3)
    lamps = ((242, 52, 40), (250, 186, 40), (48, 214, 92))
    for place, colour in enumerate(lamps):
        centre = (middle, top + 38 + 65 * place)
        if place != lit:
            colour = (colour[0] // 5, colour[1] // 5, colour[2] // 5)
        cv2.circle(image, centre, 27, colour, -1, cv2.LINE_AA)


def _table(width: int, height: int) -> Image:
    """Returns an orange that rolls to and fro on a table."""
    image = _gradient(width, height, (214, 220, 224), (178, 186, 194))
    cv2.rectangle(image, (0, 230), (width, height), (150, 108, 72), -1)
    for line in range(240, height, 17):
        cv2.line(image, (0, line), (width, line), (138, 98, 64), 2)
    middle, radius = round(width * (0.5 + 0.12 * math.sin(time.monotonic()))), 95
    cv2.ellipse(image, (middle, 292), (100, 16), 0, 0, 360, (98, 66, 42), -1, cv2.LINE_AA)
    centre = (middle, 200)
    for step in range(radius, 0, -1):  # lighter towards the upper left
        share = 1 - step / radius
        colour = (205 + 50 * share, 96 + 74 * share, 8 + 54 * share)
        shift = round(0.35 * (radius - step))
        cv2.circle(image, (centre[0] - shift, centre[1] - shift), step, colour, -1, cv2.LINE_AA)
    cv2.circle(image, (middle - 6, 112), 6, (74, 92, 40), -1, cv2.LINE_AA)
    return np.ascontiguousarray(image[:, :, ::-1])  # BGR, as JPEG is written


def _gradient(
    width: int, height: int, top: tuple[int, int, int], bottom: tuple[int, int, int]
) -> Image:
    share = np.linspace(0, 1, height)[:, None, None]
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    return np.ascontiguousarray(np.broadcast_to(rows, (height, width, 3)).astype(np.uint8))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", type=Path, help="a family with at least two variants")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the run before the first")
    parser.add_argument("--latency-budget", type=float, default=40.0, help="ms")
    parser.add_argument("--burners", type=int, default=2 * len(os.sched_getaffinity(0)))
    return parser.parse_args()


if __name__ == "__main__":
    main()
