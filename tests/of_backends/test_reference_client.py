"""The reference client against a server on loopback that is written here, byte by byte."""

import asyncio
import gc
import json
import queue
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from tgi_conformance.backends import reference
from tgi_conformance.backends.reference import (
    AsyncClient,
    AuthenticationError,
    Client,
    ClosedError,
    InvalidArgumentError,
    PayloadTooLargeError,
    ProtocolError,
    QueueFullError,
    RateLimitError,
    RedirectError,
    RequestTimeoutError,
    TransportError,
    TruncatedStreamError,
    UnknownEndpointError,
)

HI = [{"role": "user", "content": "hi"}]
PATIENCE = 5.0


class Request:
    """One request as the server got it, and the means to answer it."""

    def __init__(self, head, body, writer):
        first, *lines = head.decode("latin-1").split("\r\n")
        self.path = first.split(" ")[1]
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines if line]
        self.json = json.loads(body)
        self.text = json.dumps(self.json)
        self.at = time.monotonic()
        self.writer = writer
        self.gone = threading.Event()

    def header(self, name):
        return [value for key, value in self.headers if key.lower() == name]


class Server:
    """Answers each request with the next of its replies (bytes, or a coroutine function)."""

    def __init__(self):
        self.replies = []
        self.seen = []
        self.arrived = queue.Queue()
        self.open = 0
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)))
        self._thread.start()
        assert ready.wait(PATIENCE)

    async def _serve(self, ready):
        self.loop, self._stop, self._tasks = asyncio.get_running_loop(), asyncio.Event(), set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await self._stop.wait()
        server.close()

    def close(self):
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(PATIENCE)

    async def _connection(self, reader, writer):
        self.open += 1
        request = None
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line[15:])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                request = Request(head[:-4], await reader.readexactly(length), writer)
                self.seen.append(request)
                self.arrived.put(request)
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if isinstance(reply, bytes):
                    writer.write(reply)
                else:
                    await self._until_gone(reply(request, writer), reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            if request is not None:
                request.gone.set()
            writer.close()

    async def _until_gone(self, work, reader):
        """Do ``work`` unless the client closes its side first."""
        doing, gone = asyncio.ensure_future(work), asyncio.ensure_future(reader.read(1))
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        for task in (doing, gone):
            task.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)
        if gone.done() and not gone.cancelled():
            raise ConnectionError


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def client():
    with Client() as client:
        yield client


def reply(status, body=b"", *lines, kind="application/json"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(data)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data


def answer(text="ok"):
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return reply(
        200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
    )


def frame(text, reason=None):
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BUSY = reply(429, {"error": "Model is overloaded", "error_type": "overloaded"})


def chunked(*frames, end=True):
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in frames)
    return STREAM_HEAD + body + (b"0\r\n\r\n" if end else b"")


async def endless(_, writer):
    writer.write(STREAM_HEAD)
    while True:
        part = frame("x")
        writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        await writer.drain()
        await asyncio.sleep(0.005)


async def silent(*_):
    await asyncio.Event().wait()


async def hang_up(_, writer):
    writer.close()
    raise ConnectionError


def endpoint(client, server, **settings):
    given = {
        "base_url": server.url,
        "initial_retry_delay": 0.01,
        "max_retries": 2,
        "api_key": "hf_canary",
        **settings,
    }
    return client.create_endpoint(**given)


def stats(client, *names, of=None):
    counts = client.get_stats(of)
    return tuple(counts[f"{name}_requests"] for name in names)


def test_a_call_carries_key_id_and_model_and_gives_them_back(client, server):
    server.replies = [answer(" hi ")]
    endpoint(client, server)
    given = client.chat(HI, request_id="req-1")
    assert (given.text, given.request_id, given.usage.total_tokens) == (" hi ", "req-1", 10)
    (request,) = server.seen
    assert request.header("authorization") == ["Bearer hf_canary"]
    assert request.header("x-request-id") == ["req-1"]
    assert request.header("accept-encoding") == ["identity"]
    assert "hf_canary" not in request.text + request.path


