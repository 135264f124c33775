"""Assertions that say what was expected, what was observed, and show the journal."""

from collections.abc import Iterable

from tgi_conformance.contracts.adapter import Answer, ErrorInfo
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.fault import where_it_began
from tgi_conformance.contracts.journal import Exchange, Journal, reply_label
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.suites.real.said import texts_said

_SHOWN_EXCHANGES = 12


class ClauseFailed(AssertionError):
    """A clause does not hold; carries both sides for the report."""

    def __init__(self, expected: str, observed: str, evidence: str = "") -> None:
        self.expected = expected
        self.observed = observed
        text = f"expected: {expected}\nobserved: {observed}"
        super().__init__(f"{text}\n{evidence}" if evidence else text)


class WrongCount(ClauseFailed):
    """So many requests were not to be sent."""


class CameLate(ClauseFailed):
    """Something came later than it may.

    A busy machine makes that of anything: it counts if it is so each time (:mod:`._replay`).
    """


def expect(
    condition: bool,  # noqa: FBT001 - reads like assert
    *,
    expected: str,
    observed: object,
    journal: Journal | None = None,
) -> None:
    """Fail the clause unless the condition holds."""
    if not condition:
        raise ClauseFailed(expected, str(observed), timeline(journal) if journal else "")


def expect_in_time(
    condition: bool,  # noqa: FBT001 - reads like assert
    *,
    expected: str,
    observed: object,
    journal: Journal,
) -> None:
    """Fail the clause, if it does so each time, where something came later than it may."""
    if not condition:
        raise CameLate(expected, str(observed), timeline(journal))


def expect_success(outcome: Outcome, what: str = "the call") -> None:
    """The call ended without an error."""
    expect(
        outcome.returned,
        expected=f"{what} succeeds",
        observed=describe(outcome),
    )


def expect_text(outcome: Outcome, text: str) -> None:
    """The call succeeded with exactly that text; an answer without one is not the empty text.

    Where a real server answered in the script's place, it is the text that it sent.
    """
    expect_success(outcome)
    said = texts_said()
    text = next((each for each in said if outcome.says(each)), said[-1]) if said else text
    expect(
        outcome.answer is None or isinstance(outcome.answer.text, str),
        expected=f"the text {_short(text)}",
        observed=f"{_short(outcome.value)}, which is no text"
        if outcome.answer == Answer()
        else "an answer without a text",
    )
    expect(
        outcome.says(text),
        expected=f"the text {_short(text)}",
        observed=f"the text {_short(outcome.text)}",
    )


def expect_error(
    outcome: Outcome,
    *kinds: ErrorKind,
    status: int | None = None,
    contains: str | None = None,
    because: str = "",
) -> ErrorInfo | None:
    """The call raised; of one of these kinds where given, with that status and text in its message."""
    wanted = " or ".join(kinds) or "an error"
    why = f" ({because})" if because else ""
    expect(outcome.raised, expected=f"{wanted}{why}", observed=describe(outcome))
    info = outcome.error
    if kinds:
        expect(
            info is not None and info.kind in kinds,
            expected=f"an error of kind {wanted}{why}",
            observed=describe(outcome),
        )
    if status is not None:
        expect(
            info is not None and info.status == status,
            expected=f"the status {status} on the error{why}",
            observed=describe(outcome),
        )
    if contains is not None:
        expect(
            contains in error_text(outcome),
            expected=f"the message {_short(contains)} inside the error",
            observed=describe(outcome),
        )
    return info


def error_text(outcome: Outcome) -> str:
    """All text that an error shows: the adapter's message and the raw chain."""
    parts: list[str] = []
    if outcome.error is not None and isinstance(outcome.error.message, str):
        parts.append(outcome.error.message)
    for link in outcome.exception:
        parts += [link.message, link.repr, *link.args]
    return "\n".join(parts)


def expect_requests(
    exchanges: Iterable[Exchange], count: int, *, because: str, journal: Journal | None = None
) -> None:
    """Exactly so many requests were sent."""
    chosen = tuple(exchanges)
    if len(chosen) != count:
        raise WrongCount(
            f"{count} request{'s' if count != 1 else ''}: {because}",
            f"{len(chosen)}: {_lines(chosen) or 'none'}",
            timeline(journal) if journal else "",
        )


def only_request(journal: Journal) -> Exchange:
    """The one generation request of a space."""
    expect_requests(journal.generations, 1, because="one call sends one request", journal=journal)
    return journal.generations[0]


def describe(outcome: Outcome) -> str:
    """Say in one line how a call ended."""
    if outcome.ending == "error":
        info = outcome.error
        kind = "unmapped" if info is None else str(info.kind)
        told = f", status {info.status}" if info is not None and isinstance(info.status, int) else ""
        raised = outcome.exception[0] if outcome.exception else None
        place = where_it_began(outcome.exception)
        # The message of a mistake matters less than where it is, and lines are cut at their end.
        cause = f": {raised.type}: {_short(raised.message, 60 if place else 160)}{place}" if raised else ""
        why = f" ({outcome.detail})" if outcome.detail else ""
        return f"error of kind {kind}{told}{cause}{why}{_after(outcome)}"
    if outcome.ending in ("answer", "end", "left"):
        if outcome.answer is None and outcome.value is not None:
            return f"the value {_short(repr(outcome.value))}"
        kind = "answer" if outcome.answer is not None else f"stream of {len(outcome.pieces)} pieces"
        return f"{kind} {_short(outcome.text)}"
    return f"{outcome.ending}: {outcome.detail or 'no detail'}{_after(outcome)}"


def _after(outcome: Outcome) -> str:
    return f" after {len(outcome.pieces)} pieces {_short(outcome.text)}" if outcome.pieces else ""


def _short(value: object, limit: int = 160) -> str:
    shown = repr(value)
    size = len(value if isinstance(value, str) else shown)
    return shown if len(shown) <= limit else f"{shown[: limit - 20]}… ({size} characters)"


def timeline(journal: Journal) -> str:
    """The journal as lines: when, which connection, what was asked, what was answered."""
    return f"journal:\n{_lines(journal.exchanges)}" if journal.exchanges else "journal: no request"


def _lines(exchanges: tuple[Exchange, ...]) -> str:
    start = exchanges[0].received_at if exchanges else 0.0
    lines = [
        f"  +{exchange.received_at - start:.3f}s conn {exchange.connection}"
        f" {exchange.method} {exchange.target} key:{exchange.key} -> {exchange.status or 'no answer'}"
        f" ({exchange.ending}, {reply_label(exchange.reply)})"
        for exchange in exchanges[:_SHOWN_EXCHANGES]
    ]
    if len(exchanges) > _SHOWN_EXCHANGES:
        lines.append(f"  … {len(exchanges) - _SHOWN_EXCHANGES} more")
    return "\n".join(lines)
