"""Journals over the control API: the codec's JSON form, without paying for the codec twice.

An exchange that is over never changes, so its text is made once. The reader trusts this package's own
server and skips the codec's checks; a test holds both to the codec's results.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import Connection, Exchange, Journal, ReplyUse
from tgi_conformance.fake_server.journal_builder import ExchangeRecord, JournalBuilder

_BYTES: Final = ("head", "body")


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
    text = json.dumps(to_json(record.frozen()), separators=(",", ":"))
    if record.over:
        record.text = text
    return text


def decoded(value: Mapping[str, Any]) -> Journal:
    """A journal from the JSON value that a server of this package sent."""
    fields = dict(value)
    fields["exchanges"] = tuple(map(_exchange, value.get("exchanges", ())))
    fields["connections"] = tuple(Connection(**item) for item in value.get("connections", ()))
    fields["replies"] = tuple(ReplyUse(**{"at_most": None, **item}) for item in value.get("replies", ()))
    fields["notes"] = tuple(value.get("notes", ()))
    return Journal(**fields)


def _exchange(value: Mapping[str, Any]) -> Exchange:
    fields = dict(value)
    for name in _BYTES:
        if name in fields:
            fields[name] = base64.b64decode(fields[name])
    headers: Iterable[Iterable[str]] = value.get("headers", ())
    fields["headers"] = tuple(map(tuple, headers))
    return Exchange(**fields)
