"""A page in Chromium and what goes wrong in it; tests that import this are skipped without one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")

pytest.importorskip("aiohttp", reason="needs the web extra")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
if not CHROMIUM.exists():
    pytest.skip("there is no chromium here: make test-tools installs it", allow_module_level=True)

expect = playwright.expect


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
