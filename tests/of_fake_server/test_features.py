"""What a script can express beyond plain answers: TLS, origins, limits, chaos, slow sides, odd endings."""

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

import pytest
from raw_http import Wire, ask, request

from tgi_conformance.contracts.script import (
    Chaos,
    Concurrency,
    Delivery,
    Fate,
    Interim,
    Limits,
    Pace,
    Reading,
    Reply,
    Script,
    TokenBucket,
    always,
    answer,
    data,
    done,
    raw,
    status,
    stream,
)
from tgi_conformance.contracts.script.loading import ScriptError, load_script
from tgi_conformance.contracts.script.places import with_origins
from tgi_conformance.fake_server.client import (
    FakeServer,
    Space,
    connections_closed,
    gone,
    open_requests,
    received,
)
from tgi_conformance.fake_server.engine.answers import Answer
from tgi_conformance.fake_server.engine.answers import Exchange as Asked
from tgi_conformance.fake_server.engine.chaos import draw
from tgi_conformance.fake_server.engine.layout import plan_answer
from tgi_conformance.fake_server.engine.plans import Wait, Write
from tgi_conformance.fake_server.engine.traffic import Traffic
from tgi_conformance.fake_server.service.connecting import connect
from tgi_conformance.fake_server.space.certificates import self_signed
from tgi_conformance.fake_server.space.spaces import Spaces

A = b'data: {"a":1}\n\n'
DONE = b"data: [DONE]\n\n"
TWO = stream(data({"a": 1}), done())
KEYS = {"A": "hf_" + "a" * 34, "B": "hf_" + "b" * 34}
BY_A = {"authorization": f"Bearer {KEYS['A']}"}
BY_B = {"authorization": f"Bearer {KEYS['B']}"}


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def play(fake: FakeServer, *replies: Reply, **fields: object) -> Space:
    return fake.space(Script(replies=replies, **fields), keys=KEYS)  # type: ignore[arg-type]


def test_otherwise_answers_generation_requests_and_leaves_the_tokenizer_alone(fake: FakeServer) -> None:
    with play(fake, otherwise=status(400, text="not in the script")) as space:
        for _ in range(3):  # the third is answered from the cache
            assert ask(space.base_url, "/generate").status == 400
            for text in ("one two", "one"):
                answered = ask(space.base_url, "/tokenize", {"inputs": text})
                assert (answered.status, text.split()[-1].encode() in answered.body) == (200, True)


# --- origins and TLS ----------------------------------------------------------------------------------


def test_a_redirect_names_another_origin_of_the_script(fake: FakeServer) -> None:
    moved = status(307, ("location", "{origin:b}/generate"), ("x-two", "{origin:a}|{origin:b}"))
    space = play(fake, moved.where(origin="a"), answer("there").where(origin="b"), origins=("a", "b"))

    first = ask(space.base_url)
    assert first.header("location") == f"{space.url('b')}/generate"
    assert first.header("x-two") == f"{space.url('a')}|{space.url('b')}"
    second = ask(first.header("location") or "")
    assert json.loads(second.body)["generated_text"] == "there"
    assert [exchange.origin for exchange in space.journal()] == ["a", "b"]


def test_appended_replies_name_origins_too(fake: FakeServer) -> None:
    space = play(fake, origins=("a", "b"))
    space.play(status(302, ("location", "{origin:b}")))
    assert ask(space.base_url).header("location") == space.url("b")


def test_a_reply_without_placeholder_stays_the_same_object() -> None:
    reply = status(302, ("location", "/elsewhere"))
    assert with_origins(reply, {}) is reply


def over_tls(space: Space, context: ssl.SSLContext, origin: str = "a") -> bytes:
    parts = urlsplit(space.url(origin))
    assert parts.scheme == "https"
    connection = http.client.HTTPSConnection("127.0.0.1", parts.port or 0, timeout=5, context=context)
    with contextlib.closing(connection):
        connection.request("POST", "/generate", b'{"inputs":"x"}', {"content-type": "application/json"})
        with connection.getresponse() as response:
            return response.read()


