"""Debian's Chromium under Playwright, for pages on disk; what it loads and what its console says is kept."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
#: One process that asks nobody for anything.
_SWITCHES: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, until the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_SWITCHES))
        yield browser
        browser.close()


@dataclass
class Seen:
    """A page that is open, and what a reader would not see of it."""

    page: Page
    loads: list[str] = field(default_factory=list)
    says: list[str] = field(default_factory=list)


def look(
    browser: Browser,
    file: Path,
    at: str = "",
    *,
    width: int = 1280,
    height: int = 900,
    dark: bool = False,
    ready: str = "html[data-ready]",
) -> Seen:
    """Open a page at a fragment, and wait for what tells that it is ready: that a report has unfolded."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    context.set_default_timeout(15_000)
    seen = Seen(context.new_page())
    seen.page.on("request", lambda request: seen.loads.append(request.url))
    seen.page.on("console", lambda message: seen.says.append(message.text))
    seen.page.on("pageerror", lambda error: seen.says.append(str(error)))
    seen.page.goto(f"{file.as_uri()}{at}")
    seen.page.wait_for_selector(ready)
    return seen
