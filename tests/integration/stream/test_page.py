"""The page in a real browser: what it shows, how it takes bad news, and that nothing is let in."""

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgescale.inference.classifier import Prediction
from edgescale.stream.web import WebSink
from tests.page_browser import Watching, expect
from tests.watched_run import WatchedRun, source_status

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOKEN = "a token of some length"
EVIL = "<img src=x onerror=alert(1)>"
CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text()


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


def test_a_run_that_is_not_there_yet_says_so(browser: "Browser", run: WatchedRun) -> None:
    run.change(sources=(), family="", variant="", variants=(), latency_ms=None, fps=None)
    with closing(WebSink("127.0.0.1:0", None, run)) as early:
        watching = Watching(browser, early.url)
        watching.says("#status", "Getting ready")
        watching.says("#veil", "The run is getting ready.")
        watching.says("#family", "edgescale")
        expect(watching.page).to_have_title("Getting ready · edgescale")
        watching.page.locator("#latency").hover()
        watching.says("#reading", "Now: nothing ran")
        assert watching.complaints == []
        watching.close()


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
