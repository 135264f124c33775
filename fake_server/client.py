"""The fake server from a suite's side: start the process, open spaces, wait, release, read journals.

Synchronous and thread-safe. A call takes about a millisecond: each thread keeps its own connection.
"""

import http.client
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import IO, Final, Self, cast
from urllib.parse import urlsplit

from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.journal import Journal, KeptAnswer
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Reply, Script
from tgi_conformance.contracts.script.loading import ScriptError
from tgi_conformance.fake_server.journal.conditions import (
    Condition,
    answered,
    connections_closed,
    gone,
    open_requests,
    quiet,
    received,
)
from tgi_conformance.fake_server.journal.json_form import decoded

__all__ = [
    "Condition",
    "FakeServer",
    "FakeServerError",
    "Space",
    "WaitTimeout",
    "answered",
    "connections_closed",
    "gone",
    "open_requests",
    "quiet",
    "received",
]

START_SECONDS: Final = 20.0
#: How much longer a call may take than what it asks the server to wait.
_SLACK: Final = 15.0


class FakeServerError(RuntimeError):
    """The fake server did not start, died, or refused a call; never a fault of a backend."""


class WaitTimeout(FakeServerError):
    """What was waited for did not come; ``journal`` is what had come until then."""

    def __init__(self, condition: Condition, timeout: float, journal: Journal) -> None:
        seen = len(journal.exchanges)
        super().__init__(f"not within {timeout} s: {condition}; the journal holds {seen} exchanges")
        self.condition = condition
        self.journal = journal


