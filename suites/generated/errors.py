"""Hypothesis generators of failed answers and of the Retry-After header.

All shrink towards TGI's own form: JSON with ``error`` and ``error_type``, whole seconds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final, Literal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Body, Reply, Response
from tgi_conformance.suites.generated.schemas import json_values

BodyKind = Literal["json", "no-json"]

#: Content types that an error body may come under, right or wrong; None: TGI's own for its form.
_CONTENT_TYPES: Final = (None, "application/json", "text/plain", "text/html", "application/octet-stream", "x")
_WORDS: Final = ("Model is overloaded", "Bad Gateway", "é ✅ \u2028", "0", "null", "{", "<b>", "data: x")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAnswer:
    """An answer with an error status, and words of its body that an excerpt shows, if it has any."""

    status: int
    body: Body
    words: str = ""

    @property
    def reply(self) -> Reply:
        """The reply that plays it."""
        return Reply(response=Response(status=self.status, body=self.body))


def failed_answers(
    statuses: Sequence[int], *, kinds: Sequence[BodyKind] = ("json", "no-json")
) -> SearchStrategy[FailedAnswer]:
    """Answers of these statuses with any body (g_error): JSON, text, HTML, nothing, JSON cut short."""
    forms: dict[BodyKind, SearchStrategy[tuple[Body, str]]] = {
        "json": _json_bodies(),
        "no-json": _other_bodies(),
    }
    return st.tuples(st.sampled_from(list(statuses)), st.one_of([forms[kind] for kind in kinds])).map(
        lambda drawn: FailedAnswer(status=drawn[0], body=drawn[1][0], words=drawn[1][1])
    )


def _json_bodies() -> SearchStrategy[tuple[Body, str]]:
    """JSON of TGI's form, of OpenAI's, and of none."""

    def told(message: str, kind: JSON) -> list[JSON]:
        return [{"error": message, "error_type": kind}, {"error": {"message": message, "code": kind}}]

    usual = st.builds(told, st.sampled_from(_WORDS), st.sampled_from(["overloaded", None, "x"]))
    values = st.one_of(usual.flatmap(st.sampled_from), json_values())
    return st.builds(
        lambda value, label: (Body(json=value, content_type=label), ""),
        values,
        st.sampled_from(_CONTENT_TYPES),
    )


def _other_bodies() -> SearchStrategy[tuple[Body, str]]:
    """Text, pages, nothing, and JSON that was cut short."""
    labels = st.sampled_from(_CONTENT_TYPES)
    mark = st.sampled_from(["mark-7f", "proxy-7.example", "deep-learning"])
    text = st.builds(lambda word, label: (Body(text=word, content_type=label), word), mark, labels)
    page = mark.map(lambda word: (Body(html=f"<html><body><h1>{word}</h1></body></html>"), word))
    cut = st.builds(
        lambda word, label: (Body(text=json.dumps({"error": word})[:-2], content_type=label), word),
        mark,
        labels,
    )
    return st.one_of(text, page, cut, st.just((Body(), "")))


# --- Retry-After ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAfter:
    """The lines of a Retry-After header, and what they oblige to.

    ``least`` is the number of seconds for which the client must stay away; None: the header says nothing.
    """

    lines: tuple[str, ...]
    least: float | None = None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The header lines."""
        return tuple(("retry-after", line) for line in self.lines)


#: Values that are no Retry-After; numbers that look like one and are none of the grammar's among them.
_JUNK: Final = (
    "",
    "soon",
    "-5",
    "-0",
    "nan",
    "NaN",
    "inf",
    "1e10000",
    "0x10",
    "1,5",
    "1 2",
    "PT1S",
    "٣",
    "+",
    "s",
)
#: Dates long gone, in the three forms of RFC 9110 section 5.6.7.
_PAST: Final = (
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Thu, 01 Jan 1970 00:00:00 GMT",
)
#: Dates that no calendar has.
_NO_DATES: Final = ("Wed, 31 Feb 2015 07:28:00 GMT", "Wed, 21 Oct 99999 07:28:00 GMT", "21 Oct", "GMT")


def whole_seconds(*values: int) -> list[RetryAfter]:
    """Whole seconds, blanks around them or zeros before them, in every form (g_retry_after)."""
    forms = ("{}", " {} ", "0{}", "\t{}")
    return [RetryAfter(lines=(form.format(value),), least=float(value)) for value in values for form in forms]


def date_ahead(now: datetime, seconds: float) -> RetryAfter:
    """A date so many seconds ahead of ``now``, as the IMF-fixdate that servers send (g_retry_after).

    A date has a grain of one second; what is cut off is taken off the bound. It is made when the server is
    set up, not when the example is drawn: an example may be played again later.
    """
    moment = (now.astimezone(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
    line = format_datetime(moment, usegmt=True)
    return RetryAfter(lines=(line,), least=moment.timestamp() - now.timestamp())


def bad_retry_afters() -> SearchStrategy[RetryAfter]:
    """Headers that say no wait: junk, dates gone by, two lines (g_retry_after)."""
    one = st.sampled_from([*_JUNK, *_PAST, *_NO_DATES])
    return st.one_of(
        one.map(lambda line: RetryAfter(lines=(_latin1(line),))),
        st.tuples(st.sampled_from(_JUNK), st.sampled_from(_JUNK)).map(
            lambda lines: RetryAfter(lines=tuple(map(_latin1, lines)))
        ),
    )


def _latin1(line: str) -> str:
    """Header values go out as latin-1: UTF-8 bytes, one character a byte."""
    return line.encode().decode("latin-1")


def huge_retry_afters(now: datetime) -> SearchStrategy[RetryAfter]:
    """Waits far beyond any caller's patience: a day in seconds, a figure without end, a date next year."""
    return st.one_of(
        st.sampled_from(whole_seconds(86_400, 10**9)),
        st.just(RetryAfter(lines=("9" * 40,), least=1e9)),
        st.sampled_from([86_400.0, 3e7]).map(lambda seconds: date_ahead(now, seconds)),
    )
