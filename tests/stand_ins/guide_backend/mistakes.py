"""The mistakes of the guide's backend in words of our own, each a part of the reference client exchanged.

``HF_TGI_MENDED`` names those that are mended: some, separated by commas, or ``all``; none by default.
"""

import functools
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from tgi_conformance.backends.reference import calls, endpoint, engine, transport
from tgi_conformance.backends.reference.admission import Admission
from tgi_conformance.backends.reference.answers import Answer, Piece
from tgi_conformance.backends.reference.errors import TGIError


def wrong(name: str) -> bool:
    """Whether this mistake is there."""
    mended = os.environ.get("HF_TGI_MENDED", "").split(",")
    return name not in mended and "all" not in mended


def make() -> None:
    """Exchange the parts of the mistakes that are there. Done once in a process, and never put back."""
    for name, exchange in _PARTS.items():
        if wrong(name):
            exchange()


def _key() -> None:
    """A literal stands where the key belongs."""
    right = transport._headers

    def headers(request: Any) -> dict[str, str]:
        made = right(request)
        return made | {"Authorization": "******"} if "Authorization" in made else made

    transport._headers = headers


def _retries() -> None:
    """Whatever went wrong is tried again, and nobody looks at Retry-After."""

    def wait(_error: TGIError, *, failures: int, settings: Any, **_more: Any) -> float | None:
        if failures > settings.max_retries:
            return None
        delay: float = settings.initial_retry_delay * settings.backoff_factor ** (failures - 1)
        return min(delay, settings.max_retry_delay)

    engine.wait_before_retry = wait


def _answers() -> None:
    """What has no text has an empty one, an error in a 200 too; what declares a charset is Latin-1."""
    right = engine.parse_answer

    def parse(kind: Any, body: bytes, headers: Any, request_id: str) -> Answer:
        if kind != "generate":
            return right(kind, body, headers, request_id)
        charset = "utf-8" if "charset" not in headers.get("content-type", "") else "latin-1"
        value = json.loads(body.decode(charset, "replace"))
        value = value[0] if isinstance(value, list) else value
        text = value.get("generated_text", "")
        return Answer(text=text, texts=(text,), request_id=request_id, raw=value)

    engine.parse_answer = parse


class _Lines:
    """A stream read as lines of Latin-1: what is no JSON is text, an error is nothing, and any end is one."""

    complete = False

    def __init__(self, _kind: Any, request_id: str, _choices: int = 1) -> None:
        self._request_id, self._rest = request_id, ""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The pieces that end in these bytes."""
        *lines, self._rest = (self._rest + data.decode("latin-1") + "|").splitlines() or [""]
        self._rest = self._rest.removesuffix("|")
        for line in filter(None, lines):
            yield self._piece(line.removeprefix("data:").strip())

    def end(self) -> Iterator[Piece]:
        """What is left."""
        if self._rest:
            yield self._piece(self._rest.removeprefix("data:").strip())

    def _piece(self, text: str) -> Piece:
        try:
            event = json.loads(text)
        except ValueError:
            return Piece(text=text, request_id=self._request_id)
        told = event.get("token", {}).get("text", "") if isinstance(event, dict) else text
        return Piece(text=told, request_id=self._request_id)


def _events() -> None:
    """Native streams are read as lines."""
    right = engine.StreamReader

    def reader(kind: Any, request_id: str, choices: int = 1) -> Any:
        return (_Lines if kind == "generate" else right)(kind, request_id, choices)

    engine.StreamReader = reader


def _slots() -> None:
    """A stream gives its slot back as soon as its head has come."""
    right = engine.Course.reply

    @asynccontextmanager
    async def reply(course: Any) -> AsyncIterator[Any]:
        admission, early = course.endpoint.admission, course.call.outgoing.stream
        async with right(course) as made:
            if early:
                admission._taken -= 1
                admission._call_next()
            try:
                yield made
            finally:
                admission._taken += early

    engine.Course.reply = reply


class _Unbounded(Admission):
    """Takes every call, however many wait."""

    def arrive(self) -> int:
        self._last_number += 1
        return self._last_number


def _bound() -> None:
    endpoint.Admission = _Unbounded


def _body() -> None:
    """Parameters go out as they were given, and the server is not asked for the completion alone."""

    def body(prompt: Any, *, parameters: Any, stream: bool, **_more: Any) -> dict[str, object]:
        made: dict[str, object] = {"inputs": prompt}
        made |= {"stream": True} if stream else {}
        return made | ({"parameters": dict(parameters)} if parameters else {})

    calls.native_body = body


_PARTS: dict[str, Callable[[], None]] = {
    "key": _key,
    "retries": _retries,
    "answers": _answers,
    "events": _events,
    "slots": _slots,
    "bound": _bound,
    "body": _body,
}
once = functools.cache(make)