def trusting(space: Space) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=space.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def test_a_tls_origin_is_trusted_by_whoever_has_its_certificate(fake: FakeServer) -> None:
    space = play(fake, answer("secret").where(origin="b"), origins=("a", "b"), tls=("b",))
    got = over_tls(space, trusting(space), "b")
    assert json.loads(got)["generated_text"] == "secret"
    (exchange,) = space.journal()
    assert (exchange.origin, exchange.ending) == ("b", "complete")
    assert space.url("a").startswith("http:")


def plain_request(wire: Wire) -> None:
    wire.send(request())


def garbage(wire: Wire) -> None:
    wire.send(b"\x16\x03\x01\x00\x05nonsense")


def leave(wire: Wire) -> None:
    wire.socket.shutdown(socket.SHUT_WR)


def check_names(wire: Wire) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(wire.socket, server_hostname="localhost")


@pytest.mark.parametrize(
    ("behave", "closed_by", "why"),
    [
        (check_names, "server", "the client refused the certificate"),
        (plain_request, "server", "the client spoke plain HTTP"),
        (garbage, "server", "is no TLS handshake"),
        (leave, "client-fin", "the client left during the handshake"),
    ],
)
def test_a_failed_handshake_is_a_connection_without_exchange_and_a_note(
    fake: FakeServer, behave: Callable[[Wire], None], closed_by: str, why: str
) -> None:
    space = play(fake, always(answer(), at_least=0), tls=("a",))
    with Wire(space.base_url) as wire:
        behave(wire)
        space.wait(connections_closed(), 5)
    journal = space.journal()
    (connection,) = journal.connections
    assert (connection.requests, connection.closed_by, journal.exchanges) == (0, closed_by, ())
    (note,) = journal.notes
    assert note.startswith(f"connection {connection.id}: no TLS: ")
    assert why in note
    assert json.loads(over_tls(space, trusting(space)))["generated_text"]


def test_slow_handshakes_leave_others_served(fake: FakeServer) -> None:
    space = play(fake, always(answer("alive")), tls=("a",))
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Wire(space.base_url)) for _ in range(50)]
        for wire in slow:
            wire.send(b"\x16\x03\x01")
        assert b"alive" in over_tls(space, trusting(space))
        assert space.journal().notes == ()


@pytest.mark.parametrize("ending", ["fin", "rst", "half-close"])
def test_faults_work_over_tls(fake: FakeServer, ending: str) -> None:
    space = play(fake, answer("x").cut(ending, byte=5), tls=("a",))
    with pytest.raises((http.client.IncompleteRead, OSError)):
        over_tls(space, trusting(space))
    (exchange,) = space.journal()
    assert exchange.ending == "fault"


def test_each_certificate_has_a_key_of_its_own() -> None:
    one, other = self_signed(["localhost"]), self_signed(["localhost"])
    assert one.key_pem != other.key_pem
    one.server_context()


# --- before and beside the answer ---------------------------------------------------------------------


def test_interim_answers_come_before_a_held_head(fake: FakeServer) -> None:
    hints = (Interim(status=102), Interim(status=103, headers=(("link", "</a>"),)))
    space = play(fake, answer("x").deliver(interim=hints).held("head"))
    with Wire(space.base_url) as wire:
        wire.send(request())
        assert wire.read_until(b"\r\n\r\n") == b"HTTP/1.1 102 Processing\r\n\r\n"
        assert wire.read_until(b"\r\n\r\n") == b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        (waiting,) = space.journal()
        assert (waiting.status, waiting.reply_at) == (None, None)
        space.release("head")
        assert wire.response().status == 200


def test_101_is_no_interim_answer() -> None:
    with pytest.raises(ValueError, match="101"):
        Interim(status=101)


def test_a_paced_answer_comes_in_small_writes(fake: FakeServer) -> None:
    space = play(fake, TWO.deliver(splits="whole", pace=Pace(bytes=10, every_ms=1)))
    got = ask(space.base_url)
    assert got.body == A + DONE
    assert {len(chunk) for chunk in got.chunks[:-1]} == {10}


