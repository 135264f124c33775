"""Who is told of each exchange: the live view in a terminal, and the journal file.

Neither shows a credential.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from tgi_conformance.contracts.redaction import redact
from tgi_conformance.fake_server.journal.builder import ExchangeRecord
from tgi_conformance.fake_server.journal.json_form import exchange_value
from tgi_conformance.fake_server.journal.secrecy import (
    credentials,
    redact_text,
    stripped_headers,
    stripped_target,
)
from tgi_conformance.fake_server.space.space import Space

Observer = Callable[[Space, ExchangeRecord], None]

_WIDTH: Final = 44


def all_of(observers: Iterable[Observer]) -> Observer | None:
    """One observer that tells all of these; None where there are none."""
    every = tuple(observers)
    if not every:
        return None

    def tell(space: Space, record: ExchangeRecord) -> None:
        for observer in every:
            observer(space, record)

    return tell


def _keys(space: Space, record: ExchangeRecord) -> dict[str, str]:
    known = space.keys
    shown = credentials(record.request.headers, record.request.target, alias="other")
    values = set(known.values())
    return {**known, **{alias: secret for alias, secret in shown.items() if secret not in values}}


class LiveView:
    """A line for each exchange: time, method and target, key, reply, status, bytes, milliseconds."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, space: Space, record: ExchangeRecord) -> None:
        """Show one exchange that is over."""
        request = record.request
        keys = _keys(space, record)
        what = _printable(redact_text(f"{request.method} {stripped_target(request.target, keys)}", keys))
        begun = record.reply_at or record.request.received_at
        over = max(record.replied_at or 0.0, record.gone_at or 0.0, begun)
        status = "---" if record.status is None else str(record.status)
        ending = "" if record.ending == "complete" else f"  {record.ending}"
        served = record.reply or "-"
        clock = time.strftime("%H:%M:%S")
        print(
            f"{clock}  {what:<{_WIDTH}}  key:{record.key:<6} {_printable(served):<14} {status} "
            f"{record.sent_bytes:>8} B {(over - record.request.received_at) * 1000:>9.1f} ms{ending}",
            file=self._out,
            flush=True,
        )


def _printable(text: str) -> str:
    """The text with nothing in it that a terminal would obey."""
    shown = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
    return shown if len(shown) <= 200 else f"{shown[:199]}…"


class JournalFile:
    """Appends a line of JSON for each exchange: ``{"time", "space", "exchange"}``.

    The exchange is in the journal's own form (schema ``journal``, ``$defs/Exchange``).
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        #: What the monotonic clock's zero is on the wall.
        self._zero = time.time() - time.monotonic()

    def __call__(self, space: Space, record: ExchangeRecord) -> None:
        """Write one exchange that is over."""
        keys = _keys(space, record)
        exchange = record.frozen()
        value = exchange_value(exchange)
        # The head says nothing that target and headers do not, and would have to be stripped twice.
        value.pop("head", None)
        value["target"] = stripped_target(exchange.target, keys)
        value["headers"] = stripped_headers(exchange.headers, keys, record.key)
        clean = redact(value, keys)  # type: ignore[arg-type]
        at = datetime.fromtimestamp(self._zero + exchange.received_at, UTC).isoformat(timespec="milliseconds")
        line = {"time": at, "space": space.id, "exchange": clean}
        try:
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        except OSError as error:  # a full disk must not cost a client its answer
            print(f"fake server: --journal: {error}", file=sys.stderr)  # noqa: T201

    def close(self) -> None:
        """Close the file."""
        self._file.close()
