"""The board as a reader meets it, in Chromium: on screen, phone and paper, light and dark, by keyboard."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs Playwright (pip install playwright)")

from axe_playwright_python.sync_playwright import Axe
from board_runs import SUITE, inputs_to_look_at
from browser import CHROMIUM, Seen, chromium, look
from playwright.sync_api import Browser, Page

from tgi_conformance.reports.atomic import write_text
from tgi_conformance.reports.board.site import site_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")
#: Opens a page of the board.
Look = Callable[..., Seen]
CLIENT = "clients/alpha.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for name, text in site_of(inputs_to_look_at(), SUITE, "0.1.0").files.items():
        write_text(folder / name, text)
    return folder


@pytest.fixture
def open_page(browser: Browser, site: Path) -> Iterator[Look]:
    """Opens a page; at the end no file but pages of the board was loaded, and the console is silent."""
    opened: list[Seen] = []

    def opens(name: str, at: str = "", **how: object) -> Seen:
        opened.append(look(browser, site / name, at, ready="footer", **how))  # type: ignore[arg-type]
        return opened[-1]

    yield opens
    for seen in opened:
        seen.page.context.close()
        assert all(url.startswith(site.as_uri()) and ".html" in url for url in seen.loads)
        assert seen.says == []


def hostile_page(site: Path) -> str:
    (found,) = [path for path in (site / "clients").glob("*.html") if "failure" in path.name]
    return f"clients/{found.name}"


def tone(page: Page, selector: str) -> str:
    colour: str = page.locator(selector).first.evaluate("(one) => getComputedStyle(one).backgroundColor")
    return colour


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [
        ("index.html", 1280, False),
        ("index.html", 390, True),
        (CLIENT, 1280, True),
        (CLIENT, 390, False),
        ("hostile", 390, False),
    ],
)
def test_the_pages_are_accessible_and_nothing_is_cut(
    open_page: Look,
    site: Path,
    name: str,
    width: int,
    dark: bool,  # noqa: FBT001
) -> None:
    page = open_page(hostile_page(site) if name == "hostile" else name, width=width, dark=dark).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_only_what_passed_looks_green(open_page: Look) -> None:
    page = open_page("index.html").page
    green = tone(page, ".cell.passed a")
    for state in ("red", "untested", "advisory", "not-claimed"):
        assert page.locator(f".cell.{state}").count() > 0
        assert tone(page, f".cell.{state} a") != green
        assert page.locator(f".cell.{state} .word").first.inner_text() == state.replace("-", " ")
    assert page.locator(".cell.good:not(.passed)").count() == 0


def test_the_matrix_fits_a_screen_and_keeps_the_names_on_a_phone(open_page: Look) -> None:
    page = open_page("index.html").page
    wide = page.locator(".matrix").first
    assert wide.evaluate("(one) => one.scrollWidth - one.clientWidth") <= 90  # the column of other cases
    page = open_page("index.html", width=390, height=844).page
    narrow = page.locator(".matrix").first
    narrow.evaluate("(one) => { one.scrollLeft = one.scrollWidth }")
    name = page.locator(".matrix tbody th").first.bounding_box()
    last = page.locator(".matrix tbody tr").first.locator("td").last.bounding_box()
    assert name is not None
    assert last is not None
    assert 0 <= name["x"] < 40
    assert name["x"] + name["width"] <= last["x"] + 1, "the names cover no cell that is shown"


def test_the_keyboard_leads_from_a_cell_to_a_case(open_page: Look) -> None:
    page = open_page("index.html").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    cell = page.locator(".cell.red a").first
    cell.focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"clients/.+#area-"))
    area = page.evaluate("location.hash")
    assert page.locator(f"[id='{area[1:]}']").is_visible()
    page.locator(f".area-part:has([id='{area[1:]}']) .refs a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#cause-"))
    cause = page.locator(f"[id='{page.evaluate('location.hash')[1:]}']")
    box = cause.bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 850
    assert "Expected" in cause.inner_text()
    assert "tgi-conformance run" in cause.inner_text()


def test_the_trend_is_on_both_pages(open_page: Look) -> None:
    page = open_page("index.html").page
    assert page.get_by_text("since 2026-11-01: 1 broken, 1 fixed").is_visible()
    page = open_page(CLIENT, "#trend").page
    told = page.locator("section:has(> #trend)").inner_text()
    assert "GEN-01/a" in told
    assert "GEN-02/a" in told
    page.get_by_role("link", name="alpha 1.2").click()
    page.wait_for_url(re.compile(r"alpha\.1\.2\.2026-11-01\.html"))


def test_hostile_texts_never_run_and_stand_there_as_text(open_page: Look, site: Path) -> None:
    for name in ("index.html", hostile_page(site)):
        page = open_page(name).page
        assert page.locator("script, img, iframe, main style, form").count() == 0
        assert "<script>alert(1)</script>" in page.locator("body").inner_text()


def test_on_paper_the_matrix_is_whole(open_page: Look) -> None:
    page = open_page("index.html", width=1045, height=740).page
    page.emulate_media(media="print")
    assert page.locator(".matrix thead th").nth(1).is_visible()
    cells = page.locator(".matrix").first.locator("tbody td")
    assert cells.count() > 0
    right = cells.evaluate_all("(all) => Math.max(...all.map((one) => one.getBoundingClientRect().right))")
    assert right <= 1045
    paper = page.pdf(prefer_css_page_size=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", paper)) <= 4