def test_a_paced_head_is_written_in_pieces() -> None:
    delivery = Delivery(pace=Pace(bytes=8, every_ms=2, head=True))
    steps = plan_answer(Answer(200, parts=(b"hello",)), Asked(date="x"), delivery).steps
    assert [len(step.data) for step in steps if isinstance(step, Write)][:3] == [8, 8, 8]
    assert steps[1] == Wait(0.002)


@pytest.mark.parametrize("byte", [0, 1, 9, 16, 40])
def test_a_head_can_be_cut_at_any_byte(fake: FakeServer, byte: int) -> None:
    space = play(fake, answer("x").cut("fin", head_byte=byte))
    with Wire(space.base_url) as wire:
        wire.send(request())
        got, how = wire.read_to_end()
    assert (len(got), how) == (byte, "fin")
    assert b"HTTP/1.1 200 OK\r\n".startswith(got[:17])


def test_an_endless_stream_repeats_from_an_event_until_the_client_goes(fake: FakeServer) -> None:
    space = play(fake, TWO.cut("endless", event=1))
    with Wire(space.base_url) as wire:
        wire.send(request())
        got = wire.read_until(b"\r\n\r\n") + wire.read(2000)
    chunk = b"%X\r\n%b\r\n" % (len(DONE), DONE)
    assert got.count(chunk) > 20
    assert got.count(A) == 1
    (exchange,) = space.wait(gone(1), 5).exchanges
    assert (exchange.ending, exchange.status) == ("client", 200)


def test_endless_headers_come_from_raw_bytes(fake: FakeServer) -> None:
    space = play(fake, raw(b"HTTP/1.1 200 OK\r\nx: y\r\n").cut("endless", byte=17))
    with Wire(space.base_url) as wire:
        wire.send(request())
        assert wire.read(17 + 600) == b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100


def test_nothing_to_repeat_is_silence(fake: FakeServer) -> None:
    space = play(fake, status(200, text="abc").cut("endless", byte=3))
    with Wire(space.base_url) as wire:
        wire.send(request())
        assert wire.read_until(b"abc")
        assert wire.is_silent(0.02)


def test_half_close_leaves_the_other_direction_open(fake: FakeServer) -> None:
    space = play(fake, TWO.cut("half-close", event=1))
    with Wire(space.base_url) as wire:
        wire.send(request())
        got, how = wire.read_to_end()
        assert (got.endswith(b"\r\n" + A + b"\r\n"), how) == (True, "fin")
        assert space.journal().connections[0].closed_at is None
        wire.send(b"x")


# --- slow reading -------------------------------------------------------------------------------------


def test_a_reader_that_stops_makes_the_client_wait(fake: FakeServer) -> None:
    space = play(fake, answer("read"), reading=Reading(stop_after=100, gate="read"))
    body = {"inputs": "x" * 3_000_000}
    sent = threading.Event()
    with Wire(space.base_url) as wire:
        thread = threading.Thread(target=lambda: (wire.send(request(body=body)), sent.set()))
        thread.start()
        assert not sent.wait(0.05)
        assert space.journal().exchanges == ()
        space.release("read")
        assert wire.response().status == 413
        thread.join()


def test_a_slow_reader_still_gets_the_whole_request(fake: FakeServer) -> None:
    space = play(fake, answer("read"), reading=Reading(bytes=16, every_ms=0.2))
    assert json.loads(ask(space.base_url, body={"inputs": "x" * 400}).body)["generated_text"] == "read"
    (exchange,) = space.journal()
    assert exchange.received_at > exchange.first_byte_at
    assert exchange.json() == {"inputs": "x" * 400}


# --- limits -------------------------------------------------------------------------------------------


def test_a_bucket_is_one_for_each_key_and_refusals_use_up_no_reply(fake: FakeServer) -> None:
    limits = Limits(bucket=TokenBucket(capacity=1, per_second=0.01))
    space = play(fake, answer("1"), answer("2"), limits=limits)
    codes = [ask(space.base_url, headers=key).status for key in (BY_A, BY_A, BY_B, BY_B)]
    assert codes == [200, 429, 200, 429]
    journal = space.journal()
    assert [exchange.reply for exchange in journal] == ["0", "limit:bucket", "1", "limit:bucket"]
    assert not journal.unmet


