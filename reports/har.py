"""The evidence of a case as HAR 1.2, which the developer tools of browsers open. Pure.

http://www.softwareishard.com/blog/har-12-spec/ says what stands in it. The evidence has times of a monotonic
clock: the first request gets the date that is given, and the others their distance from it.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.contracts.journal import Exchange, Journal, KeptAnswer
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.verdict import Evidence, Verdict
from tgi_conformance.reports.markdown.plain_text import without_places
from tgi_conformance.reports.readable import visible

#: What became of an answer that did not end as it should, by how its plan ended.
_CUTS: Final = {
    "fin": "the server closed the connection before the answer was whole",
    "rst": "the server reset the connection",
    "stall": "the server said nothing more and left the connection open",
    "half-close": "the server shut its writing side and left the connection open",
    "endless": "the server sent without end",
    "reset-stream": "the server reset the stream",
}
_NO_ANSWER: Final = KeptAnswer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """By whom and when the evidence was made."""

    backend: str
    started: datetime
    kit: str = ""


def har_of(verdict: Verdict, evidence: Evidence, made: Made) -> JSON:
    """All exchanges of a case; a server of the case is a page."""
    servers = [*_servers(evidence)]
    journals = [journal for journal, _ in servers]
    clock = _Clock(made.started, journals)
    entries: list[JSON] = []
    pages: list[JSON] = []
    for number, (journal, tls) in enumerate(servers, 1):
        page: dict[str, JSON] = {
            "startedDateTime": clock.date(_first(journal)),
            "id": f"server_{number}",
            "title": f"{verdict.case}, server {number} of {len(servers)}",
            "pageTimings": {},
        }
        pages.append(page)
        entries += (_entry(exchange, clock, f"server_{number}", tls) for exchange in journal)
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "tgi-conformance", "version": made.kit},
            "pages": pages,
            "entries": entries,
            "comment": without_places(visible(f"{made.backend}: {verdict.ruling}: {verdict.reason}")),
        }
    }


def _servers(evidence: Evidence) -> Iterator[tuple[Journal, tuple[str, ...]]]:
    """The journal of each server, and the names of its addresses that speak TLS."""
    for space in evidence.spaces:
        given = space if isinstance(space, dict) else {}
        try:
            journal = from_json(Journal, given.get("journal"))
            yield journal, from_json(Script, given.get("script", {})).tls
        except DecodeError:  # of another version of the kit: the others can still be shown
            continue


def _first(journal: Journal) -> float | None:
    return min((exchange.first_byte_at for exchange in journal), default=None)


class _Clock:
    """Dates for times of a monotonic clock."""

    def __init__(self, started: datetime, journals: Sequence[Journal]) -> None:
        self._started = started
        self._zero = min((at for journal in journals if (at := _first(journal)) is not None), default=0.0)

    def date(self, at: float | None) -> str:
        after = 0.0 if at is None else at - self._zero
        return (self._started + timedelta(seconds=after)).isoformat(timespec="milliseconds")


def _entry(exchange: Exchange, clock: _Clock, page: str, tls: tuple[str, ...]) -> JSON:
    reply_at = exchange.reply_at or exchange.over_at or exchange.received_at
    over_at = max(exchange.over_at or reply_at, reply_at)
    timings = {
        "send": _ms(exchange.received_at - exchange.first_byte_at),
        "wait": _ms(reply_at - exchange.received_at),
        "receive": _ms(over_at - reply_at),
    }
    return {
        "pageref": page,
        "startedDateTime": clock.date(exchange.first_byte_at),
        "time": round(sum(timings.values()), 3),
        "request": _request(exchange, "https" if exchange.origin in tls else "http"),
        "response": _response(exchange),
        "cache": {},
        "timings": dict(timings),
        "serverIPAddress": "127.0.0.1",
        # Each server counts its own.
        "connection": f"{page}_{exchange.connection}",
        "comment": _comment(exchange),
    }


def _ms(seconds: float) -> float:
    return round(max(seconds, 0.0) * 1000, 3)


def _request(exchange: Exchange, scheme: str) -> JSON:
    host = exchange.header("host") or "127.0.0.1"
    url = exchange.target if "://" in exchange.target else f"{scheme}://{host}{exchange.target}"
    request: dict[str, JSON] = {
        "method": exchange.method,
        "url": visible(url),
        "httpVersion": _http(exchange),
        "cookies": _cookies(exchange.header_values("cookie"), ";"),
        "headers": _pairs(exchange.headers),
        "queryString": _pairs(parse_qsl(urlsplit(exchange.target).query, keep_blank_values=True)),
        "headersSize": len(exchange.head),
        "bodySize": len(exchange.body),
    }
    if exchange.body:
        text, encoding = _text(exchange.body)
        data: dict[str, JSON] = {
            "mimeType": exchange.header("content-type") or "",
            "params": [],
            "text": text,
        }
        # HAR 1.2 has a word for that in answers only.
        request["postData"] = data | ({"comment": "the text is base64"} if encoding else {})
    return request


def _response(exchange: Exchange) -> JSON:
    answer = exchange.answer or _NO_ANSWER
    values = {name.lower(): value for name, value in answer.headers}
    text, encoding = _text(answer.body)
    content: dict[str, JSON] = {
        "size": len(answer.body),
        "mimeType": values.get("content-type", "x-unknown"),
        "text": text,
    }
    return {
        # 0: as browsers have it for an answer that did not come.
        "status": exchange.status or answer.status or 0,
        "statusText": visible(answer.reason),
        "httpVersion": _http(exchange),
        "cookies": _cookies([value for name, value in answer.headers if name.lower() == "set-cookie"], ""),
        "headers": _pairs(answer.headers),
        "content": content | ({"encoding": encoding} if encoding else {}),
        "redirectURL": visible(values.get("location", "")),
        "headersSize": -1,
        "bodySize": len(answer.body),
    }


def _http(exchange: Exchange) -> str:
    return f"HTTP/{exchange.http_version}"


def _pairs(pairs: Sequence[tuple[str, str]]) -> JSON:
    return [{"name": visible(name), "value": visible(value)} for name, value in pairs]


def _cookies(values: Sequence[str], between: str) -> JSON:
    """Names and values of cookies; what else a server says of one stands in its header."""
    single = [one for value in values for one in (value.split(between) if between else [value.split(";")[0]])]
    named = [one.strip().partition("=") for one in single if one.strip()]
    return _pairs([(name, value) for name, _, value in named])


def _text(content: bytes) -> tuple[str, str]:
    """A body as text, or as base64 with the word for it."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if content and (not text or visible(text) != text):
        return base64.b64encode(content).decode("ascii"), "base64"
    return text, ""


def _comment(exchange: Exchange) -> str:
    answer = exchange.answer
    said = []
    if exchange.ending == "client":
        said.append("the client left before the answer was over")
    elif answer is not None and answer.ended in _CUTS:
        said.append(_CUTS[answer.ended])
    elif exchange.ending == "open":
        said.append("the answer was still owed when the case ended")
    if answer is None:
        said.append("the answer was not kept")
    elif answer.dropped_bytes:
        said.append(f"{answer.dropped_bytes} bytes of the answer were not kept")
    if not exchange.body_complete:
        said.append("the request's body broke off")
    return "; ".join(said)
