"""Answers held to what TGI would have answered: status, headers, bodies, errors, generations. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from tgi_conformance.check.asked import Answered, Asked, Finding
from tgi_conformance.check.expecting import Empty, Expected, Generated, Page, Refused, Tokenized
from tgi_conformance.check.generation_rules import broken_rules
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.registry import problems

#: ``(rule, expected, observed)``
Broken = tuple[str, str, str]
_PAGE_SCHEMAS: Final = {"info": "tgi/info", "models": "tgi/models"}
#: Numbers in an error's text depend on the model and on the launcher's flags.
_NUMBER: Final = re.compile(r"\d+")


def judge(asked: Asked, expected: Expected | None, answered: Answered) -> Iterator[Finding]:
    """What is wrong with an answer."""
    if expected is None:
        return
    for rule, wanted, seen in _broken(expected, answered):
        yield Finding(
            route=f"{asked.method} {asked.path}", rule=rule, expected=wanted, observed=seen, asked=asked
        )


def _broken(expected: Expected, answered: Answered) -> Iterator[Broken]:
    if answered.problem:
        yield "answer", "a whole answer", answered.problem
    elif isinstance(expected, Empty):
        yield from _empty(expected, answered)
    elif isinstance(expected, Page):
        yield from _page(expected, answered)
    elif isinstance(expected, Refused):
        yield from _refused(expected, answered)
    elif isinstance(expected, Generated) and _talked_instead(expected, answered):
        return
    elif answered.status != 200:
        yield "status", "200", _told(answered)
    elif isinstance(expected, Tokenized):
        yield from _tokens(expected, answered)
    elif isinstance(expected, Generated):
        yield from broken_rules(expected.request, answered)


def _talked_instead(expected: Generated, answered: Answered) -> bool:
    """Whether the model wrote what TGI cannot read as a call, which is the model's affair."""
    value = answered.value
    told = value.get("error_type") if isinstance(value, dict) else None
    return expected.request.gives_tools and answered.status == 422 and told == "tool_error"


def _empty(expected: Empty, answered: Answered) -> Iterator[Broken]:
    if answered.status != expected.status:
        yield "status", str(expected.status), _told(answered)
        return
    if answered.body:
        yield "empty body", "no body", answered.text
    if expected.allow and _methods(answered.header("allow")) != _methods(expected.allow):
        yield "allow", expected.allow, str(answered.header("allow"))


def _methods(header: str | None) -> frozenset[str]:
    return frozenset(word.strip().upper() for word in (header or "").split(",") if word.strip())


def _page(expected: Page, answered: Answered) -> Iterator[Broken]:
    wanted = 303 if expected.kind == "docs" else 200
    if answered.status != wanted:
        yield "status", str(wanted), _told(answered)
        return
    if expected.head_only:
        if answered.body:
            yield "empty body", "no body to a HEAD", answered.text
        return
    if expected.kind == "health" and answered.body:
        yield "empty body", "no body", answered.text
    name = _PAGE_SCHEMAS.get(expected.kind)
    if name is not None:
        yield from _json(answered, name)
    if expected.kind == "metrics" and b"tgi_" not in answered.body:
        yield "metrics", "metrics whose names begin with tgi_", answered.text


def _refused(expected: Refused, answered: Answered) -> Iterator[Broken]:
    error = expected.error
    if expected.streamed:
        yield from _error_event(expected, answered)
        return
    if answered.status != error.status:
        yield "status", f"{error.status} ({error.message})", _told(answered)
        return
    if error.error_type is None:
        if answered.media_type != "text/plain":
            yield "content type", "text/plain", answered.media_type
        yield from _message(error.message, answered.body.decode(errors="replace"))
        return
    if answered.media_type != "application/json":
        yield "content type", "application/json", answered.media_type
    value = answered.value
    if not isinstance(value, dict):
        yield "error body", "a JSON object with error and error_type", answered.text
        return
    if value.get("error_type") != error.error_type:
        yield "error type", error.error_type, str(value.get("error_type"))
    yield from _message(error.message, str(value.get("error")))


def _error_event(expected: Refused, answered: Answered) -> Iterator[Broken]:
    error = expected.error
    if answered.status != 200 or not answered.streamed:
        yield "status", f"200 and an error event ({error.message})", _told(answered)
        return
    frame = answered.frames[0] if answered.frames else None
    if not isinstance(frame, dict) or "error" not in frame:
        yield "error event", f"an event with the error {error.message}", answered.text
        return
    told = frame["error"]
    if expected.openai:
        told = told.get("message") if isinstance(told, dict) else told
    elif frame.get("error_type") != error.error_type:
        yield "error type", str(error.error_type), str(frame.get("error_type"))
    yield from _message(error.message, str(told))


def _message(wanted: str, seen: str) -> Iterator[Broken]:
    if _NUMBER.sub("#", wanted) != _NUMBER.sub("#", seen):
        yield "error text", wanted, seen[:200]


def _tokens(expected: Tokenized, answered: Answered) -> Iterator[Broken]:
    yield from _json(answered, "tgi/tokenize-response")
    tokens = answered.value if isinstance(answered.value, list) else []
    for token in tokens:
        if isinstance(token, dict) and not _inside(token, expected.text):
            yield "token places", f"start and stop inside of {len(expected.text)} characters", str(token)
            return


def _inside(token: dict[str, JSON], text: str) -> bool:
    start, stop = token.get("start"), token.get("stop")
    return isinstance(start, int) and isinstance(stop, int) and 0 <= start <= stop <= len(text.encode())


def _json(answered: Answered, schema: str) -> Iterator[Broken]:
    if answered.media_type != "application/json":
        yield "content type", "application/json", answered.media_type
    if answered.value is None:
        yield "body", "JSON", answered.text
        return
    for problem in problems(schema, answered.value)[:1]:
        yield "schema", f"as the schema {schema} has it", problem


def _told(answered: Answered) -> str:
    return f"{answered.status}: {answered.text}" if answered.body else str(answered.status)