def test_a_bucket_says_when_to_come_back(fake: FakeServer) -> None:
    refusal = status(429, ("Retry-After", "{retry-after}"), text="later")
    limits = Limits(bucket=TokenBucket(capacity=1, per_second=0.02, by="space", reply=refusal))
    space = play(fake, always(answer()), limits=limits)
    ask(space.base_url, headers=BY_A)
    refused = ask(space.base_url, headers=BY_B)
    assert (refused.header("Retry-After"), refused.body) == ("50", b"later")


class Exchange:
    def __init__(self, key: str) -> None:
        self.key = key
        self.unanswered = True


def test_tokens_come_back_with_time_and_no_more_than_fit() -> None:
    traffic = Traffic(Limits(bucket=TokenBucket(capacity=2, per_second=1)))

    def refused(at: float) -> bool:
        return traffic.refusal(Exchange("A"), at) is not None

    assert [refused(0), refused(0), refused(0.5)] == [False, False, True]
    assert [refused(1.0), refused(1.0)] == [False, True]
    assert [refused(100), refused(100), refused(100)] == [False, False, True]


def test_a_concurrency_limit_counts_what_is_open_by_key() -> None:
    traffic = Traffic(Limits(concurrency=Concurrency(most=1)))
    first = Exchange("A")
    assert traffic.refusal(first, 0) is None
    assert traffic.refusal(Exchange("B"), 0) is None
    assert traffic.refusal(Exchange("A"), 0) is not None
    first.unanswered = False
    assert traffic.refusal(Exchange("A"), 0) is None


def test_a_concurrency_limit_refuses_while_another_is_held(fake: FakeServer) -> None:
    limits = Limits(concurrency=Concurrency(most=1, by="space", reply=status(503, text="full")))
    space = play(fake, answer().held("g"), always(answer("free")), limits=limits)
    with Wire(space.base_url) as wire:
        wire.send(request())
        space.wait(open_requests(1), 5)
        assert ask(space.base_url).status == 503
        space.release("g")
        wire.response()
    assert ask(space.base_url).status == 200


# --- chaos --------------------------------------------------------------------------------------------

CHAOS = Chaos(
    seed=7,
    fates=(
        Fate(weight=4),
        Fate(name="busy", weight=2, reply=status(503, text="busy")),
        Fate(name="cut", weight=2, cut="fin", byte=(0, 60)),
        Fate(name="late", weight=1, delay_ms=(0, 2)),
    ),
    nonce=r"nonce-\w+",
)


def fates(fake: FakeServer, order: list[int]) -> Mapping[tuple[int, int], tuple[int | None, int]]:
    """(call, attempt) -> (status, bytes sent), with calls made in that order."""
    space = play(fake, chaos=CHAOS)
    for call in order:
        with Wire(space.base_url) as wire:
            wire.send(request(body={"inputs": f"nonce-{call}"}, headers={"connection": "close"}))
            wire.read_to_end()
    seen: dict[int, int] = {}
    found = {}
    for exchange in space.close():
        call = int(str(exchange.json()["inputs"]).partition("-")[2])  # type: ignore[index, call-overload]
        seen[call] = attempt = seen.get(call, -1) + 1
        found[call, attempt] = (exchange.status, exchange.sent_bytes)
    return found


def test_each_call_has_the_same_fate_whatever_the_interleaving(fake: FakeServer) -> None:
    one_by_one = fates(fake, [call for call in range(12) for _ in range(2)])
    mixed = fates(fake, [*range(11, -1, -1), *range(12)])
    assert one_by_one == mixed
    assert {code for code, _ in mixed.values()} == {200, 503}
    assert len({sent for _, sent in mixed.values()}) > 3


def test_the_lot_depends_on_seed_key_nonce_and_attempt() -> None:
    def drawn(seed: int = 1, key: str = "A", nonce: str = "n", attempt: int = 0) -> list[str]:
        chaos = Chaos(seed=seed, fates=CHAOS.fates)
        return [draw(chaos, key, f"{nonce}{number}", attempt).name for number in range(40)]

    assert drawn() == drawn()
    assert len({tuple(drawn()), tuple(drawn(2)), tuple(drawn(key="B")), tuple(drawn(attempt=1))}) == 4


