"""The way to a real server: what stood in it, in words; TLS and its certificates; proxies."""

import asyncio
import base64
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tgi_conformance.contracts.script import Script
from tgi_conformance.fake_server.client import FakeServer, Space
from tgi_conformance.fake_server.forwarding.reaching import UpstreamError, parts_of
from tgi_conformance.fake_server.forwarding.upstream import End, Head, Piece, Upstream
from tgi_conformance.fake_server.http.parsing import Request

HEALTH = Request("GET", "/health", "1.1", (), b"", 0.0)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def status_of(upstream: Upstream) -> int:
    """The status of ``GET /health``."""

    async def ask() -> list[Head | Piece | End]:
        return [part async for part in upstream.exchange(HEALTH)]

    head = asyncio.run(ask())[0]
    assert isinstance(head, Head)
    return head.status


def obstacle(upstream: Upstream) -> tuple[str, str]:
    with pytest.raises(UpstreamError) as raised:
        status_of(upstream)
    return raised.value.obstacle, str(raised.value)


def test_nobody_who_listens_is_told_from_a_name_that_there_is_not(fake: FakeServer) -> None:
    with fake.space(Script(origins=("a", "refused:b"))) as space:
        kind, text = obstacle(Upstream(space.url("refused:b")))
    assert (kind, "nobody listens there" in text) == ("refused", True)
    kind, text = obstacle(Upstream("http://no-such-host.invalid/"))
    assert (kind, "the name has no address" in text) == ("name", True)


def test_a_certificate_that_is_not_accepted_is_said_to_be_so_and_one_that_is_given_is(
    fake: FakeServer, tmp_path: Path
) -> None:
    with fake.space(Script(tls=("a",))) as space:
        kind, text = obstacle(Upstream(space.base_url))
        assert (kind, "certificate is not accepted" in text) == ("tls", True)
        pem = tmp_path / "ca.pem"
        pem.write_text(space.certificate or "")
        assert status_of(Upstream(space.base_url, cacert=pem)) == 200


def test_tls_to_a_server_without_it_is_told(fake: FakeServer) -> None:
    with fake.space(Script()) as space:
        kind, text = obstacle(Upstream(space.base_url.replace("http:", "https:")))
    assert (kind, "no TLS was agreed on" in text) == ("tls", True)


def test_certificates_that_cannot_be_read_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    for name in ("x.pem", "absent.pem"):
        with pytest.raises(ValueError, match=r"--cacert .*: no certificates can be read"):
            Upstream("https://x", cacert=tmp_path / name)


class OneProxy:
    """A proxy that notes what it was asked and passes it on, or says no."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
        self.seen = b""
        self._answer = answer
        self.done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        finally:
            writer.close()
            self.done.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.seen = head
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT":
            writer.write(self._answer)
            if b" 200 " not in self._answer:
                return
            host, _, port = target.decode().rpartition(":")
        else:
            host, _, port = target.decode().split("/")[2].rpartition(":")
        onward, away = await asyncio.open_connection(host.strip("[]"), int(port))
        if method != b"CONNECT":
            away.write(head)
        await asyncio.gather(_pipe(reader, away), _pipe(onward, writer), return_exceptions=True)


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
    sink.close()


async def by_proxy(proxy: OneProxy, url: str, scheme: str, cacert: Path | None = None) -> int:
    """The status of a server that is asked through a proxy which the environment names."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.MonkeyPatch.context() as patch, closing(server):
        patch.setenv(f"{scheme}_proxy", f"http://user:pass@127.0.0.1:{port}")
        upstream = Upstream(url, cacert=cacert, by_proxy=True)
        try:
            parts = [part async for part in upstream.exchange(HEALTH)]
        finally:
            await asyncio.wait_for(proxy.done.wait(), 5)
            await asyncio.sleep(0)  # for the transports that were just closed
    assert isinstance(parts[0], Head)
    return parts[0].status


def test_a_proxy_of_the_environment_is_asked_for_plain_http(fake: FakeServer) -> None:
    proxy = OneProxy()
    with fake.space(Script(mount="/real")) as space:
        assert asyncio.run(by_proxy(proxy, space.base_url, "http")) == 200
        assert proxy.seen.startswith(f"GET {space.base_url}/health HTTP/1.1\r\n".encode())
    assert b"proxy-authorization: Basic " + base64.b64encode(b"user:pass") in proxy.seen


def test_a_tunnel_is_asked_for_where_there_is_tls(fake: FakeServer, tmp_path: Path) -> None:
    proxy, pem = OneProxy(), tmp_path / "ca.pem"
    with fake.space(Script(tls=("a",))) as space:
        pem.write_text(space.certificate or "")
        assert asyncio.run(by_proxy(proxy, space.base_url, "https", pem)) == 200
        assert proxy.seen.startswith(f"CONNECT 127.0.0.1:{space.port()} HTTP/1.1\r\n".encode())


def test_a_proxy_that_lets_nobody_through_is_told_from_the_server() -> None:
    proxy = OneProxy(b"HTTP/1.1 407 Who Are You\r\n\r\n")
    with pytest.raises(UpstreamError, match=r"the proxy 127\.0\.0\.1:\d+ lets nobody through: 407 Who"):
        asyncio.run(by_proxy(proxy, "https://127.0.0.1:1", "https"))


def test_no_proxy_is_heeded(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with fake.space(Script()) as space:
        assert status_of(Upstream(space.base_url, by_proxy=True)) == 200


def test_a_proxy_that_cannot_be_read_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@")
    with pytest.raises(ValueError, match="https_proxy names no proxy that can be read") as raised:
        Upstream("https://x", by_proxy=True)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://user:hunter22@x", "user or password is refused"),
        ("https://hunter22@x", "user or password is refused"),
        ("ftp://x", "an http or https URL is needed"),
        ("x:8080", "an http or https URL is needed"),
        ("http://", "an http or https URL is needed"),
        ("http://x:99999", "no URL can be read"),
        ("http://x/?key=hunter22", "a base URL has no query"),
    ],
)
def test_a_url_that_is_none_is_refused_and_credentials_in_it_are_never_shown(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        parts_of(url, "TGI_ENDPOINT")
    assert "hunter22" not in str(raised.value)
    assert "TGI_ENDPOINT" in str(raised.value)


@pytest.mark.parametrize(("said", "kind"), [(b"220 smtp ready\r\n", "no-http"), (b"", "lost")])
def test_what_is_no_http_and_what_breaks_off_are_told_apart(said: bytes, kind: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            async for _ in upstream.exchange(HEALTH):
                pass

    with pytest.raises(UpstreamError) as raised:
        asyncio.run(ask())
    assert raised.value.obstacle == kind


def test_the_context_of_a_server_checks_names() -> None:
    upstream = Upstream("https://x")
    context = upstream._way._tls
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_spaces_of_a_mount_are_asked_below_it(fake: FakeServer) -> None:
    with fake.space(Script(mount="/deep/real")) as space:
        assert status_of(Upstream(f"{space.base_url}/")) == 200
        assert isinstance(space, Space)