def test_without_a_key_there_is_no_authorization(client, server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    server.replies = [answer()]
    endpoint(client, server, api_key=None)
    client.chat(HI)
    assert server.seen[0].header("authorization") == []


def test_a_retried_call_sends_the_same_again_and_counts_once(client, server):
    server.replies = [BUSY, reply(503, b"<html>"), answer()]
    endpoint(client, server)
    assert client.chat(HI).text == "ok"
    first, second, third = server.seen
    assert first.text == second.text == third.text
    assert first.header("x-request-id") == second.header("x-request-id") == third.header("x-request-id")
    assert stats(client, "total", "successful", "failed") == (1, 1, 0)


@pytest.mark.parametrize("retries", [0, 2])
def test_after_the_last_attempt_the_error_is_what_it_was(client, server, retries):
    server.replies = [reply(429, b"slow", "retry-after: 0")]
    endpoint(client, server, max_retries=retries)
    with pytest.raises(RateLimitError) as caught:
        client.chat(HI, request_id="r")
    assert (caught.value.status, caught.value.retry_after, caught.value.request_id) == (429, 0.0, "r")
    assert len(server.seen) == 1 + retries


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 422, 424, 500])
def test_an_error_that_another_attempt_will_not_mend_is_sent_once(client, server, status):
    server.replies = [reply(status)]
    endpoint(client, server)
    with pytest.raises(reference.StatusError) as caught:
        client.chat(HI)
    assert caught.value.status == status
    assert len(server.seen) == 1


def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once(client, server):
    server.replies = [reply(429, b"", "retry-after: 86400")]
    endpoint(client, server)
    with pytest.raises(RateLimitError) as caught:
        client.chat(HI, deadline=PATIENCE)
    assert caught.value.retry_after == 86400
    assert len(server.seen) == 1


def test_a_connection_closed_without_an_answer_is_tried_again(client, server):
    server.replies = [hang_up, answer()]
    endpoint(client, server)
    assert client.chat(HI).text == "ok"


def test_a_refused_connection_is_a_transport_error(client, server):
    server.close()
    endpoint(client, server)
    with pytest.raises(TransportError) as caught:
        client.chat(HI)
    assert caught.value.fault == "refused"


@pytest.mark.parametrize(
    ("bytes_", "kind"),
    [
        (b"HTP/9 what\r\n\r\n", TransportError),
        (answer()[:-1], TransportError),
        (reply(200, b"<html>", kind="text/html"), ProtocolError),
        (reply(200, b"xx", "content-encoding: gzip"), ProtocolError),
        (reply(204), ProtocolError),
        (reply(413, b"too large"), PayloadTooLargeError),
    ],
)
def test_what_is_no_answer_is_an_error_and_not_tried_again(client, server, bytes_, kind):
    async def once(request, writer):
        writer.write(bytes_)
        await writer.drain()
        await hang_up(request, writer)

    server.replies = [once]
    endpoint(client, server)
    with pytest.raises(kind):
        client.chat(HI)
    assert len(server.seen) == 1
    assert stats(client, "total", "failed") == (1, 1)


def test_silence_ends_in_a_timeout_and_so_does_a_deadline(client, server):
    server.replies = [silent]
    endpoint(client, server, timeout=0.1)
    with pytest.raises(RequestTimeoutError) as caught:
        client.chat(HI)
    assert caught.value.phase == "read"
    patient = endpoint(client, server)
    with pytest.raises(RequestTimeoutError) as caught:
        client.chat(HI, endpoint_id=patient, deadline=0.1)
    assert caught.value.phase == "total"
    assert client.get_stats()["current_requests"] == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_to_another_origin_is_followed(client, server, httpserver_ipv4, status):
    # The same host by the same name: only the port makes it another origin.
    elsewhere = httpserver_ipv4.url_for("/v1/chat/completions")
    httpserver_ipv4.expect_request("/v1/chat/completions").respond_with_data("answered by another origin")
    server.replies = [reply(status, b"", f"location: {elsewhere}")]
    endpoint(client, server)
    with pytest.raises(RedirectError):
        client.chat(HI)
    assert httpserver_ipv4.log == []


def test_an_independent_server_is_spoken_to_as_any(client, httpserver):
    path, key = "/v1/chat/completions", {"authorization": "Bearer hf_canary"}
    httpserver.expect_ordered_request(path, headers=key).respond_with_data("busy", 429, {"retry-after": "0"})
    httpserver.expect_ordered_request(path, headers=key).respond_with_data(
        answer().partition(b"\r\n\r\n")[2], content_type="application/json"
    )
    client.create_endpoint(base_url=httpserver.url_for(""), api_key="hf_canary", initial_retry_delay=0.01)
    assert client.chat(HI).text == "ok"
    httpserver.check_assertions()
    assert len(httpserver.log) == 2