def test_weights_are_kept_in_the_long_run() -> None:
    names = [draw(CHAOS, "A", str(number), 0).name for number in range(3000)]
    assert abs(names.count("chaos:busy") / 3000 - 2 / 9) < 0.03
    cuts = [draw(CHAOS, "A", str(number), 0).fault for number in range(3000)]
    bytes_cut = {fault.byte for fault in cuts if fault is not None}
    assert bytes_cut == set(range(61))


def test_without_a_nonce_the_body_names_the_call(fake: FakeServer) -> None:
    chaos = Chaos(seed=3, fates=(Fate(), Fate(reply=status(500))))
    codes = [
        [ask(space.base_url, body={"inputs": str(number)}).status for number in range(8)]
        for space in (play(fake, chaos=chaos), play(fake, chaos=chaos))
    ]
    assert codes[0] == codes[1]
    assert set(codes[0]) == {200, 500}


# --- Nagle --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nagle", [False, True])
def test_nagle_decides_over_tcp_nodelay(nagle: bool) -> None:  # noqa: FBT001
    async def nodelay() -> int:
        spaces = Spaces(connect, "127.0.0.1", max_body=1000)
        space = await spaces.open(Script(nagle=nagle), {})
        reader, writer = await asyncio.open_connection("127.0.0.1", space.ports["a"])
        writer.write(request("/health", method="GET"))
        await reader.readuntil(b"\r\n\r\n")
        (connection,) = space.connections
        value = connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        await writer.wait_closed()
        spaces.retire_all()
        while space.connections:
            await asyncio.sleep(0)
        return value

    assert bool(asyncio.run(asyncio.wait_for(nodelay(), 5))) is not nagle


# --- what is refused ----------------------------------------------------------------------------------

TGI = {"tgi": {}}
REFUSED = {
    "unknown origin in a header": (
        {"replies": [{"response": {"headers": [["location", "{origin:z}"]]}}]},
        "/replies/0/response/headers/0/1",
    ),
    "TLS on no origin": ({"tls": ["b"]}, "/tls/0"),
    "TLS where nobody listens": ({"origins": ["a", "refused:b"], "tls": ["refused:b"]}, "/tls/0"),
    "a stop without gate": ({"reading": {"stop_after": 3}}, "/reading"),
    "chaos without fates": ({"chaos": {"fates": []}}, "/chaos/fates"),
    "chaos with a broken pattern": ({"chaos": {"fates": [{}], "nonce": "("}}, "/chaos/nonce"),
    "a fate that does two things": ({"chaos": {"fates": [{"reply": TGI, "cut": "fin"}]}}, "/chaos/fates/0"),
    "a fate of descending range": ({"chaos": {"fates": [{"cut": "fin", "byte": [2, 1]}]}}, "/chaos/fates/0"),
    "a limit that chooses requests": (
        {"limits": {"concurrency": {"most": 1, "reply": {**TGI, "when": {"key": "A"}}}}},
        "/limits/concurrency/reply",
    ),
    "a bucket that never fills": ({"limits": {"bucket": {"capacity": 1, "per_second": 0}}}, None),
    "endless after the head": (
        {"replies": [{**TGI, "delivery": {"fault": {"ending": "endless", "at": "head"}}}]},
        "/replies/0/delivery/fault",
    ),
    "the head of raw bytes": (
        {
            "replies": [
                {"raw": {"base64": ""}, "delivery": {"fault": {"ending": "fin", "head_byte": 1}}},
            ]
        },
        "/replies/0/delivery/fault/head_byte",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_played_is_refused_with_its_place(case: str) -> None:
    value, pointer = REFUSED[case]
    with pytest.raises(ScriptError) as refused:
        load_script(value)  # type: ignore[arg-type]
    assert pointer is None or refused.value.pointer == pointer


def test_received_counts_requests_that_limits_refuse(fake: FakeServer) -> None:
    space = play(fake, limits=Limits(bucket=TokenBucket(capacity=1, per_second=0.01)))
    ask(space.base_url)
    ask(space.base_url)
    assert len(space.wait(received(2), 5).generations) == 2
