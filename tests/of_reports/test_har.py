"""HAR 1.2: what the specification asks for is there, and the evidence is what it says."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from verdict_builder import CANARY, evidence, verdict

from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import AnswerPart, Exchange, Journal, KeptAnswer
from tgi_conformance.contracts.redaction import redact_verdict
from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.verdict import Evidence, Ruling
from tgi_conformance.reports.atomic import json_text
from tgi_conformance.reports.evidence_files import read_evidence, write_evidence
from tgi_conformance.reports.har import Made, har_of
from tgi_conformance.reports.layout import Layout

MADE = Made(backend="alpha 1.2", started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), kit="0.1.0")
TEXT, WHOLE, MS = {"type": "string"}, {"type": "integer", "minimum": -1}, {"type": "number", "minimum": 0}
#: Dates with a time zone, as ISO 8601 has them.
DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d$"}


def record(optional: Mapping[str, object] = {}, **required: object) -> dict[str, object]:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


def rows(item: object) -> dict[str, object]:
    return {"type": "array", "items": item}


PAIR = record(name=TEXT, value=TEXT)
#: The objects of the specification, with what each must have.
HAR = record(
    log=record(
        {"comment": TEXT},
        version={"const": "1.2"},
        creator=record(name=TEXT, version=TEXT),
        pages=rows(record(startedDateTime=DATE, id=TEXT, title=TEXT, pageTimings=record())),
        entries=rows(
            record(
                {"comment": TEXT},
                pageref=TEXT,
                startedDateTime=DATE,
                time=MS,
                request=record(
                    {"postData": record({"comment": TEXT}, mimeType=TEXT, params=rows(PAIR), text=TEXT)},
                    method=TEXT,
                    url={"type": "string", "pattern": "^https?://"},
                    httpVersion=TEXT,
                    cookies=rows(PAIR),
                    headers=rows(PAIR),
                    queryString=rows(PAIR),
                    headersSize=WHOLE,
                    bodySize=WHOLE,
                ),
                response=record(
                    status={"type": "integer", "minimum": 0},
                    statusText=TEXT,
                    httpVersion=TEXT,
                    cookies=rows(PAIR),
                    headers=rows(PAIR),
                    content=record({"encoding": {"const": "base64"}}, size=WHOLE, mimeType=TEXT, text=TEXT),
                    redirectURL=TEXT,
                    headersSize=WHOLE,
                    bodySize=WHOLE,
                ),
                cache=record(),
                timings=record(send=MS, wait=MS, receive=MS),
                serverIPAddress=TEXT,
                connection=TEXT,
            )
        ),
    )
)


def har(*exchanges: Exchange) -> dict[str, Any]:
    space = {"journal": to_json(Journal(exchanges=exchanges))}
    ruled = verdict("STREAM-12/a", Ruling.FAILED, reason="no end\x1b")
    made = har_of(ruled, Evidence(case="STREAM-12/a", backend="alpha", spaces=(space,)), MADE)
    value: dict[str, Any] = json.loads(json_text(made))
    jsonschema.validate(value, HAR)
    return value


def entry(exchange: Exchange) -> dict[str, Any]:
    (only,) = har(exchange)["log"]["entries"]
    return dict(only)


def exchange(**fields: object) -> Exchange:
    given: dict[str, object] = {
        "headers": (("Host", "127.0.0.1:8080"), ("Cookie", "a=1; b=2"), ("content-type", "application/json")),
        "body": b'{"inputs":"hi"}',
        "status": 200,
        "first_byte_at": 10.0,
        "received_at": 10.001,
        "reply_at": 10.101,
        "replied_at": 10.351,
        "ending": "complete",
    }
    return Exchange(id=0, connection=3, method="POST", target="/generate?x=1&y=", **given | fields)  # type: ignore[arg-type]


def answer(*parts: bytes, **fields: object) -> KeptAnswer:
    kept = tuple(AnswerPart(content=part, at=10.1) for part in parts)
    headers = (("content-type", "text/plain"), ("set-cookie", "s=1; Path=/"), ("location", "/there"))
    return KeptAnswer(status=200, reason="OK", headers=headers, parts=kept, **fields)  # type: ignore[arg-type]


def test_an_exchange_is_an_entry_with_all_that_the_specification_asks_for() -> None:
    made = entry(exchange(answer=answer(b"he", b"llo")))
    assert made["startedDateTime"] == "2026-01-02T03:04:05.000+00:00"
    assert made["timings"] == {"send": 1.0, "wait": 100.0, "receive": 250.0}
    assert made["time"] == 351.0
    assert made["connection"] == "server_1_3"
    request, response = made["request"], made["response"]
    assert request["url"] == "http://127.0.0.1:8080/generate?x=1&y="
    assert request["queryString"] == [{"name": "x", "value": "1"}, {"name": "y", "value": ""}]
    assert request["cookies"] == [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    assert request["postData"]["text"] == '{"inputs":"hi"}'
    assert response["content"] == {"size": 5, "mimeType": "text/plain", "text": "hello"}
    assert response["cookies"] == [{"name": "s", "value": "1"}]
    assert response["redirectURL"] == "/there"


def test_bodies_that_are_no_text_are_base64() -> None:
    made = entry(exchange(body=b"\xff\x00", answer=answer(b"\x00bin")))
    content = made["response"]["content"]
    assert content["encoding"] == "base64"
    assert base64.b64decode(content["text"]) == b"\x00bin"
    assert base64.b64decode(made["request"]["postData"]["text"]) == b"\xff\x00"
    assert made["request"]["postData"]["comment"] == "the text is base64"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"answer": answer(ended="rst")}, "the server reset the connection"),
        ({"answer": answer(ended="stall"), "ending": "client"}, "the client left before the answer was over"),
        ({"answer": None}, "the answer was not kept"),
        ({"answer": answer(dropped_bytes=7)}, "7 bytes of the answer were not kept"),
        ({"answer": answer(), "body_complete": False}, "the request's body broke off"),
        ({"answer": answer(ended="keep")}, ""),
    ],
)
def test_a_comment_says_how_it_ended(fields: dict[str, object], said: str) -> None:
    assert entry(exchange(**fields))["comment"] == said


def test_an_exchange_without_an_answer_has_status_0_as_in_browsers() -> None:
    made = entry(exchange(status=None, reply_at=None, replied_at=None, gone_at=10.4))
    assert made["response"]["status"] == 0
    assert made["timings"] == {"send": 1.0, "wait": 399.0, "receive": 0.0}


def test_controls_in_names_and_values_are_visible() -> None:
    made = entry(exchange(headers=(("x\x1b", "\x00"),), answer=answer(b"ok")))
    assert made["request"]["headers"] == [{"name": "x\\x1b", "value": "\\x00"}]


def test_the_address_of_a_server_with_tls_is_https() -> None:
    journal = to_json(Journal(exchanges=(exchange(origin="b"),)))
    space = {"script": to_json(Script(origins=("a", "b"), tls=("b",))), "journal": journal}
    shown = Evidence(case="STREAM-12/a", backend="alpha", spaces=(space,))
    made: Any = har_of(verdict("STREAM-12/a", Ruling.FAILED), shown, MADE)
    assert made["log"]["entries"][0]["request"]["url"].startswith("https://127.0.0.1:8080/")


def test_a_case_without_requests_is_a_har_too() -> None:
    assert har()["log"]["entries"] == []


def test_no_form_of_a_key_is_in_it(tmp_path: Path) -> None:
    encoded = base64.b64encode(CANARY.encode()).decode()
    text = f"{CANARY} {quote(CANARY)} {encoded}"
    file = Layout(tmp_path, unfinished=True).base / write_evidence(
        tmp_path, evidence("STREAM-12/a", text=text), {"A": CANARY}
    )
    ruled = redact_verdict(verdict("STREAM-12/a", Ruling.FAILED, reason=text), {"A": CANARY})
    made = json_text(har_of(ruled, read_evidence(file), MADE))
    for form in (CANARY[3:], encoded[:40]):
        assert form not in made
