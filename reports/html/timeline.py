"""A journal as rows on one time line: when each request came, was answered, and ended."""

from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.journal import Connection, Exchange, Journal

#: A bar narrower than this (percent) could not be seen.
_THINNEST: Final = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One exchange. Times are milliseconds from the first thing that happened in the space."""

    exchange: Exchange
    at: float
    replied: float | None
    over: float | None
    #: Where the waiting and the answering part stand in a bar of 100 percent.
    wait_left: float
    wait_width: float
    reply_left: float
    reply_width: float

    @property
    def line(self) -> str:
        """``POST /generate`` as in the request line."""
        return f"{self.exchange.method} {self.exchange.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All rows of a journal, and how long it all took in milliseconds."""

    rows: tuple[Row, ...] = ()
    length: float = 0.0


def timeline(journal: Journal) -> Timeline:
    """Lay the exchanges of a journal on one line of time."""
    moments = [at for exchange in journal.exchanges for at in _moments(exchange)]
    moments += [at for connection in journal.connections for at in _span(connection)]
    if not moments or not journal.exchanges:
        return Timeline()
    start, end = min(moments), max(moments)
    rows = tuple(_row(exchange, start, max(end - start, 0.001), end) for exchange in journal.exchanges)
    return Timeline(rows=rows, length=(end - start) * 1000)


def _moments(exchange: Exchange) -> list[float]:
    ends = (exchange.reply_at, exchange.over_at)
    return [exchange.first_byte_at or exchange.received_at, exchange.received_at, *(at for at in ends if at)]


def _span(connection: Connection) -> list[float]:
    return [connection.opened_at, *([connection.closed_at] if connection.closed_at else [])]


def _row(exchange: Exchange, start: float, length: float, end: float) -> Row:
    begin = exchange.first_byte_at or exchange.received_at
    over = exchange.over_at
    last = end if over is None else over
    reply = last if exchange.reply_at is None else min(exchange.reply_at, last)

    def percent(at: float) -> float:
        return round(100 * (at - start) / length, 2)

    left = min(percent(begin), 100 - _THINNEST)
    return Row(
        exchange=exchange,
        at=_ms(begin, start),
        replied=None if exchange.reply_at is None else _ms(exchange.reply_at, start),
        over=None if over is None else _ms(over, start),
        wait_left=left,
        wait_width=round(max(percent(reply) - left, _THINNEST), 2),
        reply_left=min(percent(reply), 100 - _THINNEST),
        reply_width=round(max(percent(last) - percent(reply), _THINNEST), 2),
    )


def _ms(at: float, start: float) -> float:
    return round((at - start) * 1000, 2)
