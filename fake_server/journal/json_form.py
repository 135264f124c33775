"""Journals over the control API: the codec's JSON form, without paying for the codec twice.

An exchange that is over never changes, so its text is made once. The reader trusts this package's own
server and skips the codec's checks; a test holds both to the codec's results.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.journal import Connection, Exchange, Journal, KeptAnswer, ReplyUse
from tgi_conformance.fake_server.journal.builder import ExchangeRecord, JournalBuilder

_BYTES: Final = ("head", "body")
#: Name and default of each field; a field without a default has dataclasses' own mark there.
_DEFAULTS: Final = tuple((field.name, field.default) for field in fields(Exchange))


def encoded(builder: JournalBuilder, replies: tuple[ReplyUse, ...]) -> str:
    """The journal as JSON text."""
    rest = to_json(builder.frozen(replies, exchanges=False))
    text = json.dumps(rest, separators=(",", ":"))
    if not builder.exchanges:
        return text
    exchanges = ",".join(_exchange_text(record) for record in builder.exchanges)
    return f'{{"exchanges":[{exchanges}]{"," if rest else ""}{text[1:]}'


def _exchange_text(record: ExchangeRecord) -> str:
    if record.text is not None:
        return record.text
    text = json.dumps(exchange_value(record.frozen()), separators=(",", ":"))
    if record.over:
        record.text = text
    return text


def exchange_value(exchange: Exchange) -> dict[str, object]:
    """What the codec makes of an exchange: fields at their default left out, bytes as base64."""
    value: dict[str, object] = {}
    for name, default in _DEFAULTS:
        item = getattr(exchange, name)
        if item == default and type(item) is type(default):
            continue
        if name in _BYTES:
            item = base64.b64encode(item).decode("ascii")
        value[name] = to_json(item) if name == "answer" else item
    return value


def decoded(value: Mapping[str, Any]) -> Journal:
    """A journal from the JSON value that a server of this package sent."""
    given = dict(value)
    given["exchanges"] = tuple(map(_exchange, value.get("exchanges", ())))
    given["connections"] = tuple(Connection(**item) for item in value.get("connections", ()))
    given["replies"] = tuple(ReplyUse(**item) for item in value.get("replies", ()))
    given["notes"] = tuple(value.get("notes", ()))
    given["faults"] = tuple(value.get("faults", ()))
    return Journal(**given)


def _exchange(value: Mapping[str, Any]) -> Exchange:
    given = dict(value)
    for name in _BYTES:
        if name in given:
            given[name] = base64.b64decode(given[name])
    headers: Iterable[Iterable[str]] = value.get("headers", ())
    given["headers"] = tuple(map(tuple, headers))
    if "answer" in given:
        given["answer"] = from_json(KeptAnswer, given["answer"])
    return Exchange(**given)
