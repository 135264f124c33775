"""Spaces: which reply serves whom, keys, late requests, waiting, and the control API."""

import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from raw_http import Wire, ask, request

from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.schema.registry import problems
from tgi_conformance.contracts.script import (
    Reply,
    Script,
    Server,
    always,
    answer,
    overloaded,
    status,
)
from tgi_conformance.contracts.script.loading import ScriptError
from tgi_conformance.fake_server.client import (
    FakeServer,
    FakeServerError,
    Space,
    WaitTimeout,
    answered,
    connections_closed,
    gone,
    open_requests,
    quiet,
    received,
)
from tgi_conformance.fake_server.http.parsing import RequestReader
from tgi_conformance.fake_server.journal.builder import JournalBuilder
from tgi_conformance.fake_server.journal.json_form import decoded

KEYS = {"A": "hf_aaaa", "B": "hf_bbbb"}
BY_A = {"authorization": "Bearer hf_aaaa"}
BY_B = {"authorization": "Bearer hf_bbbb"}


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def play(fake: FakeServer, *replies: Reply, **fields: object) -> Space:
    return fake.space(Script(replies=replies, **fields), keys=KEYS)  # type: ignore[arg-type]


def text(space: Space, *args: object, **kwargs: object) -> object:
    return json.loads(ask(space.base_url, *args, **kwargs).body)["generated_text"]


# --- selection ----------------------------------------------------------------------------------------


def test_replies_serve_in_order_and_the_rest_is_unscripted(fake: FakeServer) -> None:
    space = play(fake, overloaded(), answer("ok"))
    assert [ask(space.base_url).status for _ in range(3)] == [429, 200, 200]
    journal = space.close()
    assert [exchange.reply for exchange in journal] == ["0", "1", None]
    assert len(journal.unscripted) == 1
    assert journal.unmet == ()


def test_a_reply_is_for_requests_that_meet_all_its_conditions(fake: FakeServer) -> None:
    space = play(
        fake,
        answer("for B").where(key="B").named("b"),
        answer("nonce").where(contains="nonce-é").named("n"),
        answer("stream").where(path="/generate_stream").named("s"),
        answer("any").named("any"),
    )
    assert text(space, headers=BY_A) == "any"
    # The body escapes the é; the condition is met all the same.
    assert text(space, body={"inputs": "say nonce-é"}) == "nonce"
    assert text(space, headers=BY_B) == "for B"
    assert "stream" in ask(space.base_url, "/generate_stream").body.decode()
    assert [exchange.reply for exchange in space.journal()] == ["any", "n", "b", "s"]


def test_a_reply_that_nobody_asked_for_is_unmet(fake: FakeServer) -> None:
    space = play(fake, answer(), always(answer().where(key="B"), at_least=2).named("b"))
    ask(space.base_url)
    ask(space.base_url, headers=BY_B)
    (unmet,) = space.close().unmet
    assert (unmet.reply, unmet.requests, unmet.at_least) == ("b", 1, 2)


def test_only_a_reply_that_names_path_or_method_serves_more_than_generation(fake: FakeServer) -> None:
    space = play(
        fake, status(500), status(418).where(path="/info"), status(204).where(path="/other", method="PUT")
    )
    assert ask(space.base_url, "/health", method="GET").status == 200
    assert ask(space.base_url, "/info", method="GET").status == 418
    assert ask(space.base_url, "/other", method="PUT").status == 204
    assert ask(space.base_url).status == 500


def test_otherwise_serves_what_no_reply_is_for_and_stays_unscripted(fake: FakeServer) -> None:
    space = play(fake, otherwise=status(500))
    assert ask(space.base_url).status == 500
    assert len(space.journal().unscripted) == 1


def test_replies_can_be_appended(fake: FakeServer) -> None:
    space = play(fake)
    space.play(answer("later"), status(503))
    assert text(space) == "later"
    assert ask(space.base_url).status == 503
    with pytest.raises(ScriptError, match="minimum") as refused:
        space.play(answer(), status(0))
    assert refused.value.pointer == "/1/response/status"
    assert ask(space.base_url).status == 200
    assert space.journal().replies[-1].reply == "1"


# --- keys ---------------------------------------------------------------------------------------------


def test_the_journal_names_keys_by_alias(fake: FakeServer) -> None:
    space = play(fake)
    for headers in (BY_A, BY_B, {}, {"authorization": "Bearer hf_AAAA"}, {"authorization": "hf_aaaa"}):
        ask(space.base_url, headers=headers)
    assert [exchange.key for exchange in space.journal()] == ["A", "B", "none", "other", "other"]


