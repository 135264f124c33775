"""The egress before a real endpoint: pytest-httpserver is the endpoint, a fake server asks for a client."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from raw_http import Wire, ask, request
from werkzeug import Request, Response

from tgi_conformance.contracts.script import Script, always, data, done, forwarded, stream
from tgi_conformance.fake_server.client import FakeServer, Space, answered, gone
from tgi_conformance.fake_server.egress.client import EgressError, RunningEgress
from tgi_conformance.fake_server.egress.endpoints import Orders, RealEndpoint
from tgi_conformance.fake_server.forwarding.onward import ALIAS_HEADER, TOKEN_HEADER

REAL = {"A": "hf_RealKeyOfTheFirst" + "a" * 16, "B": "hf_RealKeyOfTheSecond" + "b" * 16}
CANARIES = {alias: "hf_" + alias * 34 for alias in "ABC"}
TOKEN = "token-of-this-run-" + "x" * 20
GATEWAY = "gateway-secret-77"


#: A stream that is held behind its first event.
HELD = stream(data({"token": "a"}), done()).held("never", event=1)


def orders(endpoint: HTTPServer, **fields: object) -> Orders:
    """Orders for two keys of one endpoint, behind a path and a gateway."""
    given: dict[str, object] = {
        "token": TOKEN,
        "endpoints": tuple(RealEndpoint(url=endpoint.url_for("/tgi"), key=key) for key in REAL.values()),
        "headers": (("x-gateway", GATEWAY),),
    }
    return Orders(**given | fields)  # type: ignore[arg-type]


def bearing(alias: str) -> dict[str, str]:
    return {"authorization": f"Bearer {CANARIES.get(alias, alias)}"}


@pytest.fixture
def egress(httpserver: HTTPServer) -> Iterator[RunningEgress]:
    with RunningEgress.start(orders(httpserver)) as running:
        yield running


@pytest.fixture
def space(egress: RunningEgress) -> Iterator[Space]:
    script = Script(mount="/mount", replies=(always(forwarded()),))
    with (
        FakeServer.start(egress=(egress.url, egress.token)) as fake,
        fake.space(script, keys=CANARIES) as opened,
    ):
        yield opened


def answers(endpoint: HTTPServer, body: object, status: int = 200, **headers: str) -> None:
    endpoint.expect_request("/tgi/generate").respond_with_data(
        body if isinstance(body, bytes) else json.dumps(body), status=status, headers=headers
    )


def asked(endpoint: HTTPServer) -> list[Request]:
    return [entry[0] for entry in endpoint.log]


def test_the_real_key_is_put_on_the_canary_taken_off_and_aliases_take_turns(
    httpserver: HTTPServer, space: Space, egress: RunningEgress
) -> None:
    answers(httpserver, {"generated_text": "x"})
    for alias in "ABC":
        got = ask(f"{space.base_url}", "/mount/generate", {"inputs": "é"}, headers=bearing(alias))
        assert got.status == 200
    sent = asked(httpserver)
    assert [each.headers["Authorization"] for each in sent] == [
        f"Bearer {REAL[alias]}" for alias in ("A", "B", "A")
    ]
    assert {each.headers["X-Gateway"] for each in sent} == {GATEWAY}
    assert not any(name.lower().startswith("x-tgic") for each in sent for name, _ in each.headers)
    assert [each.get_json() for each in sent] == [{"parameters": {"max_new_tokens": 16}, "inputs": "é"}] * 3
    spent = egress.spent()
    assert (spent["requests"], spent["limited"], spent["echoed"]) == (3, 3, False)


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer hf_somebody-elses"}])
def test_a_key_that_is_no_alias_is_not_forwarded(
    httpserver: HTTPServer, space: Space, headers: dict[str, str]
) -> None:
    got = ask(space.base_url, "/mount/generate", headers=headers)
    kept = space.wait(answered(1), 5).exchanges[0].answer
    assert got.status == 401
    assert kept is None or kept.upstream == "failed"
    assert asked(httpserver) == []


def test_without_the_token_nothing_is_forwarded(httpserver: HTTPServer, egress: RunningEgress) -> None:
    for headers in ({}, {TOKEN_HEADER: "guessed"}):
        assert ask(egress.url, "/generate", headers={ALIAS_HEADER: "A", **headers}).status == 403
        assert ask(egress.url, "/tgic/spent", method="GET", headers=headers).status == 403
    assert asked(httpserver) == []


def test_what_an_answer_says_of_its_tokens_is_settled(
    httpserver: HTTPServer, space: Space, egress: RunningEgress
) -> None:
    answers(httpserver, {"generated_text": "x", "details": {"generated_tokens": 3}})
    ask(space.base_url, "/mount/generate", headers=bearing("A"))
    assert egress.spent()["tokens"] == 3


def test_beyond_the_budget_nothing_is_sent_and_the_client_is_told(httpserver: HTTPServer) -> None:
    answers(httpserver, {"generated_text": "x"})
    with (
        RunningEgress.start(orders(httpserver, max_requests=1)) as egress,
        FakeServer.start(egress=(egress.url, egress.token)) as fake,
        fake.space(Script(replies=(always(forwarded()),)), keys=CANARIES) as space,
    ):
        assert ask(space.base_url, headers=bearing("A")).status == 200
        got = ask(space.base_url, headers=bearing("B"))
        kept = space.wait(answered(2), 5).exchanges[1].answer
        spent = egress.spent()
    assert got.status == 502
    assert b"budget of 1 requests" in got.body
    assert kept is not None
    assert (kept.upstream, len(asked(httpserver))) == ("failed", 1)
    assert "--max-requests" in kept.problem
    assert (spent["requests"], spent["refused"]) == (1, 1)


def test_a_dry_run_sends_nothing(httpserver: HTTPServer) -> None:
    with (
        RunningEgress.start(orders(httpserver, dry_run=True)) as egress,
        FakeServer.start(egress=(egress.url, egress.token)) as fake,
        fake.space(Script(replies=(always(forwarded()),)), keys=CANARIES) as space,
    ):
        assert b"dry run" in ask(space.base_url, headers=bearing("A")).body
        assert egress.spent()["requests"] == 1
    assert asked(httpserver) == []


def test_a_key_that_comes_back_is_taken_out_and_noted(
    httpserver: HTTPServer, space: Space, egress: RunningEgress
) -> None:
    answers(
        httpserver,
        {"error": f"{REAL['A']} and {REAL['B']} and {GATEWAY} are wrong"},
        401,
        **{"X-Seen": f"Bearer {REAL['A']}"},
    )
    got = ask(space.base_url, "/mount/generate", headers=bearing("A"))
    journal = space.journal()
    told = repr((got, journal)) + journal.exchanges[0].answer.body.decode()  # type: ignore[union-attr]
    assert got.status == 401
    assert not any(secret in told for secret in (*REAL.values(), GATEWAY))
    assert b"key:A***" in got.body
    spent = egress.spent()
    assert spent["echoed"] is True
    assert len(spent["notes"]) == 1


def test_an_endpoint_that_is_busy_is_left_alone_for_as_long_as_it_asks(
    httpserver: HTTPServer, space: Space
) -> None:
    busy = [Response("busy", status=429, headers={"Retry-After": "1"}), Response("{}")]
    httpserver.expect_request("/tgi/generate").respond_with_handler(lambda _: busy.pop(0))
    assert ask(space.base_url, "/mount/generate", headers=bearing("A")).status == 429
    with Wire(space.base_url, timeout=10) as wire:
        wire.send(request("/mount/generate", headers=bearing("A")))
        assert wire.response().status == 200
    first, second = space.wait(answered(2), 5).exchanges
    assert first.replied_at is not None
    assert second.reply_at is not None
    assert second.reply_at - first.replied_at > 0.9


def test_a_client_that_leaves_ends_what_the_egress_asked() -> None:
    with FakeServer.start() as real, real.space(Script(replies=(always(HELD),))) as there:
        given = Orders(token=TOKEN, endpoints=(RealEndpoint(url=there.base_url, key=REAL["A"]),))
        with (
            RunningEgress.start(given) as egress,
            FakeServer.start(egress=(egress.url, egress.token)) as fake,
            fake.space(Script(replies=(always(forwarded()),)), keys=CANARIES) as front,
        ):
            with Wire(front.base_url) as wire:
                wire.send(request("/generate_stream", headers=bearing("A")))
                wire.read_until(b"data:")
            assert there.wait(gone(1), 2.0).exchanges[0].gone_at is not None


def test_an_answer_that_turns_out_no_http_breaks_off_and_gets_no_second_head() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        given = Orders(token=TOKEN, endpoints=(RealEndpoint(url=f"http://127.0.0.1:{port_of(listening)}"),))
        with RunningEgress.start(given) as egress, Wire(egress.url) as wire:
            wire.send(request("/generate", headers={TOKEN_HEADER: TOKEN, ALIAS_HEADER: "A"}))
            with listening.accept()[0] as there:
                there.recv(65_536)
                there.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
                begun = wire.read_until(b"abc\r\n")
                there.sendall(b"no size\r\n")
                rest, _ = wire.read_to_end()
    assert begun.startswith(b"HTTP/1.1 200 ")
    assert rest == b""


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def test_no_secret_is_in_arguments_or_variables(egress: RunningEgress) -> None:
    process: subprocess.Popen[bytes] = egress._process
    folder = Path(f"/proc/{process.pid}")
    if not folder.is_dir():
        pytest.skip("no /proc here")
    shown = folder.joinpath("cmdline").read_bytes() + folder.joinpath("environ").read_bytes()
    assert not any(secret.encode() in shown for secret in (*REAL.values(), GATEWAY, TOKEN))


def test_an_egress_that_cannot_start_says_why_and_not_its_keys() -> None:
    wrong = Orders(token=TOKEN, endpoints=(RealEndpoint(url=f"http://user:{REAL['A']}@x", key=REAL["B"]),))
    with pytest.raises(EgressError, match="user or password is refused") as raised:
        RunningEgress.start(wrong)
    assert not any(secret in str(raised.value) for secret in REAL.values())
