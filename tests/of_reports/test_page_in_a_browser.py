"""The page as a reader meets it, in Chromium: what it shows, finds, links to, prints, and never runs."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs Playwright (pip install playwright)")

from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, Seen, chromium, look
from playwright.sync_api import Browser, Page
from report_page import texts
from report_runs import HOSTILE, RED, write

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")
#: Opens the page of a kind of run.
Look = Callable[..., Seen]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The page of a kind of run, written once."""
    made: dict[str, Path] = {}

    def page(kind: str) -> Path:
        if kind not in made:
            made[kind] = write(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return page


@pytest.fixture
def open_page(browser: Browser, page_of: Callable[[str], Path]) -> Iterator[Look]:
    """Opens a page of a kind; at the end nothing was loaded but it, and its console is silent."""
    opened: list[tuple[Seen, Path]] = []

    def opens(kind: str, at: str = "", **how: object) -> Seen:
        seen = look(browser, page_of(kind), at, **how)  # type: ignore[arg-type]
        opened.append((seen, page_of(kind)))
        return seen

    yield opens
    for seen, file in opened:
        seen.page.context.close()
        assert {url.partition("#")[0] for url in seen.loads} == {file.as_uri()}
        assert seen.says == []


def shown(page: Page) -> list[str]:
    """Ids of the cases that are not hidden."""
    found: list[str] = page.evaluate("[...document.querySelectorAll('.case:not([hidden])')].map((e) => e.id)")
    return found


def below_the_bar(page: Page, selector: str) -> bool:
    """Whether an element begins in the window, and not under the bar."""
    box, bar = page.locator(selector).bounding_box(), page.locator("#filter").bounding_box()
    assert box is not None
    assert bar is not None
    return bar["y"] + bar["height"] <= box["y"] + 1 < page.evaluate("innerHeight") - 20


def test_the_first_screen_has_the_verdict_the_causes_and_the_keys(open_page: Look) -> None:
    page = open_page("red").page
    title = page.locator(".verdict .title")
    assert title.inner_text() == "Does not conform"
    for part in (title, page.locator(".worst li").nth(11), page.locator(".key").nth(21)):
        box = part.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900
    assert re.fullmatch(rf"\d+ causes explain {RED} failures", page.locator(".headline").inner_text())
    assert page.locator("nav[aria-label]").count() == 1


def test_a_red_run_begins_with_its_red_cases_and_the_filter_is_in_the_address(open_page: Look) -> None:
    page = open_page("red").page
    assert len(shown(page)) == RED
    page.get_by_role("button", name="Passed").click()
    assert len(shown(page)) == 1_500 - RED
    assert page.url.endswith("#q=is:passed")
    page.get_by_role("button", name="All").click()
    page.locator("#filter input").fill("EVENT-324 jsondecodeerror")
    (only,) = shown(page)
    assert page.evaluate("location.hash") == "#q=EVENT-324+jsondecodeerror"
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.wait_for_function("document.querySelectorAll('.case:not([hidden])').length === 1")
    assert shown(page) == [only]
    assert below_the_bar(page, f"[id='{only}']")
    page.locator("#filter input").fill("no such words")
    assert page.locator("#none").is_visible()
    page.locator("#none button").click()
    assert len(shown(page)) == 1_500


def test_text_behind_a_line_is_found_as_well(open_page: Look) -> None:
    page = open_page("red").page
    page.locator("#filter input").fill('"a normal end after the last" "the 324 events"')
    assert len(shown(page)) == 1


def test_a_key_leads_to_its_clauses_and_a_cause_to_its_cases(open_page: Look) -> None:
    page = open_page("red").page
    page.locator(".key a", has_text=re.compile("^streaming$")).click()
    # A link changes the address, and the page follows in its own time.
    page.wait_for_function(
        "[...new Set([...document.querySelectorAll('.clause:not([hidden])')].map((e) => e.dataset.k))].join()"
        " === 'streaming'"
    )
    page.locator(".worst a").first.click()
    assert below_the_bar(page, ".cause >> nth=0")
    cases = page.locator(".cause").first.locator("a[href^='#q=cause:']").first
    cases.click()
    count = int(cases.inner_text().split()[0])
    page.wait_for_function(f"document.querySelectorAll('.case:not([hidden])').length === {count}")
    assert (
        len(
            set(
                page.evaluate("[...document.querySelectorAll('.case:not([hidden])')].map((e) => e.dataset.c)")
            )
        )
        == 1
    )
    assert below_the_bar(page, ".case:not([hidden]) >> nth=0")


def test_a_deep_link_opens_its_case_below_the_bar_with_the_wire_on_top_of_its_evidence(
    open_page: Look,
) -> None:
    page = open_page("red").page
    link = page.locator(".cause .example a").first.get_attribute("href")
    assert link is not None
    page = open_page("red", link, width=390, height=844).page
    case = f"[id='{link[1:]}']"
    page.wait_for_selector(f"{case} svg.wire")
    assert below_the_bar(page, case)
    assert page.locator(f"{case} details[open] .side", has_text="Answer").count() >= 1
    assert page.locator(f"{case} a.perma").get_attribute("href") == link
    fields = page.locator(f"{case} .side").all_inner_texts()
    assert any("Expected" in text for text in fields)


def test_a_causes_text_is_copied_for_a_colleague_or_a_model(
    open_page: Look, page_of: Callable[[str], Path]
) -> None:
    page = open_page("red").page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cause = page.locator(".cause").nth(1)
    cause.get_by_role("button", name="Copy for a colleague or a model").click()
    cause.get_by_text("Copied").wait_for()
    known = texts(page_of("red").read_text(encoding="utf-8"))
    assert page.evaluate("navigator.clipboard.readText()") == known[cause.get_attribute("id") or ""]


def test_keys_walk_through_the_cases(open_page: Look) -> None:
    page = open_page("red").page
    first, second, *_ = shown(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator(".case.chosen").get_attribute("id") == second
    page.keyboard.press("k")
    assert page.locator(".case.chosen").get_attribute("id") == first
    page.keyboard.press("Enter")
    page.wait_for_selector(f"[id='{first}'] .said")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("dialog[open]").is_visible()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_is_accessible_and_nothing_is_cut(open_page: Look, width: int, dark: bool) -> None:  # noqa: FBT001
    page = open_page("few", width=width, dark=dark).page
    page.wait_for_selector(".cause svg.wire")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".case.chosen .said")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_texts_never_run_and_stand_there_as_text(open_page: Look) -> None:
    page = open_page("hostile", "#STREAM-12__wire", width=390).page
    page.wait_for_selector("[id='STREAM-12__wire'] svg.wire")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.wait_for_function("document.querySelectorAll('.case .said').length > 9")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script, main style, main iframe").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    text = page.locator("[id='STREAM-12__wire']").inner_text()
    assert "</script><script>window.hacked=1</script>" in text
    assert "\\x00\\x1b[31m" in text
    assert not set(text) & set("\x1b\u202e\u2066\u2028")
    assert HOSTILE[:20] in page.locator(".gate").inner_text()


@pytest.mark.parametrize("kind", ["all-red", "many"])
def test_the_filter_works_with_everything_red_and_with_10_000_cases(open_page: Look, kind: str) -> None:
    page = open_page(kind).page
    red = len(shown(page))
    assert red == (1_500 if kind == "all-red" else 1_000)
    page.locator("#filter input").fill("after-event")
    assert len(shown(page)) == red
    # Not every clause is unfolded where there are more hits than one reads: that is what takes time.
    assert page.locator(".clause[open]").count() < 10
    page.locator("#filter input").fill("after-event-1")
    assert 0 < len(shown(page)) < red


def test_on_paper_it_is_a_summary_with_every_red_case(open_page: Look) -> None:
    page = open_page("red").page
    paper = page.pdf(format="A4")
    sheets = len(re.findall(rb"/Type\s*/Page\b(?!s)", paper))
    assert 1 < sheets <= 20
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    printed = page.locator(".case.red").evaluate_all(
        "(all) => all.filter((one) => one.offsetHeight > 0).length"
    )
    assert printed == RED


@pytest.mark.parametrize(("kind", "most"), [("green", 0.5), ("red", 1.5), ("all-red", 2.0)])
def test_a_page_is_no_larger_than_can_be_mailed(
    page_of: Callable[[str], Path], kind: str, most: float
) -> None:
    assert page_of(kind).stat().st_size <= most * 1_000_000
