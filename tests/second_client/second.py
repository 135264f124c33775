"""A second client, small and written from the catalogue alone: the other half of the differential pair.

It shares nothing with the reference client: one connection a call by ``http.client``, an event reader of its
own, a FIFO of tickets for its cap. A property that is red for both clients is the property's own mistake.
"""

import contextlib
import http.client
import itertools
import random
import re
import socket
import ssl
import threading
from collections import Counter, deque
from urllib.parse import urlsplit

from second_reading import SecondError, answer_of, error_of, pieces
from second_writing import body_of, with_images

RETRIED = (429, 503)
FAULTS = ("refused", "reset", "closed")
LONGEST_WAIT = 30.0
JITTER = (0.9, 1.0)
SAMPLING = {"temperature", "top_p", "seed", "stop", "frequency_penalty", "headers"}
PARAMETERS = {
    "generate": SAMPLING
    | {"max_new_tokens", "top_k", "typical_p", "repetition_penalty", "do_sample", "watermark", "truncate"}
    | {"details", "decoder_input_details", "top_n_tokens", "return_full_text", "grammar", "best_of"},
    "chat": SAMPLING
    | {"max_tokens", "max_completion_tokens", "presence_penalty", "logprobs", "top_logprobs"}
    | {"tools", "tool_choice", "response_format", "model"},
    "completions": SAMPLING | {"max_tokens", "repetition_penalty", "model"},
}
ROUTES = {"generate": "/generate", "chat": "/v1/chat/completions", "completions": "/v1/completions"}


class Endpoint:
    """Settings, cap, queue and books of one key."""

    statuses, faults, longest_wait, jitter = RETRIED, FAULTS, LONGEST_WAIT, JITTER

    def __init__(self, *, base_url, api_key, model=None, max_concurrent_requests=16, queue_size=64, **retry):
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise SecondError("invalid_argument", "base_url is no http URL")
        if api_key is not None and re.search(r"[^\x21-\x7e]", api_key):
            raise SecondError("invalid_argument", "the key cannot stand in a header")
        if max_concurrent_requests < 1 or queue_size < 0:
            raise SecondError("invalid_argument", "a cap is 1 or more, a queue holds 0 calls or more")
        self.url, self.key, self.model = url, api_key, model
        self.cap, self.room = max_concurrent_requests, queue_size
        self.retries = retry.get("max_retries", 2)
        self.first = retry.get("initial_retry_delay", 0.5)
        self.factor = retry.get("backoff_factor", 2.0)
        self.most = retry.get("max_retry_delay", 8.0)
        self.timeout = retry.get("timeout", 60.0)
        self.headers = sendable(retry.get("headers"))
        self.changed, self.waiting, self.running = threading.Condition(), deque(), 0
        self.books, self.exchanges, self.closed = Counter(), set(), False

    def enter(self, *, accepted):
        """Take a slot, in turn; a call that was accepted once and comes back after a wait is not refused."""
        ticket = object()
        with self.changed:
            if self.closed:
                raise SecondError("closed", "the endpoint is closed")
            if not accepted and self.running >= self.cap and len(self.waiting) >= self.room:
                raise SecondError("refused", "the queue is full")
            self.waiting.append(ticket)
            while not self.closed and (self.waiting[0] is not ticket or self.running >= self.cap):
                self.changed.wait()
            self.waiting.remove(ticket)
            self.changed.notify_all()
            if self.closed:
                raise SecondError("closed", "the endpoint was closed")
            self.running += 1

    def leave(self):
        with self.changed:
            self.running -= 1
            self.changed.notify_all()

    def sleep(self, seconds):
        """Sleep with no slot held; the end of the endpoint ends it."""
        with self.changed:
            if self.changed.wait_for(lambda: self.closed, seconds):
                raise SecondError("closed", "the endpoint was closed")

    def count(self, **counts):
        with self.changed:
            self.books.update(counts)

    def close(self):
        with self.changed:
            self.closed = True
            under_way = list(self.exchanges)
            self.changed.notify_all()
        for exchange in under_way:
            with contextlib.suppress(OSError):
                exchange.socket.shutdown(socket.SHUT_RDWR)
            exchange.close()

    def wait_before(self, number, error):
        """Seconds before attempt ``number``, or None: the call ends with this error."""
        overloaded = error.status == 200 and error.kind == "overloaded"
        fault = "overloaded_event" if overloaded else error.fault
        asked = error.retry_after or 0.0
        passing = error.status in self.statuses or fault in self.faults
        if number > self.retries or not passing or asked > self.longest_wait:
            return None
        try:
            grown = self.first * self.factor ** (number - 1)
        except OverflowError:
            grown = self.most
        return max(asked, min(grown, self.most) * random.uniform(*self.jitter))  # noqa: S311 - spread, no secret


