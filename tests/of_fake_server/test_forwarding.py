"""Replies that forward: a second fake server is the real one, and its answers are played as they come."""

import json
from collections.abc import Callable, Iterator

import pytest
from http2_wire import Http2Wire
from raw_http import Wire, ask, request

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.script import (
    Body,
    Reply,
    Response,
    Script,
    always,
    answer,
    data,
    done,
    forwarded,
    status,
    stream,
)
from tgi_conformance.contracts.script.loading import ScriptError
from tgi_conformance.fake_server.client import FakeServer, Space, WaitTimeout, answered, gone, open_requests

KEY = {"authorization": "Bearer hf_" + "k" * 34}
EVENTS = (b'data: {"token":"a"}\n\n', b'data: {"token":"\xc3\xa9"}\n\n', b"data: [DONE]\n\n")
STREAM = stream(data({"token": "a"}), data({"token": "é"}), done())
WHOLE = b"".join(EVENTS)


@pytest.fixture(scope="module")
def plain() -> Iterator[FakeServer]:
    """A server without an upstream."""
    with FakeServer.start() as server:
        yield server


@pytest.fixture(scope="module")
def real(plain: FakeServer) -> Iterator[Space]:
    """What stands for the real server; each test plays what it is to answer, on a path of its own."""
    with plain.space(Script(mount="/real", origins=("a", "refused:b"))) as space:
        yield space


@pytest.fixture(scope="module")
def front(real: Space) -> Iterator[FakeServer]:
    with FakeServer.start(extra_args=["--upstream", real.base_url]) as server:
        yield server


Asked = dict[str, str]
Meet = Callable[[Reply], Asked]


@pytest.fixture
def meet(real: Space) -> Meet:
    """Let the real server answer a prompt that is one test's alone; gives the body that asks it."""

    def play(reply: Reply) -> Asked:
        prompt = f"prompt {len(real.journal().replies)}."
        real.play(always(reply.where(contains=prompt), at_least=0))
        return {"inputs": prompt}

    return play


def over(space: Space) -> Exchange:
    """The one exchange of a space, once it is over."""
    return space.wait(answered(1), 5).exchanges[0]


def of_real(real: Space, asked: Asked) -> tuple[Exchange, ...]:
    return real.journal().select(lambda exchange: exchange.json() == asked)


def test_what_comes_back_is_relayed_as_it_came(front: FakeServer, real: Space, meet: Meet) -> None:
    body = '{"é": 1}'.encode()
    came = Response(
        status=418, reason="Short And Stout", headers=(("X-Two", "1"), ("X-Two", "2")), body=Body(base64=body)
    )
    asked = meet(Reply(response=came))
    with front.space(Script(replies=(forwarded(),))) as space:
        got = ask(space.base_url, "/generate?a=b", asked, headers=KEY)
        kept = over(space).answer
    assert got.status_line == "HTTP/1.1 418 Short And Stout"
    assert [pair for pair in got.headers if pair[0] == "X-Two"] == [("X-Two", "1"), ("X-Two", "2")]
    assert (got.body, got.header("content-length")) == (body, str(len(body)))
    (there,) = of_real(real, asked)
    assert there.target == "/real/generate?a=b"
    assert there.header("authorization") == KEY["authorization"]
    assert kept is not None
    assert (kept.status, kept.reason, kept.body, kept.upstream) == (418, "Short And Stout", body, "complete")
    assert ("X-Two", "2") in kept.headers


def test_the_first_event_is_there_before_the_second_was_sent(
    front: FakeServer, real: Space, meet: Meet
) -> None:
    asked = meet(STREAM.held("second", event=1))
    with front.space(Script(replies=(forwarded(),))) as space, Wire(space.base_url) as wire:
        wire.send(request(body=asked))
        wire.read_until(EVENTS[0] + b"\r\n")
        assert wire.is_silent(0.05)
        real.release("second")
        assert wire.read_until(b"0\r\n\r\n").endswith(EVENTS[2] + b"\r\n0\r\n\r\n")
        kept = over(space).answer
    assert kept is not None
    assert kept.body == WHOLE
    assert [part.at for part in kept.parts] == sorted(part.at for part in kept.parts)


def test_an_errors_head_waits_for_its_text_which_a_client_may_not_stay_for(
    front: FakeServer, real: Space, meet: Meet
) -> None:
    asked = meet(status(500, json={"error": "the GPU is on fire"}).held("text", byte=0))
    with front.space(Script(replies=(forwarded(),))) as space:
        with Wire(space.base_url) as wire:
            wire.send(request(body=asked))
            assert wire.is_silent(0.05)
            real.release("text")
            wire.read_until(b"\r\n\r\n")
        kept = over(space).answer
    assert kept is not None
    assert b"the GPU is on fire" in kept.body


