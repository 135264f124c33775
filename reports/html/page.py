"""The report page: one file that loads nothing.

Its first screen and the lines of all cases can be read without scripts; what is behind a line is packed, and
unfolded by the page's own script.
"""

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from tgi_conformance.contracts.journal import reply_label
from tgi_conformance.contracts.verdict import Evidence, Verdict
from tgi_conformance.reports.gate import Gate
from tgi_conformance.reports.html.cases import ClauseView
from tgi_conformance.reports.html.evidence import evidence_view
from tgi_conformance.reports.html.inline_markdown import inline_markdown, link
from tgi_conformance.reports.html.inside import Inside, examples, inside, pack
from tgi_conformance.reports.html.templating import digest_of, page_environment, page_file
from tgi_conformance.reports.html.texts import texts
from tgi_conformance.reports.html.view import Page, group_of, page
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.readable import pretty_json
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.verdict_lines import VerdictLinesError, read_verdicts


def render_html(run: Run, maps: Sequence[ResultsMap], gate: Gate, layout: Layout) -> str:
    """The page of a run; its evidence, and the verdicts of the run before, are read from ``layout``."""
    shown = page(run, maps, gate, _last_verdicts(layout))
    environment = page_environment(_read)
    environment.globals |= {
        "anchor_of": shown.anchors.case,
        "anchor_in": shown.anchors.of,
        "group_of": group_of,
        "link": link,
    }
    environment.filters |= {
        "inline_markdown": inline_markdown,
        "pretty_json": pretty_json,
        "reply_label": reply_label,
        "wrap_words": lambda name: Markup("_<wbr>").join(name.split("_")),
    }
    parts = environment.get_template("parts.html").module

    def evidence(verdict: Verdict, found: Evidence) -> str:
        view = evidence_view(found, verdict.expected)
        return str(parts.evidence_part(view, verdict.evidence))  # type: ignore[attr-defined]

    causes = [backend.causes for backend in shown.backends]
    within = inside(causes, run.verdicts, layout.base, evidence, shown.anchors)
    style, script = _read("report.css"), _read("report.js")
    return environment.get_template("report.html").render(
        page=shown,
        packs=(pack(_behind(shown, within, parts)), *within.packs),
        texts=pack(texts(run, shown, layout)),
        pictures=_pictures(shown, within),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        style_digest=digest_of(style),
        script_digest=digest_of(script),
    )


def _last_verdicts(layout: Layout) -> tuple[Verdict, ...] | None:
    """None: there was no run before, or what it left cannot be read: that must not cost this run its page."""
    try:
        return read_verdicts(layout.previous_verdicts).verdicts
    except (OSError, VerdictLinesError):
        return None


def _behind(shown: Page, within: Inside, parts: object) -> Mapping[str, str]:
    """What opens behind a clause's and a case's line, by the id of the element."""
    ids = within.ids
    fragments: dict[str, str] = {}
    for clause in _clauses(shown):
        fragments[clause.anchor] = str(parts.clause_about(clause.clause))  # type: ignore[attr-defined]
        for case in clause.cases:
            if case.told:
                note = within.notes.get(case.anchor, "")
                body = parts.case_body(case, case.anchor in ids, note)  # type: ignore[attr-defined]
                fragments[case.anchor] = str(body)
    return fragments


def _pictures(shown: Page, within: Inside) -> Mapping[str, str]:
    """Element of a cause to the first of its cases whose evidence is inside, where there is one."""
    ids = within.ids
    found: dict[str, str] = {}
    for backend in shown.backends:
        for cause in backend.causes:
            anchors = (shown.anchors.case(verdict) for verdict in examples(cause))
            if anchor := next((anchor for anchor in anchors if anchor in ids), ""):
                found[shown.anchors.cause(backend.info.name, cause.id)] = anchor
    return found


def _clauses(shown: Page) -> Iterator[ClauseView]:
    for backend in shown.backends:
        for area in backend.areas:
            yield from area.clauses


def _read(name: str) -> str:
    return page_file("tgi_conformance.reports.html", name)
