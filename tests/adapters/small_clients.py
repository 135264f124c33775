"""Small correct clients on ``http.client``, each unlike the reference in one respect; a red is the kit's.

They speak chat alone, plain calls only, and claim no more than they do. What differs is data of the class:
what is retried and whether anybody was told, when time passes, what an id is, what else is sent. ``Mute``,
``Forever``, ``Keyless``, ``Masked`` and ``ChatsAsText`` are wrong on purpose: one cause each.
"""

import contextlib
import http.client
import itertools
import json
import socket
import time
import uuid
from collections import Counter
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

Retry = dict[str, Any]

KIND_OF_STATUS = {
    400: "bad_request",
    401: "auth",
    403: "auth",
    404: "not_found",
    405: "bad_request",
    408: "timeout",
    413: "payload_too_large",
    415: "bad_request",
    422: "validation",
    424: "server_error",
    429: "rate_limited",
    503: "overloaded",
}


class CallError(Exception):
    """A call that failed: the kind, and the status where there was an answer."""

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status


class Small:
    """The client that the others are kinds of."""

    #: Statuses after which it tries again, how often, and after how many seconds; the last by factor 1.
    RETRIED: ClassVar[tuple[int, ...]] = ()
    #: Whether a call is tried again whose connection was refused, or lost before the whole answer was there.
    RETRIES_LOST: ClassVar[bool] = False
    ATTEMPTS: ClassVar[int] = 1
    WAIT: ClassVar[float] = 0.05
    #: The description's ``retry``; None: nobody is told.
    DECLARED: ClassVar[Retry | None] = None
    CLAIMS: ClassVar[tuple[str, ...]] = ()
    AUXILIARY: ClassVar[tuple[str, ...]] = ()
    #: Seconds that pass before an endpoint is there, before a request is sent, and after its answer came.
    BEFORE_ENDPOINT: ClassVar[float] = 0.0
    BEFORE_REQUEST: ClassVar[float] = 0.0
    AFTER_ANSWER: ClassVar[float] = 0.0

    def __init__(self) -> None:
        self.endpoints: dict[Any, tuple[str, str | None]] = {}
        self.numbers = itertools.count(1)

    # --- the adapter's methods ---------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Claim what the class says, and no more."""
        told: dict[str, Any] = {
            "name": f"small-{type(self).__name__}",
            "capabilities": ["core", "chat", *self.CLAIMS],
            "parameters": {"chat": ["max_tokens", "temperature", "seed"]},
            "auxiliary": list(self.AUXILIARY),
        }
        return told if self.DECLARED is None else told | {"retry": self.DECLARED}

    def create_endpoint(self, *, base_url: str, api_key: str | None, **_settings: Any) -> Any:
        """Keep URL and key; settings that are not declared are not passed."""
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise CallError("invalid_argument", "the key holds a character that no header may have")
        time.sleep(self.BEFORE_ENDPOINT)
        for request in self.AUXILIARY:
            method, path = request.split()
            self._exchange(base_url, api_key, path, method=method)
        made = self._new_id()
        self.endpoints[made] = (base_url, api_key)
        return made

    def chat(self, messages: list[Any], *, endpoint_id: Any = None, **parameters: Any) -> dict[str, Any]:
        """Make one call; a refusal that is retried is tried again until the attempts are used up."""
        if endpoint_id is None and len(self.endpoints) == 1:
            (endpoint_id,) = self.endpoints
        if endpoint_id not in self.endpoints:
            raise CallError("closed", f"there is no endpoint {endpoint_id!r}")
        base_url, key = self.endpoints[endpoint_id]
        try:
            body = json.dumps({"messages": messages, **parameters}, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise CallError("invalid_argument", f"it cannot be sent: {error}") from error
        time.sleep(self.BEFORE_REQUEST)
        status, answer = self._until_good(base_url, key, body)
        time.sleep(self.AFTER_ANSWER)
        if status != 200:
            raise self._refusal(status, answer.decode("utf-8", "replace"))
        return _read(answer)

    def classify(self, error: BaseException) -> dict[str, Any] | None:
        """The kind, the status and the message that the client's own error has."""
        if not isinstance(error, CallError):
            return None
        return {"kind": error.kind, "status": error.status, "message": str(error)}

    # --- beneath -----------------------------------------------------------------------------------------

    def _new_id(self) -> Any:
        return f"end-{next(self.numbers)}"

    def _refusal(self, status: int, words: str) -> CallError:
        other = "bad_request" if 400 <= status < 500 else "server_error"
        return CallError(KIND_OF_STATUS.get(status, other), words[:2000], status)

    def _until_good(self, base_url: str, key: str | None, body: bytes) -> tuple[int, bytes]:
        for attempt in range(1, self.ATTEMPTS + 1):
            last = attempt == self.ATTEMPTS
            try:
                status, answer, retry_after = self._exchange(base_url, key, "/v1/chat/completions", body)
            except CallError as error:
                if last or not (self.RETRIES_LOST and _was_lost(error)):
                    raise
            else:
                if last or status not in self.RETRIED or _asks_to_wait(retry_after):
                    return status, answer
            time.sleep(self.WAIT)
        raise AssertionError("the last attempt returns or raises")

    def _exchange(
        self, base_url: str, key: str | None, path: str, body: bytes | None = None, method: str = "POST"
    ) -> tuple[int, bytes, str]:
        """One request on a connection of its own: status, body, and the value of Retry-After."""
        url = urlsplit(base_url)
        connection_type = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = connection_type(url.hostname or "", url.port, timeout=20)
        headers = {} if body is None else {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        try:
            connection.request(method, url.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(), response.getheader("Retry-After", "")
        except (OSError, http.client.HTTPException) as error:
            raise CallError("transport", f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()


def _was_lost(error: CallError) -> bool:
    """Whether the connection failed; an answer that is no HTTP is none of that."""
    return isinstance(error.__cause__, ConnectionError | http.client.IncompleteRead)


def _asks_to_wait(retry_after: str) -> bool:
    """Whether a Retry-After names a time to come; these clients give up then rather than wait."""
    if retry_after.isascii() and retry_after.isdigit():
        return int(retry_after) > 0
    try:
        return parsedate_to_datetime(retry_after).timestamp() > time.time()
    except (TypeError, ValueError):
        return False


def _read(answer: bytes) -> dict[str, Any]:
    """The text and the finish reason of an answer; raises :class:`CallError` where it is none."""
    try:
        told = json.loads(answer)
        told = told[0] if isinstance(told, list) else told
        failed = told.get("error") is not None
        choice = None if failed else told["choices"][0]
        read = None if choice is None else {"text": _text(choice), "finish_reason": choice["finish_reason"]}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise CallError("protocol", f"no chat answer: {answer[:500]!r}", 200) from error
    if read is None:
        raise CallError("remote_error", answer.decode("utf-8", "replace"), 200)
    return read


def _text(choice: dict[str, Any]) -> str:
    text = choice["message"].get("content")
    if text is None and choice["message"].get("tool_calls"):
        return ""
    if not isinstance(text, str):
        raise TypeError("the content is no text")
    return text


class Numbered(Small):
    """Its ids are integers, from 0 on."""

    CLAIMS = ("keys",)

    def _new_id(self) -> Any:
        return next(self.numbers) - 1


class BodyError(CallError):
    """Says the status in one line, and keeps all that the server said beside it."""

    body = ""


class KeepsTheBody(Small):
    """Its errors have the server's words in an attribute, whole; what is printed of them is short."""

    def _refusal(self, status: int, words: str) -> CallError:
        error = BodyError(super()._refusal(status, "").kind, f"status {status}", status)
        error.body = words
        return error

    def classify(self, error: BaseException) -> dict[str, Any] | None:
        told = super().classify(error)
        return told | {"message": error.body or str(error)} if told and isinstance(error, BodyError) else told


class LongIds(Small):
    """Its ids are UUIDs as text."""

    CLAIMS = ("keys",)

    def _new_id(self) -> Any:
        return str(uuid.uuid4())


class Persistent(Small):
    """Tries three times after 503, whatever it is told: there is no setting."""

    CLAIMS, RETRIED, ATTEMPTS = ("retry",), (503,), 3
    DECLARED: ClassVar[Retry | None] = {
        "statuses": [503], "faults": [], "max_retries": 2, "initial_delay": 0.05, "factor": 1,
        "jitter": [1, 1], "max_retry_after": 0,
    }  # fmt: skip


class PersistentUnbounded(Persistent):
    """The same, and how often is not told."""

    DECLARED: ClassVar[Retry | None] = {"statuses": [503], "faults": [], "max_retry_after": 0}


class TriesAll(Small):
    """Tries twice after any failure that may pass, a lost connection among them."""

    CLAIMS, ATTEMPTS, RETRIES_LOST = ("retry", "keys"), 2, True
    RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)
    WAIT = 0.02
    DECLARED: ClassVar[Retry | None] = {
        "statuses": list(RETRIED), "faults": ["refused", "reset", "closed"], "max_retries": 1,
        "initial_delay": 0.02, "factor": 1, "jitter": [1, 1], "max_retry_after": 0,
    }  # fmt: skip


class Untold(Small):
    """Retries 429 and 503, as a client may, and declares nothing of it."""

    RETRIED, ATTEMPTS = (429, 503), 3


class AsksHealth(Small):
    """Asks ``GET /health`` when an endpoint is made, as it declares; what that meets is raised there."""

    CLAIMS, AUXILIARY = ("close",), ("GET /health",)

    def close_endpoint(self, endpoint_id: Any) -> None:
        """Forget an endpoint; connections live no longer than their call."""
        self.endpoints.pop(endpoint_id, None)

    def close(self) -> None:
        """Forget all endpoints."""
        self.endpoints.clear()


class SlowToSend(Small):
    """Takes a second before each request."""

    CLAIMS, BEFORE_REQUEST = ("keys",), 1.0


class SlowToStart(Small):
    """Takes a second before an endpoint is there."""

    CLAIMS, BEFORE_ENDPOINT = ("keys",), 1.0


class SlowToReturn(Small):
    """Takes a second from the answer to the caller."""

    CLAIMS, AFTER_ANSWER = ("keys",), 1.0


class LooksUp(Small):
    """Looks up a name on the open network before each request, and goes on when there is none."""

    def _exchange(self, *given: Any, **named: Any) -> tuple[int, bytes, str]:
        with contextlib.suppress(OSError):
            socket.getaddrinfo("statistics.example.org", 443)
        return super()._exchange(*given, **named)


class Forever(Small):
    """Wrong: it repeats after 503 at once, and never stops."""

    CLAIMS, RETRIED, ATTEMPTS, WAIT = ("retry",), (503,), 10**9, 0.0
    DECLARED: ClassVar[Retry | None] = {"statuses": [503], "faults": []}


class Breaks(Small):
    """After five failed calls in a row an endpoint refuses calls for half a minute, and nothing sets that."""

    CLAIMS = ("breaker",)
    FAILURES: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__()
        self.failed: Counter[Any] = Counter()

    def describe(self) -> dict[str, Any]:
        """Say when it opens, and for how long."""
        return super().describe() | {"breaker": {"failures": self.FAILURES, "delay": 30.0}}

    def chat(self, messages: list[Any], *, endpoint_id: Any = None, **parameters: Any) -> dict[str, Any]:
        """Make a call unless the breaker is open; the caller's own mistakes do not count."""
        if self.failed[endpoint_id] >= self.FAILURES:
            raise CallError("overloaded", "the circuit breaker is open")
        try:
            answer = super().chat(messages, endpoint_id=endpoint_id, **parameters)
        except CallError as error:
            if error.status is None or error.status >= 500 or error.status in {408, 429}:
                self.failed[endpoint_id] += 1
            raise
        self.failed[endpoint_id] = 0
        return answer


class ChatsAsText(Small):
    """Wrong: its chat is a native call with the messages in one text."""

    CLAIMS = ("native",)

    def chat(self, messages: list[Any], *, endpoint_id: Any = None, **parameters: Any) -> dict[str, Any]:
        """Make one text of the messages."""
        parameters = {"max_new_tokens" if k == "max_tokens" else k: v for k, v in parameters.items()}
        return self.generate("".join(m["content"] for m in messages), endpoint_id=endpoint_id, **parameters)

    def generate(self, prompt: str, *, endpoint_id: Any, **parameters: Any) -> dict[str, Any]:
        """Make one call."""
        body = json.dumps({"inputs": prompt, "parameters": parameters}).encode()
        status, answer, _ = self._exchange(*self.endpoints[endpoint_id], "/generate", body)
        if status != 200:
            raise CallError(
                KIND_OF_STATUS.get(status, "server_error"), answer.decode("utf-8", "replace"), status
            )
        return {"text": json.loads(answer).get("generated_text", "")}


class Keyless(Small):
    """Wrong: it takes a key, whatever is in it, and sends none."""

    CLAIMS = ("keys",)

    def create_endpoint(self, **given: Any) -> Any:
        """Leave the key out."""
        return super().create_endpoint(**given | {"api_key": None})


class Masked(Small):
    """Wrong: it takes a key, whatever is in it, and sends a mask in its place."""

    CLAIMS = ("keys",)

    def create_endpoint(self, **given: Any) -> Any:
        """Mask the key."""
        return super().create_endpoint(**given | {"api_key": "******"})


class Mute(Small):
    """Wrong: it answers every call with an empty text, and sends nothing."""

    CLAIMS = ("native", "keys", "stats", "probe")

    def describe(self) -> dict[str, Any]:
        """Offer no parameters."""
        return super().describe() | {"parameters": {}}

    def chat(self, *_given: Any, **_named: Any) -> Any:
        """Give nothing."""
        return ""

    generate = get_stats = test_endpoint = chat
