"""One cause as Markdown for somebody who is to mend the client: a colleague, or a language model. Pure.

At most 2,000 tokens, counted as a quarter of the characters: every part has its own bound, and their sum
keeps below it. What a backend or the wire said stands in fences or is escaped.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.journal import AnswerPart, Exchange, KeptAnswer
from tgi_conformance.contracts.outcome import Frame, Outcome
from tgi_conformance.contracts.verdict import Evidence
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.markdown.plain_text import LEGEND, PICTURED, code, fenced, inline, wire_text
from tgi_conformance.reports.markdown.scene import Scene, scene_of

#: Tokens of one cause, and characters of a token.
MOST_TOKENS: Final = 2_000
CHARACTERS_PER_TOKEN: Final = 4
#: Characters of the parts that are told first; a request and an answer get what is left, up to a bound.
_STATEMENT: Final = 600
_SOURCES_TEXT: Final = 400
_COMMANDS: Final = 500
_SAID: Final = 600
_EXPECTED: Final = 350
_REQUEST: Final = 1_200
_ANSWER: Final = 3_000
#: Characters of a request or an answer that are looked at: more could not be shown.
_READ: Final = 8_000
#: Rows of a list of requests, names of cases, sources, frames.
_ROWS: Final = 8
_NAMES: Final = 6
_SOURCES: Final = 3
_FRAMES: Final = 4
_ENDS: Final = {
    "fin": "Then it closed the connection, before the answer was whole.",
    "rst": "Then it reset the connection (RST).",
    "stall": "Then it said nothing more and left the connection open.",
    "half-close": "Then it shut its writing side (FIN) and went on reading.",
    "endless": "It went on like that without end.",
    "reset-stream": "Then it reset the HTTP/2 stream.",
    "close": "Then it closed the connection, as an answer of this kind ends.",
}
#: Headers that say nothing of a defect.
_DULL: Final = frozenset({"date", "accept-encoding", "connection", "user-agent", "vary", "content-length"})
#: A wait shorter than this (seconds) is not worth telling.
_LEAST_WAIT: Final = 0.005


def cause_markdown(
    cause: Cause, evidence: Evidence | None, commands: Sequence[str], *, number: int = 1
) -> str:
    """The cause as Markdown, with one example; ``commands`` show it again."""
    example = cause.example
    scene = Scene() if evidence is None else scene_of(example, evidence)
    before = [f"## {number}. {inline(cause.sentence, 240)}", "\n".join(_facts(cause)), *_rule(cause)]
    before += [f"### What happened in {code(example.case, 120)}"]
    before += _asked(scene) if evidence is not None else ["No evidence of it was kept."]
    after = [
        *(_did(scene.outcome) if scene.outcome is not None else ()),
        f"Seen: {inline(example.observed or example.reason, _EXPECTED)}",
        f"Expected: {inline(example.expected or example.reason, _EXPECTED)}",
        "### To see it again",
        fenced("\n".join(commands), _COMMANDS, "sh"),
    ]
    room = MOST_TOKENS * CHARACTERS_PER_TOKEN - sum(len(part) + 2 for part in (*before, *after))
    return "\n\n".join((*before, *_exchanges(scene, room), *after)) + "\n"


def _facts(cause: Cause) -> Iterator[str]:
    names = [code(verdict.case, 60) for verdict in cause.verdicts[:_NAMES]]
    more = len(cause.verdicts) - _NAMES
    yield f"- severity: {cause.severity}"
    yield f"- red cases: {len(cause.verdicts)}: {', '.join(names)}" + (
        f" and {more} more" if more > 0 else ""
    )
    if cause.place:
        yield f"- line of the client: {code(cause.place, 160)}"
    if cause.sign.exception:
        yield f"- exception: {code(cause.sign.exception, 120)}"
    if cause.advice:
        yield f"- what to change: {inline(cause.advice, 250)}"


def _rule(cause: Cause) -> Iterator[str]:
    catalogue = load_catalogue()
    clauses = [catalogue[name] for name in cause.clauses if name in catalogue]
    if not clauses:
        return
    own = next((clause for clause in clauses if clause.id == cause.example.clause), clauses[0])
    yield f"### The rule: {own.id} ({own.level})"
    yield own.statement[:_STATEMENT]
    sources = [
        f"{source.text}{f' <{source.url}>' if source.url else ''}" for source in own.sources[:_SOURCES]
    ]
    if sources:
        yield f"Sources: {'; '.join(sources)}"[:_SOURCES_TEXT]
    if others := [clause.id for clause in clauses if clause is not own]:
        yield f"The same cause breaks {', '.join(others[:_NAMES])}{' and others' if others[_NAMES:] else ''}."


def _asked(scene: Scene) -> Iterator[str]:
    """The call, and the requests that it made where there is not just one."""
    if scene.call:
        yield f"The call: {code(scene.call, 200)}"
    if len(scene.exchanges) > 1:
        yield f"It made {len(scene.exchanges)} requests:"
        yield "\n".join(_rows(scene.exchanges))
    if not scene.exchanges:
        yield "The client sent no request."


def _exchanges(scene: Scene, room: int) -> Iterator[str]:
    """The first request and its answer, and of the last one what is not the same."""
    shown = [*scene.exchanges[:1], *scene.exchanges[1:][-1:]]
    told: set[str] = set()
    # What stands around a request and its answer.
    each = room // max(len(shown), 1) - 400
    for place, exchange in zip(("", "last "), shown, strict=False):
        request, answer = _request(exchange), "\n".join(_answer(exchange))
        if request not in told:
            yield f"The client's {place}request:"
            yield fenced(request, min(_REQUEST, each // 3), "http")
        if answer not in told:
            legend = f" ({LEGEND})" if PICTURED.search(answer) else ""
            yield f"The server's {place}answer{legend}:"
            yield fenced(answer, min(_ANSWER, each - each // 3))
            yield from (_ENDS[end] for end in _ended(exchange) if end in _ENDS)
        elif request in told:
            yield "The last request and its answer were the same."
        told |= {request, answer}


def _ended(exchange: Exchange) -> Iterator[str]:
    if exchange.answer is not None:
        yield exchange.answer.ended


def _rows(exchanges: Sequence[Exchange]) -> Iterator[str]:
    start = exchanges[0].first_byte_at
    for exchange in exchanges[:_ROWS]:
        headers = exchange.answer.headers if exchange.answer is not None else ()
        wait = next(
            (f", Retry-After {value}" for name, value in headers if name.lower() == "retry-after"), ""
        )
        got = "no answer" if exchange.status is None else f"{exchange.status}{wait}"
        at = exchange.first_byte_at - start
        yield f"- {at:.3f} s: {code(f'{exchange.method} {exchange.target}', 60)}, got {inline(got, 30)}"
    if len(exchanges) > _ROWS:
        yield f"- and {len(exchanges) - _ROWS} more"


def _request(exchange: Exchange) -> str:
    telling = [f"{name}: {value}" for name, value in exchange.headers if name.lower() not in _DULL]
    lines = [f"{exchange.method} {exchange.target} HTTP/{exchange.http_version}", *telling]
    body = wire_text(exchange.body[:_READ]).rstrip("\n")
    return "\n".join([*(line[:200] for line in lines), "", body or "(no body)"])


def _answer(exchange: Exchange) -> Iterator[str]:
    answer = exchange.answer
    if answer is None:
        yield "(not kept)"
        return
    if answer.status is None and not answer.parts:
        yield from _raw(answer)
        return
    yield f"HTTP/{exchange.http_version} {answer.status} {answer.reason}".rstrip()
    yield from (f"{name}: {value}"[:200] for name, value in answer.headers if name.lower() not in _DULL)
    yield ""
    yield _body(answer.parts, exchange.reply_at or 0.0) or "(no body)"


def _body(parts: Sequence[AnswerPart], since: float) -> str:
    """The parts of a body as one text, with the waits between them."""
    told = ""
    for part in parts:
        if part.at - since > _LEAST_WAIT:
            told += f"{_end_of_line(told)}[{part.at - since:.3f} s later]\n"
        elif _end_of_line(told):
            told += "‖"
        since = part.at
        told += wire_text(part.content[:_READ])
        if len(told) > _READ:
            break
    return told.rstrip("\n")


def _end_of_line(told: str) -> str:
    """What ends the line that a text is in the middle of."""
    return "\n" if told and not told.endswith("\n") else ""


def _raw(answer: KeptAnswer) -> Iterator[str]:
    data = b"".join(step.data for step in answer.wire)
    yield wire_text(data[:_READ]).rstrip("\n") if data else "(nothing)"


def _did(outcome: Outcome) -> Iterator[str]:
    """What the call came to: an exception, a text, or an end of another kind."""
    if outcome.exception:
        yield "The client raised:"
        yield fenced("\n".join(_chain(outcome)), _SAID)
        return
    if outcome.ending == "end" and not outcome.pieces:
        yield "The client's stream ended, as if all were well, without a single piece."
        return
    if outcome.returned:
        yield f"The client returned{' a stream of' if outcome.pieces else ''}:"
        yield fenced("\n".join(_pieces(outcome)), _SAID)
        return
    yield f"The call ended as {code(outcome.ending)}: {inline(outcome.detail, 200)}"


def _pieces(outcome: Outcome) -> Iterator[str]:
    if not outcome.pieces:
        yield repr(outcome.text) if outcome.answer is not None else repr(outcome.value)
    for piece in islice(outcome.pieces, 60):
        told = repr(piece.text) if isinstance(piece.text, str) else "(no text)"
        reason = piece.finish_reason
        yield told + (f", finish_reason {reason!r}" if isinstance(reason, str) else "")


def _chain(outcome: Outcome) -> Iterator[str]:
    for link in outcome.exception[:3]:
        begin = "" if link.relation == "raised" else f"{link.relation}: "
        yield f"{begin}{link.type}: {link.message[: _SAID // 2]}"
        yield from (f"    at {frame} ({frame.owner})" for frame in _telling(link.frames))


def _telling(frames: Sequence[Frame]) -> Iterator[Frame]:
    """The innermost frame, and the innermost that are no library's."""
    own = [frame for frame in frames[1:] if frame.owner != "library"]
    yield from (*frames[:1], *(own or frames[1:])[: _FRAMES - 1])