class FakeServer:
    """The process, and the control API of it."""

    def __init__(
        self, process: "subprocess.Popen[bytes] | None", control: str, token: str, base_url: str
    ) -> None:
        self.base_url = base_url
        self._process = process
        self._control = ControlClient(control, token)

    @classmethod
    def start(
        cls,
        python: str = sys.executable,
        extra_args: Sequence[str] = (),
        stderr: IO[bytes] | None = None,
        *,
        egress: tuple[str, str] | None = None,
    ) -> Self:
        """Start a server process that ends with this one; raises :class:`FakeServerError`.

        ``egress``: URL and token of the egress that takes what is forwarded.
        """
        command = [python, "-m", "tgi_conformance.fake_server", "--owner-pipe", *extra_args]
        command += ["--egress-on-stdin"] if egress is not None else []
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
        try:
            if egress is not None and process.stdin is not None:
                url, token = egress
                process.stdin.write(json.dumps({"url": url, "token": token}).encode() + b"\n")
                process.stdin.flush()
            ready = _read_ready_line(process)
        except BaseException:
            _end(process)
            raise
        return cls(process, ready["control"], ready["token"], ready["base_url"])

    @classmethod
    def attach(cls, control: str, token: str, base_url: str = "") -> Self:
        """Use a server that runs already (its ready line says where); closing leaves it running."""
        return cls(None, control, token, base_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def control_url(self) -> str:
        """Where the control API listens."""
        return self._control.url

    @property
    def token(self) -> str:
        """The token of the control API."""
        return self._control.token

    def space(self, script: Script, *, keys: Mapping[str, str] = {}) -> "Space":
        """Open a space; raises ``ScriptError`` with the pointer of the mistake."""
        body: JSON = {"script": to_json(script), "keys": dict(keys)}
        return self.space_from_json(body)

    def space_from_json(self, body: JSON) -> "Space":
        """Open a space from ``{"script": ..., "keys": ...}`` as it stands."""
        opened = cast("dict[str, JSON]", self._control.call("POST", "/spaces", body))
        return Space(self._control, opened)

    def status(self) -> Mapping[str, JSON]:
        """What the server says of itself: ``lag`` (seconds), open ``spaces``, TGI ``version``."""
        return cast("dict[str, JSON]", self._control.call("GET", "/status"))

    def lag(self) -> float:
        """The largest lateness (seconds) of the server's heartbeat so far."""
        return cast("float", self.status()["lag"])

    def close(self) -> None:
        """End the process and wait for it."""
        self._control.close()
        if self._process is not None:
            _end(self._process)
            self._process = None


class Space:
    """One space: URLs to give to a backend, and the journal of what came."""

    def __init__(self, control: "ControlClient", opened: Mapping[str, JSON]) -> None:
        self.id = str(opened["id"])
        #: PEM of the certificate that the TLS origins show; None without such origins.
        self.certificate = cast("str | None", opened.get("certificate"))
        #: Times (monotonic seconds) in which something was waited for that did not come, or for quiet.
        self.lulls: list[tuple[float, float]] = []
        self._control = control
        self._ports = cast("dict[str, int]", opened["ports"])
        self._urls = cast("dict[str, str]", opened["urls"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """The URL of origin "a", or of the first one where none is called so."""
        return self.url("a" if "a" in self._ports else next(iter(self._ports)))

    def url(self, origin: str) -> str:
        """The base URL of an origin with the mount; raises KeyError for an unknown one."""
        return self._urls[self._name(origin)]

    def port(self, origin: str = "a") -> int:
        """The port of an origin; "refused:NAME" may be called NAME."""
        return self._ports[self._name(origin)]

    def _name(self, origin: str) -> str:
        name = origin if origin in self._ports else f"refused:{origin}"
        if name not in self._ports:
            raise KeyError(f"no origin {origin!r}; there are {sorted(self._ports)}")
        return name

    def journal(self) -> Journal:
        """The journal as it stands; also after the space was closed."""
        return _journal(self._control.call("GET", f"/spaces/{self.id}/journal"))

    def answers(self) -> Mapping[int, KeptAnswer]:
        """What was answered, by the number of the exchange, where the journal does not have it."""
        kept = cast("dict[str, JSON]", self._control.call("GET", f"/spaces/{self.id}/answers"))
        return {int(number): from_json(KeptAnswer, value) for number, value in kept.items()}

    def wait(self, until: Condition, timeout: float) -> Journal:
        """Wait for a condition; raises :class:`WaitTimeout` with the journal when it does not come."""
        met, journal = self._awaited("POST", f"/spaces/{self.id}/wait", until, timeout)
        if not met:
            raise WaitTimeout(until, timeout, journal)
        return journal

    def _awaited(self, method: str, path: str, until: Condition, timeout: float) -> tuple[bool, Journal]:
        """Do a call that waits for a condition first; whether it came, and the journal then."""
        begun = time.monotonic()
        body: JSON = {"until": to_json(until), "timeout": timeout}
        result = cast("dict[str, JSON]", self._control.call(method, path, body, patience=timeout))
        met = bool(result["met"])
        if until.kind == "quiet" or not met:
            self.lulls.append((begun, time.monotonic()))
        return met, _journal(result["journal"])

    def release(self, gate: str, count: int | None = None) -> None:
        """Let ``count`` holds of a gate pass, now or later; None opens it for good."""
        self._control.call("POST", f"/spaces/{self.id}/release", {"gate": gate, "count": count})

    def play(self, *replies: Reply) -> None:
        """Append replies to the script."""
        self._control.call("POST", f"/spaces/{self.id}/replies", {"replies": [to_json(r) for r in replies]})

    def close(self, after: Condition | None = None, timeout: float = 0.0) -> Journal:
        """Close the space and return its final journal; what comes later is answered 410.

        ``after``: wait for a condition first, ``timeout`` seconds at most. The journal says whether it came.
        """
        path = f"/spaces/{self.id}"
        if after is None:
            return _journal(self._control.call("DELETE", path))
        return self._awaited("DELETE", path, after, timeout)[1]


class ControlClient:
    """Calls to the control API, a kept connection for each thread."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[http.client.HTTPConnection] = []

    def call(self, method: str, path: str, body: JSON = None, *, patience: float = 0.0) -> JSON:
        """Do one call; raises ``ScriptError`` or :class:`FakeServerError`."""
        content = None if body is None else json.dumps(body).encode()
        connection = self._connection()
        try:
            if connection.sock is not None:
                connection.sock.settimeout(patience + _SLACK)
            connection.request(method, path, content, self._headers)
            response = connection.getresponse()
            value = cast("JSON", json.loads(response.read()))
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise FakeServerError(f"the fake server did not answer {method} {path}: {error!r}") from error
        if response.status >= 400:
            raise _error(method, path, response.status, value)
        return value

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._local, "connection", None)
        if connection is None or getattr(self._local, "pid", None) != os.getpid():
            connection = http.client.HTTPConnection(*self._address, timeout=_SLACK)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._local.connection, self._local.pid = connection, os.getpid()
            with self._lock:
                self._connections.append(connection)
        return cast("http.client.HTTPConnection", connection)


def _error(method: str, path: str, status: int, value: JSON) -> Exception:
    said = value if isinstance(value, dict) else {}
    problem = str(said.get("error", value))
    if "pointer" in said:
        return ScriptError(str(said["pointer"]), problem)
    return FakeServerError(f"{method} {path}: {status}: {problem}")


def _journal(value: JSON) -> Journal:
    return decoded(cast("dict[str, JSON]", value))


def _read_ready_line(process: "subprocess.Popen[bytes]") -> dict[str, str]:
    output = process.stdout
    if output is None:
        raise FakeServerError("the fake server has no standard output")
    deadline = time.monotonic() + START_SECONDS
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([output], [], [], max(deadline - time.monotonic(), 0))
        piece = os.read(output.fileno(), 65536) if ready else b""
        if not piece:
            how = f"ended with {process.wait()}" if ready else f"said nothing for {START_SECONDS} s"
            raise FakeServerError(f"the fake server did not start: it {how}")
        line += piece
    return cast("dict[str, str]", json.loads(line))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Close the owner pipe; a process that does not end on that is terminated, then killed."""
    if process.stdin is not None:
        process.stdin.close()
    steps: tuple[Callable[[], None] | None, ...] = (None, process.terminate, process.kill)
    for insist in steps:
        if insist is not None:
            insist()
        try:
            process.wait(timeout=3)
            break
        except subprocess.TimeoutExpired:
            continue
    if process.stdout is not None:
        process.stdout.close()
