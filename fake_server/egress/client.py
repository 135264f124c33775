"""The egress from the side of a run: started with its orders, asked what was spent, ended."""

import contextlib
import http.client
import json
import subprocess
import sys
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit

from tgi_conformance.fake_server.egress.endpoints import Orders
from tgi_conformance.fake_server.egress.process import SPENT
from tgi_conformance.fake_server.forwarding.onward import TOKEN_HEADER

_PATIENCE = 10.0


class EgressError(RuntimeError):
    """The egress does not start, or does not answer."""


class RunningEgress:
    """The process; it ends with this one."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, token: str) -> None:
        self._process = process
        self.url = url
        self.token = token

    @classmethod
    def start(cls, orders: Orders, python: str = sys.executable) -> Self:
        """Start it; raises :class:`EgressError`. No secret of the orders is in an argument or a variable."""
        command = [python, "-m", "tgi_conformance.fake_server.egress"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            _there(process.stdin).write(f"{orders.to_line()}\n".encode())
            _there(process.stdin).flush()
            url = json.loads(_there(process.stdout).readline())["url"]
        except (OSError, ValueError, KeyError) as error:
            said = _end(process)
            raise EgressError(said or f"the egress did not start: {error!r}") from error
        return cls(process, url, orders.token)

    def spent(self) -> dict[str, Any]:
        """What has been asked so far: requests, tokens, refused, limited; and what is to be noted."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
        with contextlib.closing(connection):
            try:
                connection.request("GET", SPENT, headers={TOKEN_HEADER: self.token})
                told: dict[str, Any] = json.loads(connection.getresponse().read())
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise EgressError(f"the egress does not answer: {error!r}") from error
        return told

    def close(self) -> None:
        """End it and wait for that."""
        _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _end(process: "subprocess.Popen[bytes]") -> str:
    """End a process, wait for that, and give what it said of its own."""
    with process:  # closes the pipes
        with contextlib.suppress(OSError):
            _there(process.stdin).close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
        return _there(process.stderr).read().decode(errors="replace").strip()


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - each was asked for
    return pipe
