"""The page in a real browser: what it shows, how it takes bad news, and that nothing is let in."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgescale.inference.classifier import Prediction
from edgescale.stream.web import WebSink
from tests.watched_run import WatchedRun, source_status

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "a token of some length"
EVIL = "<img src=x onerror=alert(1)>"
CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text()

pytest.importorskip("aiohttp", reason="needs the web extra")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
if not CHROMIUM.exists():
    pytest.skip("there is no chromium here: make test-tools installs it", allow_module_level=True)

expect = playwright.expect


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def run() -> WatchedRun:
    made = WatchedRun()
    made.show("door", np.full((72, 128, 3), 120, np.uint8))
    return made


@pytest.fixture
def sink(run: WatchedRun) -> Iterator[WebSink]:
    opened = WebSink("127.0.0.1:0", None, run)
    opened.tick()
    yield opened
    opened.close()


class Watching:
    """A page and what went wrong in it."""

    def __init__(self, browser: "Browser", url: str, **context: Any) -> None:
        self.complaints: list[str] = []
        self.page: Page = browser.new_context(**context).new_page()
        self.page.on("console", lambda said: self._note(said.type, said.text))
        self.page.on("pageerror", lambda problem: self.complaints.append(str(problem)))
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error(e.violatedDirective))"
        )
        self.page.goto(url)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def says(self, selector: str, text: str) -> None:
        expect(self.page.locator(selector)).to_have_text(text, timeout=5000)

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture
def watching(browser: "Browser", sink: WebSink) -> Iterator[Watching]:
    opened = Watching(browser, sink.url)
    yield opened
    opened.close()


def test_it_shows_the_picture_the_answers_and_the_run(watching: Watching) -> None:
    page = watching.page
    watching.says("#status", "Live")
    watching.says("#best", "cat")
    watching.says("#bars li:first-child span:last-child", "82 %")
    watching.says("#variants .current", "pets-m")
    watching.says("#why", "the largest of 2 that fits 25 ms at p95")
    expect(page.locator("#picture")).to_have_js_property("naturalWidth", 128)
    expect(page.locator("#veil")).to_be_hidden()
    expect(page.locator("#latency .limit")).to_have_count(1)
    expect(page.get_by_role("img", name="median 14.1, p95 18.9, budget 25")).to_have_count(1)
    expect(page.get_by_role("img", name="Newest picture of door")).to_be_visible()
    expect(page).to_have_title("Live · pets")
    assert watching.complaints == []


def test_a_foreign_label_is_text(watching: Watching, run: WatchedRun, sink: WebSink) -> None:
    expect(watching.page.locator("#picture")).to_be_visible()
    answer = (Prediction(0, EVIL, 0.9),)
    door = source_status(EVIL, predictions=answer, present=(EVIL,), state="lost", reason=EVIL)
    run.change(family=EVIL, variant=EVIL, variants=(EVIL,), why=EVIL, sources=(door, door))
    run.happened("switched", EVIL)
    sink.tick()
    for place in ("#best", "#family", "#why", "#events li span", "#variants .current"):
        watching.says(place, EVIL)
    assert watching.page.locator("img").count() == 2  # the picture and the sign of the page
    assert watching.complaints == []


def test_answers_come_between_the_snapshots(
    watching: Watching, run: WatchedRun, sink: WebSink
) -> None:
    watching.says("#best", "cat")
    run.answer = (Prediction(2, "bird", 0.7),)
    for _ in range(20):  # a page that connects anew begins with the snapshot, which says "cat"
        sink.result(run.show("door"))
        watching.page.wait_for_timeout(250)
        if watching.page.locator("#best").text_content() == "bird":
            break
    watching.says("#best", "bird")
    run.answer = ()
    run.change(sources=(source_status("door", predictions=()),))
    sink.tick()
    watching.says("#best", "Not sure")


def test_it_says_when_the_source_is_lost_and_back(
    watching: Watching, run: WatchedRun, sink: WebSink
) -> None:
    watching.says("#status", "Live")
    lost = source_status("door", state="lost", reason="no frame for 5 s", outages=1, outage_s=6.0)
    run.change(sources=(lost,))
    run.happened("source-lost", "door gave no frame for 5 s", "door")
    sink.tick()
    watching.says("#status", "Source lost, retrying")
    watching.says("#veil", "door is lost: no frame for 5 s. Trying to reach it again.")
    watching.says("#now-title", "Last answer")
    expect(watching.page.locator("#lane .mark.bad")).to_have_count(1)
    expect(watching.page.locator("#status")).to_have_attribute("aria-live", "polite")
    run.change(sources=(source_status("door", outages=1, outage_s=6.0),))
    sink.tick()
    watching.says("#status", "Live")
    watching.says("#now-title", "Now")
    assert watching.complaints == []


def test_it_shows_a_switch_of_variants(watching: Watching, run: WatchedRun, sink: WebSink) -> None:
    watching.says("#variants .current", "pets-m")
    run.change(variant="pets-s", why="p95 was 31 ms of at most 25 ms", uptime_s=321.0)
    run.happened("switched", "changed from pets-m to pets-s")
    sink.tick()
    watching.says("#variants .current", "pets-s")
    watching.says("#events li span", "changed from pets-m to pets-s")
    watching.says("#why", "p95 was 31 ms of at most 25 ms")
    expect(watching.page.locator("#lane .band")).to_have_count(2)
    assert watching.complaints == []


def test_a_source_is_chosen_by_keyboard(watching: Watching, run: WatchedRun, sink: WebSink) -> None:
    run.show("yard")
    bird = (Prediction(2, "bird", 0.7),)
    run.change(sources=(source_status("door"), source_status("yard", predictions=bird)))
    sink.tick()
    page = watching.page
    expect(page.get_by_role("radio")).to_have_count(2)
    for stop in ("To the answers", "door"):
        page.keyboard.press("Tab")
        focused = "document.activeElement.labels?.[0].textContent ?? document.activeElement.text"
        assert page.evaluate(focused) == stop
    page.keyboard.press("ArrowRight")
    watching.says("#best", "bird")
    expect(page.locator("#picture")).to_have_attribute("src", re.compile("source=yard"))
    expect(page.get_by_role("img", name="Newest picture of yard")).to_be_visible()
    assert watching.complaints == []


def test_it_says_when_the_server_is_gone_and_follows_when_it_is_back(
    watching: Watching,
) -> None:
    watching.says("#status", "Live")
    watching.page.route("**/events", lambda route: route.abort())
    watching.page.reload()
    watching.says("#status", "Server gone, retrying")
    watching.page.unroute("**/events")
    watching.says("#status", "Live")


def test_an_ended_run_leaves_its_last_figures_and_the_next_one_is_followed(
    browser: "Browser", run: WatchedRun
) -> None:
    first = WebSink("127.0.0.1:0", None, run)
    watching = Watching(browser, first.url)
    watching.says("#status", "Live")
    first.close()
    watching.says("#status", "The run has ended")
    watching.says("#best", "cat")
    second = WebSink(first.address.text, None, run)
    watching.says("#status", "Live")
    watching.close()
    second.close()


def test_a_token_is_asked_for_and_stays_out_of_the_address(
    browser: "Browser", run: WatchedRun
) -> None:
    secured = WebSink("127.0.0.1:0", TOKEN, run)
    watching = Watching(browser, secured.url)
    page = watching.page
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    watching.says("[role=alert]", "That is not the token of this run.")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Show the run").click()
    watching.says("#status", "Live")
    assert page.url == secured.url
    assert page.evaluate("document.cookie") == ""  # HttpOnly
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    watching.close()
    secured.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_it_fits_and_can_be_read(
    browser: "Browser", sink: WebSink, run: WatchedRun, scheme: str, width: int
) -> None:
    lost = source_status("a-name-of-a-camera-without-any-blank", state="lost", reason="no route")
    run.change(sources=(source_status("door"), lost))
    run.happened("source-lost", "away", lost.name)
    sink.tick()
    size = {"width": width, "height": 800}
    watching = Watching(browser, sink.url, viewport=size, color_scheme=scheme)
    watching.says("#status", "1 of 2 sources lost")
    page = watching.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    seen = page.evaluate(CONTRASTS)
    assert len(seen) > 40
    assert [one for one in seen if one["contrast"] < 4.5] == []
    watching.close()