def test_an_unknown_key_is_refused_before_the_body_and_uses_up_no_reply(fake: FakeServer) -> None:
    space = play(fake, answer("ok"), server=Server(check_key=True))
    refused = ask(space.base_url, body=b"{bad", headers={"authorization": "Bearer nope"})
    assert (refused.status, refused.body) == (401, b"")
    assert "www-authenticate" not in refused.names
    assert ask(space.base_url, "/info", method="GET").status == 200
    assert text(space, headers=BY_A) == "ok"


# --- origins, mounts ----------------------------------------------------------------------------------


def test_each_origin_has_a_listener_of_its_own(fake: FakeServer) -> None:
    space = play(fake, answer("b").where(origin="b"), answer("a"), origins=("a", "b", "refused:c"))
    assert json.loads(ask(space.url("a")).body)["generated_text"] == "a"
    assert json.loads(ask(space.url("b")).body)["generated_text"] == "b"
    assert [exchange.origin for exchange in space.journal()] == ["a", "b"]
    with pytest.raises(ConnectionRefusedError):
        Wire(space.url("c"))


def test_an_origin_of_ipv6_listens_on_its_loopback(fake: FakeServer) -> None:
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    space = play(fake, answer("b").where(origin="ipv6:b"), answer("a"), origins=("a", "ipv6:b"))
    assert space.url("ipv6:b") == f"http://[::1]:{space.port('ipv6:b')}"
    assert json.loads(ask(space.url("ipv6:b")).body)["generated_text"] == "b"
    assert json.loads(ask(space.base_url).body)["generated_text"] == "a"
    assert [exchange.origin for exchange in space.journal()] == ["ipv6:b", "a"]


def test_below_a_mount_all_is_as_ever_and_beside_it_is_nothing(fake: FakeServer) -> None:
    space = play(fake, answer("ok"), mount="/gw/tgi")
    assert space.base_url.endswith("/gw/tgi")
    assert ask(space.base_url, "/generate").status == 404
    assert ask(space.base_url, "/gw/tgi/generate").status == 200
    assert ask(space.base_url, "/gw/tgi//generate").status == 404
    (served,) = (exchange for exchange in space.journal() if exchange.scripted)
    assert served.target == "/gw/tgi/generate"


# --- life of a space ----------------------------------------------------------------------------------


def test_a_late_request_is_answered_410_and_booked_to_its_own_space(fake: FakeServer) -> None:
    space = play(fake, answer(), answer("never"))
    kept = Wire(space.base_url)
    kept.send(request())
    assert kept.response().status == 200
    assert len(space.close().exchanges) == 1
    play(fake)
    kept.send(request())
    assert kept.response().status == 410
    kept.socket.close()
    assert ask(space.base_url).status == 410
    journal = space.journal()
    assert [(exchange.late, exchange.reply) for exchange in journal] == [
        (False, "0"),
        (True, None),
        (True, None),
    ]


def test_closing_a_space_ends_what_it_holds(fake: FakeServer) -> None:
    space = play(fake, answer().held("never"))
    with Wire(space.base_url) as wire:
        wire.send(request())
        space.wait(open_requests(1), 5)
        final = space.close()
        assert wire.read_to_end()[0] == b""
    assert final.exchanges[0].ending == "open"
    assert space.journal().exchanges[0].ending == "fault"


def test_a_space_is_closed_once_its_connections_are(fake: FakeServer) -> None:
    space = play(fake, answer())
    wire = Wire(space.base_url)
    wire.send(request())
    assert wire.response().status == 200
    closing = threading.Timer(0.05, wire.socket.close)
    closing.start()
    final = space.close(connections_closed(), 5)
    closing.join()
    assert [connection.closed_by for connection in final.connections] == ["client-fin"]
    assert space.lulls == []
    assert ask(space.base_url).status == 410


def test_a_space_is_closed_though_what_it_waits_for_does_not_come(fake: FakeServer) -> None:
    space = play(fake, answer())
    with Wire(space.base_url) as wire:
        wire.send(request())
        assert wire.response().status == 200
        final = space.close(connections_closed(), 0.05)
        assert [connection.closed_at for connection in final.connections] == [None]
        ((begun, ended),) = space.lulls
        assert ended - begun >= 0.05
        wire.send(request())
        assert wire.response().status == 410


def test_a_listener_is_given_up_after_so_many_more_spaces(fake: FakeServer) -> None:
    old = play(fake)
    old.close()
    for _ in range(201):
        play(fake).close()
    with pytest.raises(FakeServerError, match="no space"):
        old.journal()
    with pytest.raises(ConnectionRefusedError):
        Wire(old.base_url)


def test_a_refused_script_leaves_nothing_behind(fake: FakeServer) -> None:
    before = fake.status()["spaces"]
    bad = {"script": {"origins": ["a", "b"], "replies": [{"tgi": {}}, {"tgi": {"nope": 1}}]}}
    with pytest.raises(ScriptError) as refused:
        fake.space_from_json(bad)
    assert refused.value.pointer == "/replies/1/tgi/nope"
    assert fake.status()["spaces"] == before


