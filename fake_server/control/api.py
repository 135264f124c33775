"""The control API: HTTP and JSON on a loopback port of its own, for whoever has the token.

    POST   /spaces                 {"script": {...}, "keys": {"A": "hf_..."}} -> 201 {"id", "ports", "mount"}
    GET    /spaces/ID/journal      -> the journal
    GET    /spaces/ID/answers      -> {number of an exchange: what was answered, as it is kept for evidence}
    POST   /spaces/ID/wait         {"until": {"kind": ...}, "timeout": seconds} -> {"met": bool, "journal"}
    POST   /spaces/ID/release      {"gate": name, "count": number or null}
    POST   /spaces/ID/replies      {"replies": [...]}
    DELETE /spaces/ID              -> the final journal
    DELETE /spaces/ID              {"until": {"kind": ...}, "timeout": seconds} -> {"met": bool, "journal"}
    GET    /status                 -> {"lag": seconds, "spaces": number, "version": text}

Errors are ``{"error": text}`` with 400, 401, 404, 405, 409 or 413; a refused script has its
``pointer`` too.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest
from http import HTTPStatus
from time import monotonic
from typing import Any, Final, cast

from tgi_conformance.contracts.codec import DecodeError, from_json, to_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script.loading import (
    ScriptError,
    hold_no_forwards,
    hold_upstream,
    load_replies,
    load_script,
)
from tgi_conformance.contracts.tgi.info import VERSION
from tgi_conformance.fake_server.control.heartbeat import Heartbeat
from tgi_conformance.fake_server.http.parsing import ParseError, Request, RequestReader
from tgi_conformance.fake_server.journal.conditions import Condition, holds, quiet_at
from tgi_conformance.fake_server.space.space import Space
from tgi_conformance.fake_server.space.spaces import Spaces

MAX_BODY: Final = 256 * 1024 * 1024
MAX_WAIT: Final = 600.0
UNAUTHORIZED: Final = "the token that the process printed at start is needed as Bearer token"


class ControlError(Exception):
    """A call that cannot be done; answered with a status and a text."""

    def __init__(self, status: int, problem: str, pointer: str | None = None) -> None:
        super().__init__(problem)
        self.status = status
        self.pointer = pointer

    def body(self) -> JSON:
        """The JSON that says so."""
        more = {} if self.pointer is None else {"pointer": self.pointer}
        return {"error": str(self), **more}


class Control:
    """The calls of the API over the spaces of this process."""

    def __init__(self, spaces: Spaces, heartbeat: Heartbeat, token: str, *, forwards: bool = False) -> None:
        self._spaces = spaces
        self._forwards = forwards
        self._heartbeat = heartbeat
        self._expected = f"Bearer {token}".encode()
        self._space_calls: Mapping[tuple[str, str], Callable[[Space, Any], Awaitable[tuple[int, str]]]] = {
            ("GET", "journal"): self._journal,
            ("GET", "answers"): self._answers,
            ("POST", "wait"): self._wait,
            ("POST", "release"): self._release,
            ("POST", "replies"): self._replies,
            ("DELETE", ""): self._close,
        }

    async def call(self, request: Request) -> tuple[int, str]:
        """Do one call and return status and JSON text."""
        try:
            return await self._call(request)
        except ControlError as error:
            return error.status, _text(error.body())

    def knows(self, request: Request) -> bool:
        """Whether a request carries the token."""
        given = request.first.get("authorization", "").encode("latin-1")
        return compare_digest(given, self._expected)

    async def _call(self, request: Request) -> tuple[int, str]:
        if not self.knows(request):
            raise ControlError(401, UNAUTHORIZED)
        if request.too_large:
            raise ControlError(413, f"at most {MAX_BODY} bytes are taken")
        steps = request.path.strip("/").split("/")
        if steps == ["status"]:
            return 200, _text(self._status())
        if steps[0] != "spaces":
            raise ControlError(404, f"no {request.path}; there are /status and /spaces")
        value = _body(request)
        if len(steps) == 1:
            _need_method(request, "POST")
            return await self._open(value)
        space = self._spaces.get(steps[1])
        if space is None:
            raise ControlError(404, f"no space {steps[1]}: never opened, or closed long ago")
        handler = self._space_calls.get((request.method, "/".join(steps[2:])))
        if handler is None:
            raise ControlError(405, f"{request.method} {request.path} is no call of this API")
        return await handler(space, value)

    def _status(self) -> JSON:
        return {"lag": self._heartbeat.largest, "spaces": len(self._spaces), "version": VERSION}

    async def _open(self, value: Mapping[str, JSON]) -> tuple[int, str]:
        keys = value.get("keys", {})
        if not isinstance(keys, Mapping) or not all(isinstance(key, str) for key in keys.values()):
            raise ControlError(400, "keys: an object of alias -> key is needed")
        try:
            script = load_script(value.get("script", {}))
            if not self._forwards:
                hold_upstream(script)
        except ScriptError as error:
            raise ControlError(400, error.problem, error.pointer) from error
        try:
            space = await self._spaces.open(script, cast("Mapping[str, str]", keys))
        except OSError as error:
            raise ControlError(409, f"no listener could be opened: {error}") from error
        opened: dict[str, JSON] = {
            "id": space.id,
            "ports": dict(space.ports),
            "mount": script.mount,
            "urls": dict(space.urls),
        }
        if space.certificate is not None:
            opened["certificate"] = space.certificate
        return 201, _text(opened)

    async def _journal(self, space: Space, _: Mapping[str, JSON]) -> tuple[int, str]:
        return 200, space.encoded()

    async def _answers(self, space: Space, _: Mapping[str, JSON]) -> tuple[int, str]:
        return 200, _text(to_json({str(number): kept for number, kept in space.answers().items()}))

    async def _release(self, space: Space, value: Mapping[str, JSON]) -> tuple[int, str]:
        gate, count = value.get("gate"), value.get("count")
        if not isinstance(gate, str):
            raise ControlError(400, "gate: the name of a gate is needed")
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 0):
            raise ControlError(400, "count: a number of holds is needed, or null to open the gate for good")
        space.gate(gate).release(count)
        return 200, "{}"

    async def _replies(self, space: Space, value: Mapping[str, JSON]) -> tuple[int, str]:
        if space.closed:
            raise ControlError(409, "the space is closed")
        try:
            replies = load_replies(value.get("replies"), space.script)
            if not self._forwards:
                hold_no_forwards(replies)
            space.play(replies)
        except ScriptError as error:
            raise ControlError(400, error.problem, error.pointer) from error
        return 200, "{}"

    async def _close(self, space: Space, value: Mapping[str, JSON]) -> tuple[int, str]:
        if not value:
            return 200, self._spaces.close(space)
        met = await _waited(space, value)
        return 200, _met(self._spaces.close(space), met=met)

    async def _wait(self, space: Space, value: Mapping[str, JSON]) -> tuple[int, str]:
        met = await _waited(space, value)
        return 200, _met(space.encoded(), met=met)


async def _waited(space: Space, value: Mapping[str, JSON]) -> bool:
    """Wait for what a body asks for; raises :class:`ControlError` for a body that asks for nothing known."""
    timeout = value.get("timeout", 0)
    if not isinstance(timeout, int | float) or not 0 <= timeout <= MAX_WAIT:
        raise ControlError(400, f"timeout: seconds from 0 to {MAX_WAIT} are needed")
    try:
        condition = from_json(Condition, value.get("until"), "/until")
    except DecodeError as error:
        raise ControlError(400, error.problem, error.pointer) from error
    return await wait_until(space, condition, float(timeout))


def _met(journal: str, *, met: bool) -> str:
    return f'{{"met":{"true" if met else "false"},"journal":{journal}}}'


async def wait_until(space: Space, condition: Condition, timeout: float) -> bool:
    """Wait for a condition; returns whether it came to hold within ``timeout`` seconds."""
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    deadline = monotonic() + timeout
    unwatch = space.journal.watch(woken.set)
    try:
        while True:
            woken.clear()
            space.peek()
            now = monotonic()
            met = holds(condition, space.journal, now, mount=space.script.mount)
            if met or now >= deadline:
                return met
            until = deadline
            if condition.kind == "quiet":
                until = min(deadline, max(quiet_at(condition, space.journal), now + 0.001))
            timer = loop.call_later(until - now, woken.set)
            await woken.wait()
            timer.cancel()
    finally:
        unwatch()


def _text(value: JSON) -> str:
    return json.dumps(value, separators=(",", ":"))


def _need_method(request: Request, method: str) -> None:
    if request.method != method:
        raise ControlError(405, f"{request.path} takes {method}")


def _body(request: Request) -> Mapping[str, JSON]:
    if not request.body:
        return {}
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise ControlError(400, f"the body is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ControlError(400, "the body has to be a JSON object")
    return value


class ControlConnection(asyncio.Protocol):
    """One keep-alive connection to the control API; its calls are answered in order."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._reader = RequestReader(max_body=MAX_BODY)
        self._tasks: asyncio.Queue[Request] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to work off calls."""
        self._transport = cast("asyncio.Transport", transport)
        self._worker = asyncio.get_running_loop().create_task(self._work())

    def data_received(self, data: bytes) -> None:
        """Queue the calls that are complete."""
        try:
            requests = self._reader.feed(data, monotonic())
        except ParseError as error:
            self._end_with(error.status)
            return
        waiting = self._reader.awaited
        # Without the token nothing is kept in memory, and nothing after it is read.
        if not all(map(self._control.knows, requests)) or not (
            waiting is None or self._control.knows(waiting)
        ):
            self._end_with(401, UNAUTHORIZED)
            return
        for request in requests:
            self._tasks.put_nowait(request)

    def _end_with(self, status: int, problem: str = "") -> None:
        """Answer what cannot be a call, and close."""
        if self._transport.is_closing():
            return
        body = _text({"error": problem}) if problem else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._transport.write((head + body).encode("ascii"))
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what nobody waits for."""
        del exc
        if self._worker is not None:
            self._worker.cancel()

    async def _work(self) -> None:
        while True:
            request = await self._tasks.get()
            status, text = await self._control.call(request)
            body = text.encode()
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            )
            self._transport.write(head.encode("ascii") + body)
            if request.close or request.too_large:
                self._transport.close()
                return