class Exchange:
    """One request and its answer, on a connection of its own."""

    def __init__(self, endpoint, path, body, request_id, own):
        kind = http.client.HTTPSConnection if endpoint.url.scheme == "https" else http.client.HTTPConnection
        self.secure = {"context": ssl.create_default_context()} if endpoint.url.scheme == "https" else {}
        self.connection = kind(
            endpoint.url.hostname, endpoint.url.port, timeout=endpoint.timeout, **self.secure
        )
        self.endpoint, self.socket = endpoint, None
        headers = {"content-type": "application/json", "connection": "close"}
        if endpoint.key is not None:
            headers["authorization"] = f"Bearer {endpoint.key}"
        headers |= endpoint.headers | own
        if request_id is not None:
            headers["x-request-id"] = request_id
        with self.faults():
            self.ready()
            self.connection.connect()
            self.socket = self.connection.sock
            with endpoint.changed:
                endpoint.exchanges.add(self)
                if endpoint.closed:
                    raise SecondError("closed", "the endpoint was closed")
            self.connection.request("POST", endpoint.url.path.rstrip("/") + path, body, headers)
            self.answer = self.connection.getresponse()
            if self.answer.status != 200:
                content = self.answer.read(100_000)
                raise error_of(self.answer.status, content, self.answer.headers.get_all("retry-after") or ())

    def ready(self):
        """What is done before a request; a failure here is the request's."""

    @contextlib.contextmanager
    def faults(self):
        """Turn what the transport raises into this client's error; the connection ends with it."""
        try:
            yield
        except SecondError as error:
            problem = error
        except ConnectionRefusedError:
            problem = SecondError("transport", "nobody listens there", fault="refused")
        except TimeoutError:
            problem = SecondError("timeout", "the server said nothing for too long", fault="timeout")
        except http.client.RemoteDisconnected:  # before ConnectionError, which it is as well
            problem = SecondError("transport", "the server closed without an answer", fault="closed")
        except ConnectionError:
            problem = SecondError("transport", "the connection was reset", fault="reset")
        except http.client.BadStatusLine:
            problem = SecondError("protocol", "no HTTP answer")
        except (http.client.HTTPException, OSError, ValueError):
            problem = SecondError("transport", "the answer ended early or is no HTTP")
        else:
            return
        self.close()
        raise problem

    def close(self):
        with self.endpoint.changed:
            self.endpoint.exchanges.discard(self)
        self.connection.close()
        if getattr(self, "answer", None) is not None:
            self.answer.close()

    def whole(self):
        with self.faults():
            content = self.answer.read()
        self.close()
        return content

    def parts(self):
        """The body as it comes; a body that ends before its announced end is an error."""
        while True:
            with self.faults():
                part = self.answer.read1(65536)
                if not part and self.answer.length:
                    raise SecondError("truncated_stream", "the body is shorter than announced", status=200)
            if not part:
                return
            yield part