# --- the journal --------------------------------------------------------------------------------------


def test_the_journal_keeps_what_came_as_it_came(fake: FakeServer) -> None:
    space = play(fake, answer("x"))
    sent = b"POST /generate?a=%20b HTTP/1.1\r\nHost: x\r\nX-Twice: 1\r\nx-twice:  2 \r\n"
    sent += b"Content-Type: application/json\r\nContent-Length: 14\r\n\r\n"
    with Wire(space.base_url) as wire:
        wire.send(sent + b'{"inputs":"x"}')
        got = wire.response()
        wire.send(b"GET /health HTTP/1.1\r\n\r\n")
        wire.response()
    journal = space.wait(connections_closed(), 5)
    first, second = journal.exchanges
    assert (first.method, first.target, first.path) == ("POST", "/generate?a=%20b", "/generate")
    assert first.head == sent
    assert first.header_values("X-TWICE") == ("1", "2")
    assert first.json() == {"inputs": "x"}
    assert (first.reply, first.status, first.ending, first.gone_at) == ("0", 200, "complete", None)
    assert first.reply_at is not None
    assert first.replied_at is not None
    assert (
        first.first_byte_at <= first.received_at <= first.reply_at <= first.replied_at <= second.received_at
    )
    assert first.sent_bytes > len(got.body)
    (connection,) = journal.connections
    assert (connection.requests, connection.closed_by) == (2, "client-fin")
    assert journal.generations == (first,)


def test_waiting_ends_with_the_condition_or_with_the_journal_in_hand(fake: FakeServer) -> None:
    space = play(fake, always(answer()))
    with pytest.raises(WaitTimeout) as missed:
        space.wait(received(1), 0.02)
    assert missed.value.journal.exchanges == ()
    thread = threading.Thread(target=ask, args=(space.base_url,))
    thread.start()
    space.wait(answered(1), 5)
    thread.join()
    ask(space.base_url, "/generate_stream", headers=BY_A)
    space.wait(answered(1, path="/generate_stream", key="A"), 5)
    with pytest.raises(WaitTimeout):
        space.wait(received(2, path="/generate"), 0.02)


def test_quiet_waits_for_open_requests_and_for_the_time(fake: FakeServer) -> None:
    space = play(fake, answer().held("g"))
    with Wire(space.base_url) as wire:
        wire.send(request())
        space.wait(open_requests(1), 5)
        with pytest.raises(WaitTimeout):
            space.wait(quiet(0.01), 0.05)
        space.release("g")
        wire.response()
        journal = space.wait(quiet(0.03), 5)
        (exchange,) = journal.exchanges
        assert exchange.replied_at is not None
        assert journal.now - exchange.replied_at >= 0.03


def test_permits_are_those_of_answers_that_still_run(fake: FakeServer) -> None:
    space = play(fake, answer().held("g"), always(answer("free")), server=Server(max_concurrent_requests=1))
    with Wire(space.base_url) as wire:
        wire.send(request())
        space.wait(open_requests(1), 5)
        busy = ask(space.base_url)
        assert (busy.status, json.loads(busy.body)["error_type"]) == (429, "overloaded")
        space.release("g")
        wire.response()
    assert text(space) == "free"


def test_the_journal_over_the_wire_is_the_codecs_form(fake: FakeServer) -> None:
    space = play(fake, answer(), answer().held("never"), always(answer().where(key="B")))
    with Wire(space.base_url) as wire:
        wire.send(request(headers=BY_A) + request(body=b"\xff"))
        wire.response()
        space.wait(open_requests(1), 5)
        _, value = call(fake, "GET", f"/spaces/{space.id}/journal", fake.token)
        journal = decoded(value)  # type: ignore[arg-type]
    assert problems("journal", value) == []
    assert journal == from_json(Journal, value)  # type: ignore[arg-type]
    assert to_json(journal) == value
    assert len(journal.exchanges) == 2


# --- limits -------------------------------------------------------------------------------------------


def test_a_body_over_tgis_limit_is_413_in_plain_text_and_closes(fake: FakeServer) -> None:
    space = play(fake, always(answer()), server=Server(payload_limit=100))
    with Wire(space.base_url) as wire:
        wire.send(request(body={"inputs": "x" * 200}))
        got = wire.response()
        assert wire.read_to_end() == (b"", "fin")
    assert (got.status, got.body) == (413, b"Failed to buffer the request body: length limit exceeded")
    assert "connection" not in got.names
    assert text(space) == " Deep learning is a subset of machine learning."


