"""Verdicts, runs and evidence for the tests of the reports room, as short as a test can read."""

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import Connection, Exchange, Journal, ReplyUse
from tgi_conformance.contracts.outcome import ExceptionLink, Frame, Outcome
from tgi_conformance.contracts.script import Script, overloaded
from tgi_conformance.contracts.verdict import Evidence, Ruling, Verdict
from tgi_conformance.reports.run import BackendInfo, Run, RunInfo

CANARY = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA2cD4f"


def verdict(
    name: str, ruling: Ruling = Ruling.PASSED, *, backend: str = "alpha", **fields: object
) -> Verdict:
    """A verdict on a case of the catalogue; level, area and results key are those of its clause."""
    clause = load_catalogue()[name.partition("/")[0]]
    given = {"level": clause.level.value, "area": clause.area, "results_key": clause.results_key, **fields}
    return Verdict(case=name, clause=clause.id, ruling=ruling, backend=backend, **given)  # type: ignore[arg-type]


def run_of(*verdicts: Verdict, **info: object) -> Run:
    """A run of those verdicts; its backends are those that the verdicts name."""
    names = dict.fromkeys(v.backend for v in verdicts) or {"alpha": None}
    backends = tuple(
        BackendInfo(name=name, version="1.2", spec=f"{name}.adapter:A", claimed=("core", "stream"))
        for name in names
    )
    given = {"started": "2026-01-02T03:04:05+00:00", "ended": "2026-01-02T03:04:09+00:00", "seed": 7, **info}
    return Run(RunInfo(**{"backends": backends, **given}), verdicts)  # type: ignore[arg-type]


def evidence(name: str, *, backend: str = "alpha", text: str = "", key: str = CANARY) -> Evidence:
    """Evidence with a key and ``text`` wherever the backend or the wire could put them."""
    body = f'{{"inputs": "{text}", "k": "{key}"}}'.encode("utf-8", "surrogatepass")
    exchange = Exchange(
        id=1,
        connection=1,
        method="POST",
        target="/generate",
        headers=(("authorization", f"Bearer {key}"),),
        head=f"POST /generate HTTP/1.1\r\nauthorization: Bearer {key}\r\n\r\n".encode(),
        body=body,
        key="A",
        reply="first",
        status=429,
        sent_bytes=61,
        ending="complete",
        first_byte_at=10.001,
        received_at=10.002,
        reply_at=10.022,
        replied_at=10.030,
    )
    journal = Journal(
        exchanges=(exchange,),
        connections=(Connection(id=1, opened_at=10.0, requests=1),),
        replies=(ReplyUse(reply="first", requests=1, at_least=2, at_most=2),),
        now=10.1,
    )
    outcome = Outcome(
        ending="error",
        exception=(
            ExceptionLink(
                type="ValueError",
                message=f"{text} {key}",
                repr=f"ValueError({key!r})",
                frames=(Frame(file="my_client/core.py", line=7, function="send", owner="backend"),),
            ),
        ),
        entered_at=9.99,
        ended_at=10.05,
    )
    return Evidence(
        case=name,
        backend=backend,
        spaces=({"script": to_json(Script(replies=(overloaded(),))), "journal": to_json(journal)},),
        calls=({"call": "generate('hi')", "outcome": to_json(outcome)},),
        longrepr=f"assert {text}",
        output=f"{text} {key}",
    )
