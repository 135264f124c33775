"""What a real server said: the texts in forwarded answers, read by the decoder that the recordings judge.

A case that is forwarded expects these in the place of the text that its script has.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.sse import SSEDecoder

_DONE: Final = "[DONE]"
#: The journals of the case at work, where a real server answers it.
_JOURNALS: ContextVar[Callable[[], Sequence[Journal]] | None] = ContextVar("journals", default=None)


@contextmanager
def told_by(journals: Callable[[], Sequence[Journal]] | None) -> Iterator[None]:
    """Let expected texts be those of these journals' forwarded answers; ``None``: those of the script."""
    token = _JOURNALS.set(journals)
    try:
        yield
    finally:
        _JOURNALS.reset(token)


def texts_said() -> tuple[str, ...]:
    """The text of each forwarded answer of the case at work; none where nothing is forwarded."""
    journals = _JOURNALS.get()
    if journals is None:
        return ()
    return tuple(
        text
        for journal in journals()
        for exchange in journal
        if exchange.answer is not None and (text := text_of(exchange)) is not None
    )


def text_of(exchange: Exchange) -> str | None:
    """The text that an answer holds, as a right client gives it back; ``None``: it holds none."""
    answer = exchange.answer
    if answer is None or answer.status is None or answer.status // 100 != 2:
        return None
    streamed = any(
        n.lower() == "content-type" and v.startswith("text/event-stream") for n, v in answer.headers
    )
    try:
        return _of_stream(answer.body) if streamed else _of_plain(json.loads(answer.body))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _of_plain(value: Any) -> str | None:
    body = value[0] if isinstance(value, list) else value
    if "generated_text" in body:
        return str(body["generated_text"])
    choice = body["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return None if text is None else str(text)


def _of_stream(body: bytes) -> str:
    decoder = SSEDecoder()
    events = [*decoder.feed(body), *decoder.close()]
    values = [json.loads(event.data) for event in events if event.data and event.data != _DONE]
    return "".join(piece for value in values for piece in _pieces(value))


def _pieces(value: Any) -> Iterator[str]:
    """The text of one event; special tokens and the closing statistics have none."""
    if "token" in value:
        if not value["token"].get("special"):
            yield str(value["token"]["text"])
        return
    for choice in value.get("choices", ()):
        text = choice["delta"].get("content") if "delta" in choice else choice.get("text")
        if choice.get("index", 0) == 0 and text:
            yield str(text)
