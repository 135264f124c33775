"""The adapters: ``adapters.py:second_only_503`` is the second client under the row ``only-503``.

A class is made for each that is asked for, with the methods that its client has under the row.
"""

import http.client
import importlib
import itertools
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass, replace
from inspect import isawaitable
from typing import Any
from urllib.parse import urlsplit

from described import PLACEHOLDER, TEMPERATURE, described, hidden_methods, own_settings
from rows import STRANGERS, Client, Stranger

from tgi_conformance.contracts.unset import UNSET

#: Seconds that ``slow creation`` takes, and for which an answer to ``GET /info`` is waited.
SLOW, PATIENCE = 1.2, 5.0
_FEW = ("total_requests", "successful_requests", "failed_requests")
#: Where each client is changed.
MODULES: Mapping[Client, str] = {"reference": "reference_as", "async": "reference_as", "second": "second_as"}
#: The way in which each method is passed on.
_WAYS: Mapping[str, tuple[str, ...]] = {
    "_call": ("generate", "chat", "completions", "submit"),
    "_of_endpoint": ("reset_stats", "close_endpoint", "update_endpoint"),
    "_stats": ("get_stats",),
    "_classified": ("classify",),
    "_other": ("close", "test_endpoint", "public_objects"),
}


class Adapter:
    """One client under one row."""

    stranger: Stranger

    def __init__(self) -> None:
        self._how = importlib.import_module(MODULES[self.stranger.client])
        self._client = self._how.made(self.stranger)
        self._does = self.stranger.row.does
        self._numbers = itertools.count(1)
        self._ids: dict[str | int, str] = {}

    def describe(self) -> dict[str, Any]:
        """The client's description, as the row changes it."""
        return described(self._how.described(self._client), self.stranger)

    def create_endpoint(self, *, base_url: str, api_key: str | None, **given: Any) -> Any:
        """Make an endpoint with the row's values where none is given."""
        if "slow creation" in self._does:
            time.sleep(SLOW)
        if "placeholder key" in self._does and api_key is None:
            api_key = PLACEHOLDER
        settings = {**own_settings(self.stranger), **self._how.extra_settings(self.stranger), **given}
        made = self._client.create_endpoint(base_url=base_url, api_key=api_key, **settings)
        if isawaitable(made):  # of the asynchronous client, which has no habits of its own
            return made
        if "asks info" in self._does:
            self._ask(base_url, given.get("timeout", PATIENCE))
        number = next(self._numbers)
        odd = f"Endpunkt №{number}/{base_url} ü?" if "odd ids" in self._does else made
        endpoint_id = number if "integer ids" in self._does else odd
        self._ids[endpoint_id] = made
        return endpoint_id

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
        if "default temperature" in self._does:
            given.setdefault("temperature", TEMPERATURE)
        answer = getattr(self._client, method)(*subject, **given)
        if method == "submit":
            return answer
        for habit, (whole, pieces) in _VALUES.items():
            if habit in self._does:
                answer = pieces(answer) if given.get("stream") else whole(answer)
        return answer

    def _stats(self, method: str, *endpoint: Any, **given: Any) -> Any:
        shown = self._of_endpoint(method, *endpoint, **given)
        few = "few stats" in self._does
        return {name: shown[name] for name in _FEW} if few else shown

    def _classified(self, method: str, error: BaseException) -> Any:
        info = self._other(method, error)
        if info is None or "bare values" not in self._does:
            return info
        told = {name: _get(info, name) for name in ("kind", "status")}
        return {name: value for name, value in told.items() if value is not None and value is not UNSET}

    def _of_endpoint(self, method: str, *endpoint: Any, **given: Any) -> Any:
        return getattr(self._client, method)(*map(self._theirs, endpoint), **given)

    def _other(self, method: str, *words: Any, **given: Any) -> Any:
        return getattr(self._client, method)(*words, **given)


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name)


def _bare(answer: Any) -> Any:
    texts = _get(answer, "texts")
    return list(texts) if isinstance(texts, tuple | list) and len(texts) > 1 else _get(answer, "text")


def _bare_stream(pieces: Any) -> Iterator[str]:
    try:
        for piece in pieces:
            text = _get(piece, "text")
            if text and _get(piece, "special") is not True:
                yield text
    finally:
        pieces.close()


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


#: What a habit makes of an answer and of a stream.
_VALUES: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "trims": (_stripped, _stripped_stream),
    "bare values": (_bare, _bare_stream),
}


def _forward(way: str, method: str) -> Any:
    def forwarded(self: Adapter, *words: Any, **given: Any) -> Any:
        return getattr(self, way)(method, *words, **given)

    forwarded.__name__ = method
    return forwarded


def _adapter(stranger: Stranger) -> type[Adapter]:
    """The class of one stranger: it has a method where its client has one and the row leaves it."""
    theirs = importlib.import_module(MODULES[stranger.client]).methods(stranger)
    methods = {
        method: _forward(way, method)
        for way, names in _WAYS.items()
        for method in names
        if method in theirs and method not in hidden_methods(stranger)
    }
    return type(stranger.attribute, (Adapter,), {**methods, "stranger": stranger})


def __getattr__(name: str) -> type[Adapter]:
    for stranger in STRANGERS:
        if stranger.attribute == name:
            return _adapter(stranger)
    raise AttributeError(name)
