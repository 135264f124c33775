"""A tiny client of Text Generation Inference: plain chat calls, a connection each, nothing is retried."""

import http.client
import json
from urllib.parse import urlsplit

_ROUTE = "/v1/chat/completions"
#: Seconds without a byte after which a call is given up.
_SILENCE = 20


class TinyError(Exception):
    """A call that failed: the HTTP status where there was an answer, and what it said."""

    def __init__(self, text, status=None):
        super().__init__(text)
        self.status = status


class NotSent(TinyError):
    """Nothing was sent: a value does not go into JSON, or a key not into a header."""


class Unreachable(TinyError):
    """The connection was refused or lost."""


class Unreadable(TinyError):
    """The answer is no chat answer."""


class Refused(TinyError):
    """The server answered with an error."""


class Client:
    """A client of one server."""

    def __init__(self, base_url, api_key=None):
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise NotSent("the key has a character that no header may have")
        self._url, self._key = urlsplit(base_url), api_key

    def chat(self, messages, **parameters):
        """The text of an answer and why it ended; raises :class:`TinyError`."""
        try:
            body = json.dumps({"messages": messages, **parameters}, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise NotSent(f"this is no JSON: {error}") from error
        status, answer = self._post(body)
        if status != 200:
            raise Refused(answer.decode("utf-8", "replace")[:2000], status)
        return _read(answer)

    def _post(self, body):
        https = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        connection = kind(self._url.hostname, self._url.port, timeout=_SILENCE)
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            connection.request("POST", self._url.path.rstrip("/") + _ROUTE, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()


def _read(answer):
    try:
        told = json.loads(answer)
        told = told[0] if isinstance(told, list) else told
        if told.get("error") is None:
            choice = told["choices"][0]
            return _text(choice["message"]), choice["finish_reason"]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Unreadable(f"no chat answer: {answer[:500]!r}", 200) from error
    raise Refused(answer.decode("utf-8", "replace"), 200)


def _text(message):
    text = message.get("content")
    if text is None and message.get("tool_calls"):
        return ""
    if not isinstance(text, str):
        raise TypeError("the content is no text")
    return text
