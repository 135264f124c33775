"""A connection that the process cannot accept is booked as its own mistake: no client is judged by it."""

import errno
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from failing_calls import Failing, environment_for, happened

from tgi_conformance.contracts.script import Script, always, answer
from tgi_conformance.fake_server.client import FakeServer

#: The control connection is the first to be accepted, that of the client the second.
SECOND = Failing(event="accept", words=r"fake_server/__main__\.py", errno=errno.EMFILE, number=2)


@pytest.mark.parametrize("tls", [(), ("a",)], ids=["plain", "tls"])
def test_a_connection_that_could_not_be_accepted_at_once_is_a_fault_of_the_server(
    tls: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment_for(SECOND, tmp_path / "failing").items():
        monkeypatch.setenv(name, value)
    with FakeServer.start() as fake:
        space = fake.space(Script(replies=(always(answer("hello")),), tls=tls))
        _exchange(space.base_url)
        assert happened(SECOND, tmp_path / "failing")
        assert space.close().faults == ("a connection could not be accepted: Too many open files",)


def _exchange(base_url: str) -> None:
    """A request that is answered in the end: the listener tries again after a while."""
    url = urlsplit(base_url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=20) as connection:
        spoken = connection
        if url.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            spoken = context.wrap_socket(connection)
        spoken.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert spoken.recv(12) == b"HTTP/1.1 200"
        spoken.close()
