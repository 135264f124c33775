"""The adapters: ``adapters.py:second_only_503`` is the second client under the row ``only-503``.

A class is made for each that is asked for, with the methods that its client has under the row.
"""

import http.client
import importlib
import itertools
import ssl
import time
from collections.abc import Iterator
from dataclasses import is_dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from described import PLACEHOLDER, described, hidden_methods, own_settings
from rows import STRANGERS, Stranger

#: Seconds that ``slow creation`` takes, and for which an answer to ``GET /info`` is waited.
SLOW, PATIENCE = 1.2, 5.0
_CALLS = ("generate", "chat", "completions")
_BY_ENDPOINT = ("get_stats", "reset_stats", "close_endpoint", "update_endpoint")
_OTHERS = ("classify", "close", "test_endpoint", "public_objects")


class Adapter:
    """One client under one row."""

    stranger: Stranger

    def __init__(self) -> None:
        self._how = importlib.import_module(f"{self.stranger.client}_as")
        self._client = self._how.made(self.stranger)
        self._does = self.stranger.row.does
        self._numbers = itertools.count(1)
        self._ids: dict[int, str] = {}

    def describe(self) -> dict[str, Any]:
        """The client's description, as the row changes it."""
        return described(self._how.described(self._client), self.stranger)

    def create_endpoint(self, *, base_url: str, api_key: str | None, **given: Any) -> str | int:
        """Make an endpoint with the row's values where none is given."""
        if "slow creation" in self._does:
            time.sleep(SLOW)
        if "placeholder key" in self._does and api_key is None:
            api_key = PLACEHOLDER
        settings = {**own_settings(self.stranger), **self._how.extra_settings(self.stranger), **given}
        made: str = self._client.create_endpoint(base_url=base_url, api_key=api_key, **settings)
        if "asks info" in self._does:
            self._ask(base_url, given.get("timeout", PATIENCE))
        if "integer ids" not in self._does:
            return made
        number = next(self._numbers)
        self._ids[number] = made
        return number

    def _ask(self, base_url: str, timeout: float) -> None:
        url = urlsplit(base_url)
        secure = {"context": ssl.create_default_context()} if url.scheme == "https" else {}
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=timeout, **secure)  # type: ignore[arg-type]
        problem = ""
        try:
            connection.request("GET", url.path.rstrip("/").removesuffix("/v1") + "/info")
            connection.getresponse().read(100_000)
        except TimeoutError:
            problem = "timeout"
        except (OSError, http.client.HTTPException):
            problem = "transport"
        finally:
            connection.close()
        if problem:
            raise self._how.failure(problem, "the server does not say what it is")

    def _theirs(self, endpoint_id: Any) -> Any:
        return self._ids.get(endpoint_id, endpoint_id)

    def _call(self, method: str, *subject: Any, **given: Any) -> Any:
        if "endpoint_id" in given:
            given["endpoint_id"] = self._theirs(given["endpoint_id"])
        answer = getattr(self._client, method)(*subject, **given)
        if "trims" not in self._does or method == "submit":
            return answer
        return _stripped_stream(answer) if given.get("stream") else _stripped(answer)

    def _of_endpoint(self, method: str, *endpoint: Any, **given: Any) -> Any:
        return getattr(self._client, method)(*map(self._theirs, endpoint), **given)

    def _other(self, method: str, *words: Any, **given: Any) -> Any:
        return getattr(self._client, method)(*words, **given)


def _stripped(answer: Any) -> Any:
    if is_dataclass(answer) and not isinstance(answer, type):
        texts: Any = answer.texts  # type: ignore[attr-defined]
        return replace(answer, text=answer.text.strip(), texts=tuple(text.strip() for text in texts))  # type: ignore[attr-defined]
    changed = {**answer, "text": answer["text"].strip()}
    return changed | {"texts": [text.strip() for text in answer["texts"]]} if "texts" in answer else changed


def _stripped_stream(pieces: Any) -> Iterator[Any]:
    """Each text loses the white space that it begins with; what it ends with cannot be known."""
    begun: set[int] = set()
    try:
        for piece in pieces:
            whole = isinstance(piece, dict)
            index = piece.get("index", 0) if whole else piece.index
            text = piece.get("text") if whole else piece.text
            if index not in begun and isinstance(text, str):
                text = text.lstrip()
                begun |= {index} if text else set()
                yield {**piece, "text": text} if whole else replace(piece, text=text)
            else:
                yield piece
    finally:
        pieces.close()


def _forward(way: str, method: str) -> Any:
    def forwarded(self: Adapter, *words: Any, **given: Any) -> Any:
        return getattr(self, way)(method, *words, **given)

    forwarded.__name__ = method
    return forwarded


def _adapter(stranger: Stranger) -> type[Adapter]:
    """The class of one stranger: it has a method where its client has one and the row leaves it."""
    ways = [("_call", (*_CALLS, "submit")), ("_of_endpoint", _BY_ENDPOINT), ("_other", _OTHERS)]
    theirs = importlib.import_module(f"{stranger.client}_as").METHODS
    methods = {
        method: _forward(way, method)
        for way, names in ways
        for method in names
        if method in theirs and method not in hidden_methods(stranger)
    }
    return type(stranger.attribute, (Adapter,), {**methods, "stranger": stranger})


def __getattr__(name: str) -> type[Adapter]:
    for stranger in STRANGERS:
        if stranger.attribute == name:
            return _adapter(stranger)
    raise AttributeError(name)