def test_a_body_beyond_what_is_read_at_all_is_refused_unread() -> None:
    with FakeServer.start(extra_args=["--max-body", "1000"]) as small:
        space = small.space(Script())
        with Wire(space.base_url) as wire:
            wire.send(b"POST /generate HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n")
            assert wire.response().status == 413
        (exchange,) = space.journal().exchanges
        assert (exchange.body_complete, exchange.body) == (False, b"")


def test_an_unfinished_body_is_booked_as_such(fake: FakeServer) -> None:
    space = play(fake, answer())
    with Wire(space.base_url) as wire:
        wire.send(request(body={"inputs": "x"})[:-3])
        wire.socket.shutdown(socket.SHUT_WR)
        got = wire.response()
    assert got.body == b"Failed to buffer the request body: error reading a body from connection"
    (exchange,) = space.journal().exchanges
    assert (exchange.body_complete, exchange.reply, exchange.ending) == (False, None, "none")


def test_a_body_that_no_longer_fits_the_journal_is_dropped_with_a_note() -> None:
    journal = JournalBuilder(lambda: 1.0, max_bytes=10)
    connection = journal.open_connection("a", 0.0)
    for _ in range(2):
        (got,) = RequestReader(max_body=100).feed(request(body=b"12345678"), 0.0)
        journal.book(got, connection, key="none", late=False)
    assert [record.body for record in journal.exchanges] == [b"12345678", b""]
    assert "journal memory" in journal.frozen(()).notes[0]


def test_nothing_is_told_of_an_answer_that_never_began(fake: FakeServer) -> None:
    space = play(fake, answer().held("never"))
    with Wire(space.base_url) as wire:
        wire.send(request())
        space.wait(open_requests(1), 5)
    (exchange,) = space.wait(gone(1), 5).exchanges
    assert (exchange.status, exchange.reply_at, exchange.sent_bytes) == (None, None, 0)


# --- the control API ----------------------------------------------------------------------------------


def call(fake: FakeServer, method: str, path: str, token: str | None, body: str = "") -> tuple[int, object]:
    parts = urlsplit(fake.control_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_space_that_cannot_wait_as_asked_stays_open(fake: FakeServer) -> None:
    space = play(fake, answer())
    said = call(fake, "DELETE", f"/spaces/{space.id}", fake.token, '{"until": {"kind": "never"}}')
    assert said[0] == 400
    assert ask(space.base_url).status == 200


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_the_control_api_wants_its_token(fake: FakeServer, token: str | None) -> None:
    status_code, said = call(fake, "GET", "/status", token)
    assert status_code == 401
    assert "token" in str(said)
    assert call(fake, "GET", "/status", fake.token)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/nowhere", "", 404),
        ("GET", "/spaces", "", 405),
        ("GET", "/spaces/0815/journal", "", 404),
        ("POST", "/spaces", "[]", 400),
        ("POST", "/spaces", "{", 400),
        ("POST", "/spaces", '{"keys": {"A": 1}}', 400),
    ],
)
def test_a_wrong_control_call_is_refused_with_a_reason(
    fake: FakeServer, method: str, path: str, body: str, expected: int
) -> None:
    status_code, said = call(fake, method, path, fake.token, body)
    assert status_code == expected
    assert isinstance(said, dict)
    assert said["error"]


def test_bad_conditions_and_gates_are_refused(fake: FakeServer) -> None:
    space = play(fake)
    where = f"/spaces/{space.id}"
    for path, body in (
        ("wait", '{"until": {"kind": "someday"}, "timeout": 1}'),
        ("wait", '{"until": {"kind": "received"}, "timeout": -1}'),
        ("release", '{"gate": 1}'),
        ("release", '{"gate": "g", "count": -1}'),
        ("replies", '{"replies": 3}'),
    ):
        assert call(fake, "POST", f"{where}/{path}", fake.token, body)[0] == 400, (path, body)


def test_the_process_ends_when_its_owner_goes() -> None:
    command = [sys.executable, "-m", "tgi_conformance.fake_server", "--owner-pipe"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert set(ready) == {"ready", "control", "token", "base_url"}
        assert ask(ready["base_url"]).status == 200
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def test_the_process_ends_cleanly_on_sigterm_and_refuses_bad_options() -> None:
    command = [sys.executable, "-m", "tgi_conformance.fake_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=10) == 0
    refused = subprocess.run(
        [*command, "--script", "/nonexistent"], capture_output=True, check=False, timeout=20
    )
    assert refused.returncode == 2
    assert b"nonexistent" in refused.stderr


def test_the_lag_of_the_heartbeat_is_told(fake: FakeServer) -> None:
    assert 0.0 <= fake.lag() < 60.0
    assert play(fake).journal().lag >= 0.0