def test_a_redirect_within_the_origin_keeps_the_post_and_a_loop_ends(client, server):
    server.replies = [reply(308, b"", "location: /elsewhere"), answer()]
    endpoint(client, server)
    assert client.chat(HI).text == "ok"
    assert [request.path for request in server.seen] == ["/v1/chat/completions", "/elsewhere"]
    assert server.seen[0].text == server.seen[1].text
    server.replies = [reply(307, b"", "location: /v1/chat/completions")]
    with pytest.raises(RedirectError, match="loop"):
        client.chat(HI)


def test_the_key_is_in_no_error_even_if_the_server_echoes_it(client, server):
    server.replies = [reply(401, {"error": "bad key Bearer hf_canary", "error_type": "hf_canary"})]
    endpoint(client, server)
    with pytest.raises(AuthenticationError) as caught:
        client.chat(HI)
    error = caught.value
    texts = [str(error), repr(error), str(error.args), error.excerpt, str(error.error_type), repr(client)]
    assert not any("hf_canary" in text for text in texts)
    assert error.__cause__ is None


# streams


def test_a_stream_gives_its_pieces_and_keeps_its_connection(client, server):
    server.replies = [chunked(frame("a"), frame("b", "stop"), DONE)]
    endpoint(client, server)
    for _ in range(3):
        stream = client.chat(HI, stream=True)
        assert "".join(piece.text for piece in stream) == "ab"
        assert stream.finish_reason == "stop"
    assert server.open == 1
    assert stats(client, "successful") == (3,)


def test_a_stream_ends_at_done_though_the_socket_stays_open(client, server):
    async def half(request, writer):
        writer.write(chunked(frame("a"), DONE, b"data: junk\n\n", end=False))
        await writer.drain()
        await silent(request, writer)

    server.replies = [half]
    endpoint(client, server)
    assert [piece.text for piece in client.chat(HI, stream=True)] == ["a"]


@pytest.mark.parametrize("end", [True, False])
def test_a_stream_without_its_mark_is_an_error_after_its_pieces(client, server, end):
    async def cut(request, writer):
        writer.write(chunked(frame("a"), end=end))
        await writer.drain()
        await hang_up(request, writer)

    server.replies = [cut]
    endpoint(client, server)
    stream = client.chat(HI, stream=True)
    assert next(stream).text == "a"
    with pytest.raises(TruncatedStreamError if end else TransportError):
        next(stream)
    with pytest.raises(ClosedError):
        next(stream)
    assert len(server.seen) == 1
    assert stats(client, "successful", "failed") == (0, 1)


def test_an_overloaded_first_event_is_tried_again_and_a_later_one_is_not(client, server):
    busy = b'data: {"error":{"message":"Model is overloaded","http_status_code":422}}\n\n'
    server.replies = [chunked(busy, DONE), chunked(frame("a"), busy, DONE)]
    endpoint(client, server)
    stream = client.chat(HI, stream=True)
    assert next(stream).text == "a"
    with pytest.raises(RateLimitError):
        next(stream)
    assert len(server.seen) == 2


def test_a_stream_call_answered_with_one_whole_answer_gives_it(client, server):
    server.replies = [answer("whole")]
    endpoint(client, server)
    (piece,) = client.chat(HI, stream=True)
    assert (piece.text, piece.done) == ("whole", True)


@pytest.mark.parametrize("how", ["close", "drop", "with"])
def test_leaving_a_stream_closes_its_connection(client, server, how):
    server.replies = [endless]
    endpoint(client, server)
    stream = client.chat(HI, stream=True)
    next(stream)
    if how == "close":
        stream.close()
        stream.close()
    elif how == "with":
        with stream:
            pass
    else:
        del stream
        gc.collect()
    assert server.seen[0].gone.wait(PATIENCE)
    assert stats(client, "total", "cancelled", "failed") == (1, 1, 1)


def test_an_unread_stream_sends_nothing(client, server):
    endpoint(client, server)
    client.chat(HI, stream=True).close()
    assert server.seen == []
    assert stats(client, "total") == (0,)


def test_closing_a_stream_during_a_read_ends_the_read(client, server):
    server.replies = [silent]
    endpoint(client, server)
    stream = client.chat(HI, stream=True)
    errors = queue.Queue()

    def read():
        try:
            next(stream)
        except ClosedError as error:
            errors.put(error)

    reader = threading.Thread(target=read)
    reader.start()
    server.arrived.get(timeout=PATIENCE)
    stream.close()
    reader.join(PATIENCE)
    assert errors.get(timeout=PATIENCE)


# queue, cancellation, closing


