"""A verdict as Allure's labels, as data: for our own results, and for those of allure-pytest."""

from dataclasses import dataclass
from typing import Final, Literal

from tgi_conformance.contracts.catalogue.clauses import Clause, load_catalogue
from tgi_conformance.contracts.verdict import Verdict

Severity = Literal["blocker", "critical", "normal", "minor", "trivial"]

SEVERITIES: Final[dict[str, Severity]] = {"MUST": "critical", "SHOULD": "minor", "MAY": "trivial"}


@dataclass(frozen=True, slots=True)
class AllureLink:
    """A source of the clause."""

    url: str
    name: str
    #: Allure's kinds of links; a public issue or pull request is an issue.
    kind: Literal["link", "issue"] = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllureLabels:
    """What Allure shows of one case: epic > feature > story are its behaviours tree."""

    epic: str
    feature: str
    story: str
    severity: Severity
    title: str
    description: str
    tags: tuple[str, ...]
    #: Shown as parameters of the test.
    parameters: tuple[tuple[str, str], ...]
    links: tuple[AllureLink, ...]


def allure_labels(verdict: Verdict) -> AllureLabels:
    """Epic: backend. Feature: area. Story: clause. Severity by level; links to the clause's sources."""
    catalogue = load_catalogue()
    clause = next((known for known in catalogue if known.id == verdict.clause), None)
    titles = {area.name: area.title for area in catalogue.areas}
    area = verdict.area or (clause.area if clause else verdict.clause.partition("-")[0])
    seed = (("seed", str(verdict.seed)),) if verdict.seed is not None else ()
    return AllureLabels(
        epic=verdict.backend,
        feature=f"{area}: {titles[area]}" if area in titles else area,
        story=f"{verdict.clause}: {clause.statement}" if clause else verdict.clause,
        severity=SEVERITIES.get(verdict.level, "normal"),
        title=verdict.case,
        description="\n\n".join(_description(verdict, clause)),
        tags=tuple(tag for tag in (verdict.level, str(verdict.ruling), verdict.results_key) if tag),
        parameters=(("backend", verdict.backend), *seed),
        links=tuple(_links(clause)),
    )


def _description(verdict: Verdict, clause: Clause | None) -> list[str]:
    rows = [
        ("Stimulus", clause.stimulus if clause else ""),
        ("Decided by", clause.observable if clause else ""),
        ("Ruling", f"{verdict.ruling}: {verdict.reason}" if verdict.reason else str(verdict.ruling)),
        ("Expected", verdict.expected),
        ("Observed", verdict.observed),
    ]
    return [f"{name}: {text}" for name, text in rows if text]


def _links(clause: Clause | None) -> list[AllureLink]:
    sources = clause.sources if clause else ()
    return [
        AllureLink(source.url, source.text, "issue" if _is_issue(source.url) else "link")
        for source in sources
        if source.url
    ]


def _is_issue(url: str) -> bool:
    return "/issues/" in url or "/pull/" in url
