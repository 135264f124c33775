"""Mistakes in what is made of answers (RESP)."""
# ruff: noqa: ARG001, ARG002 - the parts exchanged take more than each mistake needs

import json
from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange, with_text

from tgi_conformance.backends.reference import engine, json_values, responses, transport
from tgi_conformance.backends.reference.errors import ProtocolError, TransportError

_WORDS = frozenset({"stop", "length", "eos_token", "stop_sequence", "tool_calls"})


def _reading(check: Any) -> Any:
    """Make a reader of answers that looks at the decoded body before the right one does."""

    def make(right: Any) -> Any:
        def parse(kind: Any, body: bytes, headers: Any, request_id: str) -> Any:
            try:
                value = json.loads(body)
            except ValueError:
                value = ...
            found = check(kind, value, request_id)
            return right(kind, body, headers, request_id) if found is None else found

        return parse

    return make


class _Reads(Broken):
    """A mistake in the reading of whole answers."""

    def damage(self) -> None:
        exchange(engine, "parse_answer", _reading(self.look))

    def look(self, kind: str, value: Any, request_id: str) -> Any:
        """Look at a decoded body (Ellipsis: no JSON); None: read on rightly."""


class KnowsNoList(_Reads):
    """Calls ``/``, and reads the object of ``/generate`` only."""

    breaks = "RESP-01"
    key = "post_request"

    def create_endpoint(self, **given: Any) -> str:
        return super().create_endpoint(**given, native_route="/")

    def look(self, kind: str, value: Any, request_id: str) -> Any:
        if kind == "generate" and isinstance(value, list):
            raise ProtocolError("an object was expected")


class StripsText(BrokenCalls):
    """Trims the answer and does not say so."""

    breaks = "RESP-02"
    key = "post_request"

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        return with_text(answer, str.strip)


class CutsPromptAnywhere(BrokenCalls):
    """Takes the prompt out of the answer wherever it stands."""

    breaks = "RESP-03"
    key = "post_request"

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        return (
            with_text(answer, lambda text: text.replace(subject, "")) if isinstance(subject, str) else answer
        )


class NeedsContent(_Reads):
    """Reads ``message["content"]`` of every chat answer."""

    breaks = "RESP-04"
    key = "chat_method"

    def look(self, kind: str, value: Any, request_id: str) -> Any:
        if kind == "chat" and isinstance(value, dict):
            for choice in value.get("choices") or ():
                if isinstance(choice.get("message"), dict):
                    choice["message"]["content"]


class BelievesObject(_Reads):
    """Insists on the word in ``object``."""

    breaks = "RESP-05"
    key = "chat_method"

    def look(self, kind: str, value: Any, request_id: str) -> Any:
        if (
            kind == "chat"
            and isinstance(value, dict)
            and value.get("object") not in (None, "chat.completion")
        ):
            raise ProtocolError(f"no chat completion: {value['object']}")


class ClosedFinishReasons(_Reads):
    """Keeps finish reasons in an enum of those it knows."""

    breaks = "RESP-06"
    key = "chat_method"

    def look(self, kind: str, value: Any, request_id: str) -> Any:
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            for choice in value["choices"]:
                if choice.get("finish_reason") not in _WORDS:
                    raise ValueError(f"{choice.get('finish_reason')!r} is not a valid FinishReason")


class AlwaysStop(BrokenCalls):
    """Says ``stop`` whatever ended the answer."""

    breaks = "RESP-07"
    key = "chat_method"

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        return replace(answer, finish_reason="stop", incomplete=False)


class EmptyForGarbage(_Reads):
    """Gives an empty text where the body holds none."""

    breaks = "RESP-08"
    key = "post_request"

    def look(self, kind: str, value: Any, request_id: str) -> Any:
        if value == [] or (
            isinstance(value, dict) and "error" not in value and not value.get("choices", True)
        ):
            return responses.Answer(text="", texts=("",), request_id=request_id)
        return None


class ErrorAsText(_Reads):
    """Hands the error of a 200 out as the text."""

    breaks = "RESP-09"
    key = "error_handling_400"

    def look(self, kind: str, value: Any, request_id: str) -> Any:
        if isinstance(value, dict) and value.get("error"):
            text = str(value["error"])
            return responses.Answer(text=text, texts=(text,), request_id=request_id)
        return None


class TakesTornBodies(Broken):
    """Takes whatever came before the connection broke for the body."""

    breaks = "RESP-10"
    key = "post_request"

    def damage(self) -> None:
        async def read(reply: Any, limit: int = 0) -> bytes:
            body = b""
            try:
                async for chunk in reply.chunks():
                    body += chunk
            except TransportError:
                pass
            return body

        exchange(transport.Reply, "read", lambda _: read)


class BelievesCharset(Broken):
    """Decodes JSON by the charset that the header names."""

    breaks = "RESP-11"
    key = "post_request"

    def damage(self) -> None:
        def believing(right: Any) -> Any:
            def parse(kind: Any, body: bytes, headers: Any, request_id: str) -> Any:
                label = headers.get("content-type", "").partition("charset=")[2]
                if label == "latin-1":
                    body = body.decode("latin-1").encode()
                return right(kind, body, headers, request_id)

            return parse

        exchange(engine, "parse_answer", believing)


class ByPosition(Broken):
    """Matches the answers of a batch by their position."""

    breaks = "RESP-12"
    key = "post_request"

    def damage(self) -> None:
        def as_listed(value: Any) -> Any:
            return json_values.as_list(json_values.as_object(value).get("choices"))

        exchange(responses, "_by_index", lambda _: as_listed)


class KnowsJsonInLowerCase(Broken):
    """Compares the media type of an answer letter by letter."""

    breaks = "RESP-14"
    key = "post_request"

    def damage(self) -> None:
        def strict(right: Any) -> Any:
            def parse(kind: Any, body: bytes, headers: Any, request_id: str) -> Any:
                label = headers.get("content-type", "")
                if label.lower().startswith("application/json") and not label.startswith("application/json"):
                    raise ProtocolError(f"an answer of type {label}", status=200)
                return right(kind, body, headers, request_id)

            return parse

        exchange(engine, "parse_answer", strict)


class KnowsEventStreamsInLowerCase(Broken):
    """Compares the media type of a stream letter by letter: any other is a whole answer."""

    breaks = "RESP-14"
    key = "post_request"

    def damage(self) -> None:
        strict = property(lambda reply: reply.headers.get("content-type", "").startswith("text/event-stream"))
        exchange(transport.Reply, "is_event_stream", lambda _: strict)