def test_an_error_that_is_cut_at_its_head_is_over_there(front: FakeServer, meet: Meet) -> None:
    asked = meet(status(500, json={"error": "no"}))
    with front.space(Script(replies=(forwarded().cut("rst", at="head"),))) as space:
        with Wire(space.base_url) as wire:
            wire.send(request(body=asked))
            assert wire.read_to_end()[1] == "rst"
        exchange = over(space)
        assert space.journal().faults == ()
    assert exchange.ending == "fault"


def test_an_error_whose_text_never_comes_breaks_off_behind_its_head(front: FakeServer, meet: Meet) -> None:
    asked = meet(status(500, json={"error": "no more"}).cut("fin", byte=0))
    with front.space(Script(replies=(forwarded(),))) as space, Wire(space.base_url) as wire:
        wire.send(request(body=asked))
        head, ending = wire.read_to_end()
        kept = over(space).answer
    assert head.startswith(b"HTTP/1.1 500 ")
    assert ending == "fin"
    assert kept is not None
    assert kept.upstream == "fin"


@pytest.mark.parametrize("http_2", [False, True])
@pytest.mark.parametrize(
    ("place", "sent"),
    [
        ({"byte": 7}, WHOLE[:7]),
        ({"event": 2}, EVENTS[0] + EVENTS[1]),
        ({"at": "head"}, b""),
        ({"byte": len(WHOLE)}, WHOLE),
    ],
)
def test_a_real_stream_is_cut_anywhere(
    front: FakeServer, meet: Meet, place: dict[str, object], sent: bytes, *, http_2: bool
) -> None:
    asked = meet(STREAM)
    with front.space(Script(replies=(forwarded().cut("rst", **place),))) as space:
        if http_2:
            with Http2Wire(space.base_url) as client:
                client.ask(body=asked)
                assert client.until_over() == "rst"
        else:
            with Wire(space.base_url) as wire:
                wire.send(request(body=asked))
                assert wire.read_to_end()[1] == "rst"
        exchange = over(space)
    assert exchange.ending == "fault"
    assert exchange.answer is not None
    assert exchange.answer.body == sent


def test_over_http_2_head_body_and_end_are_the_same(front: FakeServer, meet: Meet) -> None:
    asked = meet(STREAM)
    with front.space(Script(replies=(forwarded(),))) as space, Http2Wire(space.base_url) as client:
        got = client.answer(body=asked)
    assert (got.status, got.body, got.ended) == (200, WHOLE, True)
    assert got.header("content-type") == "text/event-stream"
    assert "transfer-encoding" not in got.names


def test_a_hold_before_an_event_holds_the_real_one(front: FakeServer, meet: Meet) -> None:
    asked = meet(STREAM)
    held = Script(replies=(forwarded().held("gate", event=1),))
    with front.space(held) as space, Wire(space.base_url) as wire:
        wire.send(request(body=asked))
        wire.read_until(EVENTS[0] + b"\r\n")
        assert wire.is_silent(0.05)
        space.release("gate")
        wire.read_until(b"0\r\n\r\n")


@pytest.mark.parametrize("http_2", [False, True])
def test_a_client_that_leaves_ends_the_exchange_with_the_real_server(
    front: FakeServer, real: Space, meet: Meet, *, http_2: bool
) -> None:
    asked = meet(STREAM.held(f"never-{http_2}", event=1))
    # Those of other tests in this process, whichever these are.
    before = sum(exchange.gone_at is not None for exchange in real.journal())
    with front.space(Script(replies=(forwarded(),))) as space:
        client = Http2Wire(space.base_url) if http_2 else Wire(space.base_url)
        with client:
            if isinstance(client, Http2Wire):
                stream_id = client.ask(body=asked)
                client.until(stream_id, EVENTS[0])
            else:
                client.send(request(body=asked))
                client.read_until(EVENTS[0])
        exchange = space.wait(gone(1), 1.0).exchanges[0]
        real.wait(gone(before + 1), 1.0)
    assert [each.ending for each in of_real(real, asked)] == ["client"]
    assert exchange.answer is not None
    assert exchange.answer.upstream == "left"
    assert exchange.answer.problem == "the rest of the answer had not come"