class Second:
    """The adapter: its methods are the client's."""

    def __init__(self):
        self.endpoints, self.numbers = {}, itertools.count(1)

    def describe(self):
        capabilities = "core native chat completions stream retry queue keys stats reqid close tools grammar"
        capabilities += " logprobs"
        return {
            "name": "second",
            "capabilities": [*capabilities.split(), "img", "img-bytes"],
            "retry": {
                "statuses": list(RETRIED), "faults": list(FAULTS), "max_retries": 2,
                "initial_delay": 0.5, "factor": 2.0, "max_delay": 8.0, "jitter": list(JITTER),
                "max_retry_after": LONGEST_WAIT, "keeps_slot": False,
            },
            "defaults": {"parameters": {"details": True}, "max_concurrent_requests": 16, "queue_size": 64},
            "settings": [
                "model", "max_concurrent_requests", "queue_size", "max_retries", "initial_retry_delay",
                "backoff_factor", "max_retry_delay", "timeout", "headers",
            ],
            "parameters": {method: sorted(names) for method, names in PARAMETERS.items()},
            "request_id_header": "X-Request-Id",
        }  # fmt: skip

    def create_endpoint(self, **settings):
        name = f"second-{next(self.numbers)}"
        self.endpoints[name] = Endpoint(**settings)
        return name

    def generate(self, prompt, **given):
        return self.call("generate", prompt, **given)

    def chat(self, messages, **given):
        return self.call("chat", with_images(messages), **given)

    def completions(self, prompt, **given):
        return self.call("completions", prompt, **given)

    def call(self, method, subject, *, endpoint_id=None, stream=False, request_id=None, **given):
        endpoint = self.endpoints.get(endpoint_id)
        if endpoint is None:
            raise SecondError("closed", "there is no such endpoint")
        if request_id is not None and re.search(r"[^\x20-\x7e]", request_id):
            raise SecondError("invalid_argument", "the request id cannot stand in a header")
        own = sendable(given.pop("headers", None))
        request_id = request_id or f"second-{next(self.numbers)}-{random.getrandbits(64):x}"
        work = self.attempts(endpoint, method, subject, stream, request_id, own, given)
        if stream:
            return work
        return list(work)[-1]

    def attempts(self, endpoint, method, subject, stream, request_id, own, given):
        """Yield what the call gives: an answer, or pieces. Counts the call and holds its slot."""
        endpoint.count(total_requests=1)
        try:
            body = body_of(method, subject, stream, endpoint.model, given)
            path = "/generate_stream" if stream and method == "generate" else ROUTES[method]
            for number in itertools.count(1):
                endpoint.enter(accepted=number > 1)
                delivered = exchange = None
                usage = {}
                try:
                    exchange = Exchange(endpoint, path, body, request_id, own)
                    if stream:
                        for piece in pieces(method, exchange.parts()):
                            delivered, usage = True, piece.get("usage", usage)
                            yield {**piece, "request_id": request_id}
                    else:
                        answer = answer_of(method, exchange.whole(), exchange.answer.headers)
                        usage = answer.get("usage")
                        yield {**answer, "request_id": request_id}
                except SecondError as error:
                    wait = None if delivered or endpoint.closed else endpoint.wait_before(number, error)
                    if wait is None:
                        raise
                else:
                    endpoint.count(successful_requests=1, **tokens_of(usage))
                    return
                finally:
                    if exchange is not None:
                        exchange.close()
                    endpoint.leave()
                endpoint.sleep(wait)
        except SecondError as error:
            endpoint.count(failed_requests=1)
            error.request_id = request_id
            raise

    def get_stats(self, endpoint_id=None):
        chosen = list(self.endpoints.values()) if endpoint_id is None else [self.endpoints[endpoint_id]]
        names = ("total_requests", "successful_requests", "failed_requests", "input_tokens", "output_tokens")
        shown = {name: sum(endpoint.books[name] for endpoint in chosen) for name in names}
        shown["total_tokens"] = shown["input_tokens"] + shown["output_tokens"]
        shown["endpoints_count"] = len(chosen)
        shown["current_requests"] = sum(endpoint.running for endpoint in chosen)
        shown["queue_size"] = sum(len(endpoint.waiting) for endpoint in chosen)
        return shown

    def classify(self, error):
        if not isinstance(error, SecondError):
            return None
        names = ("kind", "status", "retry_after", "error_type", "request_id")
        found = {name: getattr(error, name) for name in names if getattr(error, name) is not None}
        return {**found, "message": str(error)}

    def close_endpoint(self, endpoint_id):
        endpoint = self.endpoints.pop(endpoint_id, None)
        if endpoint is not None:
            endpoint.close()

    def close(self):
        for name in list(self.endpoints):
            self.close_endpoint(name)


def sendable(headers):
    """The caller's headers by lower-case name; the caller has the last word on each."""
    for name, value in (headers or {}).items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[^\t\x20-\x7e]", value):
            raise SecondError("invalid_argument", "a header cannot be sent")
    return {name.lower(): value for name, value in (headers or {}).items()}


def tokens_of(usage):
    told = usage or {}
    counts = {"input_tokens": told.get("prompt_tokens"), "output_tokens": told.get("completion_tokens")}
    return {name: count for name, count in counts.items() if isinstance(count, int)}