def test_the_cap_holds_and_the_excess_is_refused(client, server):
    gate = threading.Event()

    async def held(_, writer):
        while not gate.is_set():
            await asyncio.sleep(0.005)
        writer.write(answer())

    server.replies = [held]
    name = endpoint(client, server, max_concurrent_requests=1, queue_size=1)
    running = [client.submit("chat", HI) for _ in range(2)]
    server.arrived.get(timeout=PATIENCE)
    with pytest.raises(QueueFullError):
        client.chat(HI)
    counts = client.get_stats(name)
    assert (counts["current_requests"], counts["queue_size"]) == (1, 1)
    gate.set()
    assert [future.result(PATIENCE).text for future in running] == ["ok", "ok"]
    assert stats(client, "total", "successful", "refused") == (3, 2, 1)
    assert len(server.seen) == 2


def test_a_call_cancelled_in_the_queue_is_never_sent(client, server):
    server.replies = [silent]
    endpoint(client, server, max_concurrent_requests=1)
    first = client.submit("chat", HI)
    server.arrived.get(timeout=PATIENCE)
    assert client.submit("chat", HI).cancel()
    assert first.cancel()
    assert server.seen[0].gone.wait(PATIENCE)
    server.replies = [answer()]
    assert client.chat(HI).text == "ok"
    assert len(server.seen) == 2


def test_a_sleeping_call_leaves_its_slot_to_others(client, server):
    server.replies = [reply(429, b"", "retry-after: 60"), answer()]
    name = endpoint(client, server, max_concurrent_requests=1)
    asleep = client.submit("chat", HI)
    server.arrived.get(timeout=PATIENCE)
    assert client.chat(HI, deadline=PATIENCE).text == "ok"
    assert client.get_stats(name)["current_requests"] == 0
    assert asleep.cancel()


def test_close_ends_what_runs_waits_and_sleeps(server):
    server.replies = [reply(429, b"", "retry-after: 60"), silent]
    before = threading.active_count()
    client = Client()
    endpoint(client, server, max_concurrent_requests=1)
    futures = [client.submit("chat", HI) for _ in range(3)]
    for _ in range(2):
        server.arrived.get(timeout=PATIENCE)
    client.close()
    client.close()
    for future in futures:
        with pytest.raises(ClosedError):
            future.result(PATIENCE)
    assert threading.active_count() == before
    assert server.seen[1].gone.wait(PATIENCE)
    for call in (lambda: client.chat(HI), lambda: client.create_endpoint(base_url=server.url)):
        with pytest.raises(ClosedError):
            call()
    assert stats(client, "total", "failed", "cancelled") == (3, 3, 3)


# endpoints


def test_an_unknown_endpoint_is_an_error(client, server):
    with pytest.raises(UnknownEndpointError):
        client.chat(HI)
    endpoint(client, server)
    with pytest.raises(UnknownEndpointError):
        client.chat(HI, endpoint_id="bogus")
    with pytest.raises(InvalidArgumentError, match="colour"):
        client.create_endpoint(base_url=server.url, colour="red")
    assert server.seen == []


def test_an_update_holds_for_later_calls_only_and_for_one_endpoint(client, server):
    server.replies = [answer()]
    one, two = endpoint(client, server), endpoint(client, server, api_key="hf_two")
    client.update_endpoint(one, api_key="hf_new", max_concurrent_requests=3)
    for name in (one, two):
        client.chat(HI, endpoint_id=name)
    assert [request.header("authorization") for request in server.seen] == [
        ["Bearer hf_new"],
        ["Bearer hf_two"],
    ]
    client.close_endpoint(one)
    assert client.chat(HI).text == "ok"
    assert stats(client, "total") == (3,)
    assert stats(client, "total", of=two) == (2,)


def test_rotation_stops_using_a_refused_key(client, server):
    async def by_key(request, writer):
        writer.write(reply(401) if request.header("authorization") == ["Bearer hf_bad"] else answer())

    server.replies = [by_key]
    for key in ("hf_bad", "hf_1", "hf_2"):
        endpoint(client, server, api_key=key)
    with pytest.raises(AuthenticationError):
        client.chat(HI)
    for _ in range(6):
        client.chat(HI)
    used = [request.header("authorization")[0] for request in server.seen[1:]]
    assert used.count("Bearer hf_1") == used.count("Bearer hf_2") == 3


def test_ids_are_unique(client, server):
    server.replies = [answer()]
    assert len({endpoint(client, server) for _ in range(50)}) == 50
    futures = [client.submit("chat", HI) for _ in range(20)]
    assert len({future.result(PATIENCE).request_id for future in futures}) == 20