def test_where_our_own_delivery_held_the_answer_nothing_is_said_of_the_real_server(
    front: FakeServer, meet: Meet
) -> None:
    asked = meet(STREAM.deliver(splits="whole"))
    with front.space(Script(replies=(forwarded().held("never-ours", event=1),))) as space:
        with Wire(space.base_url) as wire:
            wire.send(request(body=asked))
            wire.read_until(EVENTS[0])
        answer = space.wait(gone(1), 1.0).exchanges[0].answer
    assert answer is not None
    assert (answer.problem, answer.upstream) in {("", "left"), ("", "complete")}


def test_a_client_that_reads_slowly_slows_the_real_server(front: FakeServer, real: Space, meet: Meet) -> None:
    size = 64 * 1024 * 1024
    asked = meet(Reply(response=Response(body=Body(text="x" * size))))
    with front.space(Script(replies=(forwarded(),))) as space, Wire(space.base_url) as wire:
        wire.send(request(body=asked))
        wire.read(1000)
        # All buffers on the way are full once nothing moves any more.
        before, sent = -1, 0
        while sent != before:
            with pytest.raises(WaitTimeout):
                real.wait(open_requests(2), 0.2)
            before, sent = sent, of_real(real, asked)[0].sent_bytes
        assert 0 < sent < size / 2
        left = size // 2
        while left > 0:
            left -= len(wire.socket.recv(1 << 20))
        assert of_real(real, asked)[0].sent_bytes > sent


def test_nothing_forwarded_is_remembered(front: FakeServer, real: Space, meet: Meet) -> None:
    asked = meet(answer("same"))
    with front.space(Script(replies=(always(forwarded()),))) as space, Wire(space.base_url) as wire:
        for _ in range(4):
            wire.send(request(body=asked))
            assert wire.response().status == 200
    assert len(of_real(real, asked)) == 4


def test_a_fault_that_is_never_reached_is_noted_and_the_answer_is_whole(
    front: FakeServer, meet: Meet
) -> None:
    asked = meet(STREAM)
    with front.space(Script(replies=(forwarded().cut("rst", event=9).named("late"),))) as space:
        assert ask(space.base_url, body=asked).body == WHOLE
        journal = space.wait(answered(1), 5)
    assert journal.exchanges[0].ending == "complete"
    assert journal.notes == ("late: the answer ended before the place of the fault",)


def test_an_answer_that_breaks_off_is_told_from_one_that_we_cut(front: FakeServer, meet: Meet) -> None:
    asked = meet(STREAM.cut("fin", event=1))
    with front.space(Script(replies=(forwarded(),))) as space, Wire(space.base_url) as wire:
        wire.send(request(body=asked))
        assert wire.read_to_end()[0].endswith(EVENTS[0] + b"\r\n")
        kept = over(space).answer
    assert kept is not None
    assert (kept.upstream, kept.body) == ("fin", EVENTS[0])


def test_a_real_server_that_cannot_be_reached_is_a_502_that_says_so(real: Space) -> None:
    with (
        FakeServer.start(extra_args=["--upstream", real.url("refused:b")]) as server,
        server.space(Script(replies=(forwarded(),))) as space,
    ):
        got = ask(space.base_url)
        kept = over(space).answer
    assert got.status == 502
    assert b"cannot be reached" in got.body
    assert kept is not None
    assert (kept.upstream, kept.status) == ("failed", None)
    assert "cannot be reached" in kept.problem


def test_with_an_upstream_what_is_not_scripted_goes_there_whatever_it_asks(plain: FakeServer) -> None:
    with plain.space(Script(replies=(always(status(204).where(path="/info", method="GET")),))) as there:
        with FakeServer.start(extra_args=["--upstream", there.base_url]) as server:
            assert ask(server.base_url, "/info", method="GET").status == 204
            assert ask(server.base_url, "/nowhere").status == 404
            assert json.loads(ask(server.base_url).body)["generated_text"] == "echo: x"
        assert [exchange.path for exchange in there.journal()] == ["/info", "/nowhere", "/generate"]


def test_without_an_upstream_a_script_that_forwards_is_refused_with_its_place(plain: FakeServer) -> None:
    with pytest.raises(ScriptError, match=r"/replies/1/forward: .*--upstream URL"):
        plain.space(Script(replies=(answer("a"), forwarded())))
    with pytest.raises(ScriptError, match=r"/otherwise/forward"):
        plain.space(Script(otherwise=forwarded()))
    with plain.space(Script()) as space, pytest.raises(ScriptError, match=r"/0/forward"):
        space.play(forwarded())


def test_what_is_forwarded_has_no_end_that_repeats() -> None:
    with pytest.raises(ValueError, match="cannot be repeated"):
        forwarded().cut("endless", event=1)
