"""Mistakes in what is sent (REQ)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

import hashlib
import json
import os
import time
from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import calls, engine, request_bodies, transport


class WritesNan(Broken):
    """Encodes with the defaults of ``json.dumps``, which writes ``NaN``."""

    breaks = "REQ-01"
    key = "post_request"

    def damage(self) -> None:
        exchange(calls, "encode", lambda _: lambda body: json.dumps(body).encode())


class WritesLatin1(Broken):
    """Encodes the body as Latin-1 where it can."""

    breaks = "REQ-01"
    key = "post_request"

    def damage(self) -> None:
        def latin1(body: Any) -> bytes:
            return json.dumps(body, ensure_ascii=False).encode("latin-1", "replace")

        exchange(calls, "encode", lambda _: latin1)


class StripsPrompt(BrokenCalls):
    """Tidies the prompt up before it is sent."""

    breaks = "REQ-02"
    key = "post_request"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return (subject.strip() or subject) if isinstance(subject, str) else subject, parameters


class OwnSystemMessage(BrokenCalls):
    """Puts a system message of its own before every conversation."""

    breaks = "REQ-03"
    key = "chat_method"
    shows_in = ("chats",)

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if method == "chat":
            subject = [{"role": "system", "content": "You are a helpful assistant."}, *subject]
        return subject, parameters


class CrashesOnSurrogate(Broken):
    """Lets the encoder's own exception through."""

    breaks = "REQ-04"
    key = "post_request"

    def damage(self) -> None:
        def encode(body: Any) -> bytes:
            return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()

        exchange(calls, "encode", lambda _: encode)


class SendsNulls(Broken):
    """Sends ``None`` as ``null``."""

    breaks = "REQ-05"
    key = "post_request"

    def damage(self) -> None:
        exchange(request_bodies, "_set_only", lambda _: dict)
        exchange(request_bodies, "_with_one_length", lambda _: lambda given, *_, **__: given)


class BareStop(Broken):
    """Passes ``stop`` on as it is given."""

    breaks = "REQ-06"
    key = "post_request"

    def damage(self) -> None:
        exchange(request_bodies, "_with_stop_list", lambda _: lambda given: given)


class BothLimits(Broken):
    """Sends both names of the length limit, to be understood by every server."""

    breaks = "REQ-07"
    key = "chat_method"

    def damage(self) -> None:
        def both(right: Any) -> Any:
            def chat_body(*args: Any, **kwargs: Any) -> Any:
                body = right(*args, **kwargs)
                if "max_tokens" in body:
                    body["max_completion_tokens"] = body["max_tokens"]
                return body

            return chat_body

        exchange(calls, "chat_body", both)


class FlagsEveryCall(Broken):
    """Sets ``stream`` on plain native calls too."""

    breaks = "REQ-08"
    key = "streaming"

    def damage(self) -> None:
        exchange(
            calls, "native_body", lambda right: lambda *args, **kw: {**right(*args, **kw), "stream": True}
        )


class FloatsForIntegers(BrokenCalls):
    """Turns numbers into floats on the way: ``20`` goes out as ``20.0``."""

    breaks = "REQ-09"
    key = "test_endpoint_params"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return subject, {
            name: float(value) if isinstance(value, int) and name.startswith(("max_", "top_")) else value
            for name, value in parameters.items()
        }


class NamesAModel(Broken):
    """Fills in a model's name that no TGI knows."""

    breaks = "REQ-10"
    key = "chat_method"

    def damage(self) -> None:
        exchange(request_bodies, "DEFAULT_MODEL", lambda _: "gpt-3.5-turbo")


class ChangesRequestId(Broken):
    """Lowers the case of the caller's request id."""

    breaks = "REQ-11"
    key = "request_id_tracking"

    def damage(self) -> None:
        exchange(calls, "_checked_id", lambda right: lambda given: right(given).lower())


class ForgetsRequestIdOfErrors(Broken):
    """Gives the request id back with answers only."""

    breaks = "REQ-11"
    key = "request_id_tracking"

    def classify(self, error: BaseException) -> Any:
        info = super().classify(error)
        if info is None:
            return None
        error.request_id = None  # type: ignore[attr-defined]
        error.args = ("the call failed",)
        return replace(info, request_id=None)


class ClockIds(Broken):
    """Makes request ids of the second and a hash of the body."""

    breaks = "REQ-12"
    key = "request_id_tracking"

    def damage(self) -> None:
        def prepare(right: Any) -> Any:
            def prepared(kind: Any, subject: Any, settings: Any, **given: Any) -> Any:
                if given.get("request_id") is None:
                    digest = hashlib.sha256(repr(subject).encode()).hexdigest()[:8]
                    given["request_id"] = f"{int(time.time())}-{digest}"
                return right(kind, subject, settings, **given)

            return prepared

        from tgi_conformance.backends.reference import async_client  # noqa: PLC0415

        exchange(async_client, "prepare", prepare)


class CompletesCallersTools(BrokenCalls):
    """Fills defaults into the caller's own lists and dicts."""

    breaks = "REQ-13"
    key = "post_request"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        stop = parameters.get("stop")
        if isinstance(stop, list) and "</s>" not in stop and len(stop) == 2:
            stop.append("</s>")
        return subject, parameters


class ProxyForAll(Broken):
    """Takes the proxy from its variable, and never looks at ``NO_PROXY``."""

    breaks = "REQ-14"
    key = "post_request"

    def damage(self) -> None:
        def proxied(right: Any) -> Any:
            def client(**given: Any) -> Any:
                return right(**given | {"proxy": os.environ.get("HTTP_PROXY"), "trust_env": False})

            return client

        exchange(transport.httpx, "AsyncClient", proxied)


class AsksTwice(Broken):
    """Sends every completions call twice and takes the second answer."""

    breaks = "REQ-15"
    key = "post_request"

    def damage(self) -> None:
        def twice(right: Any) -> Any:
            async def answer(course: Any) -> Any:
                if course.call.kind == "completions":
                    await right(course)
                return await right(course)

            return answer

        exchange(engine, "_answer_of_attempts", twice)