@pytest.mark.parametrize(
    ("good", "replies"), [(True, answer()), (False, reply(401)), (False, reply(200, b"{}"))]
)
def test_the_endpoint_test_is_true_only_after_a_good_answer(client, server, good, replies):
    server.replies = [replies]
    check = client.test_endpoint(base_url=server.url, api_key="hf_probe", model="m")
    assert bool(check) is good
    (request,) = server.seen
    assert (request.header("authorization"), request.json["model"]) == (["Bearer hf_probe"], "m")


# the asynchronous face


def test_cancelling_a_task_is_seen_by_its_awaiter_and_closes_the_connection(server):
    async def scenario(*, stream):
        async with AsyncClient() as client:
            endpoint(client, server)
            call = client.chat(HI, stream=True).pull() if stream else client.chat(HI)
            task = asyncio.create_task(call)
            await asyncio.to_thread(server.arrived.get, timeout=PATIENCE)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.seen[-1].gone.wait, PATIENCE)
            assert client.get_stats()["cancelled_requests"] == 1

    server.replies = [silent]
    asyncio.run(scenario(stream=False))
    asyncio.run(scenario(stream=True))
    assert len(server.seen) == 2


def test_a_read_cancelled_before_it_began_is_booked_and_sends_nothing(server):
    async def scenario():
        async with AsyncClient() as client:
            endpoint(client, server)
            stream = client.chat(HI, stream=True)
            read = asyncio.create_task(stream.pull())
            asyncio.get_running_loop().call_soon(read.cancel)
            with pytest.raises(asyncio.CancelledError):
                await read
            with pytest.raises(ClosedError):
                await stream.pull()
            assert client.get_stats()["cancelled_requests"] == 1
            assert client.get_stats()["current_requests"] == 0

    asyncio.run(scenario())
    assert server.seen == []


def test_a_deadline_ends_a_stream_between_two_reads(server):
    server.replies = [endless]

    async def scenario():
        async with AsyncClient() as client:
            endpoint(client, server)
            stream = client.chat(HI, stream=True, deadline=0.3)
            await anext(stream)
            assert await asyncio.to_thread(server.seen[0].gone.wait, PATIENCE)
            with pytest.raises(RequestTimeoutError):
                await anext(stream)

    asyncio.run(scenario())


def test_closing_an_endpoint_ends_a_stream_between_two_reads(client, server):
    server.replies = [endless]
    name = endpoint(client, server)
    stream = client.chat(HI, stream=True)
    next(stream)
    client.close_endpoint(name)
    assert server.seen[0].gone.wait(PATIENCE)
    with pytest.raises(ClosedError):
        next(stream)


def test_a_client_serves_one_loop_after_another(server):
    server.replies = [answer()]
    client = AsyncClient()
    endpoint(client, server)

    async def call():
        return await client.chat(HI)

    assert asyncio.run(call()).text == asyncio.run(call()).text == "ok"


FORGETFUL = {
    "sync": """
        client = reference.Client()
        client.create_endpoint(base_url=sys.argv[1])
        client.chat(HI)
        stream = client.chat(HI, stream=True)
        print(next(stream).text)
    """,
    "async": """
        async def main():
            asyncio.get_running_loop().slow_callback_duration = 60
            client = reference.AsyncClient()
            client.create_endpoint(base_url=sys.argv[1])
            await client.chat(HI)
            stream = client.chat(HI, stream=True)
            print((await anext(stream)).text)
            return client, stream
        kept = asyncio.run(main())
    """,
}
PREAMBLE = """
import asyncio, sys
from tgi_conformance.backends import reference
HI = [{"role": "user", "content": "hi"}]
"""


@pytest.mark.parametrize("face", FORGETFUL)
def test_a_program_that_closes_nothing_ends_promptly_and_without_a_word(server, face):
    server.replies = [answer(), endless]
    program = PREAMBLE + textwrap.dedent(FORGETFUL[face])
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program, server.url],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")
    assert server.seen[1].gone.wait(PATIENCE)


def test_the_reference_client_knows_nothing_of_the_kit():
    program = (
        "import sys, tgi_conformance.backends.reference; "
        "print(sorted(n for n in sys.modules if n.startswith('tgi_conformance.') "
        "and not n.startswith('tgi_conformance.backends')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['tgi_conformance.contracts', 'tgi_conformance.contracts.sse']"
