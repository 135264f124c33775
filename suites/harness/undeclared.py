"""What a backend does by itself and no case can judge, so that none is held against it. Pure.

Two things: retries of a backend that declares none, which are seen on the wire and asked for once; and what a
declared circuit breaker refuses that no setting reaches.

A client may rightly try again after a failure that passes. How often it may, and after what, is computed from
its declaration; without one, a case that counts its requests or has another answer ready cannot judge it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tgi_conformance.contracts.adapter import Description
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.suites.harness.expect import ClauseFailed, WrongCount
from tgi_conformance.suites.harness.oracles import CallMade, sent_for
from tgi_conformance.suites.harness.policy import shut_out

#: Statuses below 500 that pass by themselves.
_PASSING = frozenset({408, 409, 424, 425, 429})
_SERVER_ERROR = 500
#: The clause that judges breakers.
_OF_BREAKERS = "RETRY-19"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A call that was tried again after a failure that passes."""

    #: What it failed with before it was tried again: statuses; None: the connection was lost.
    after: tuple[int | None, ...]
    attempts: int
    #: A further attempt met another reply of the script than the failure that it came after.
    moved: bool
    #: Its last attempt failed too, and yet the call gave an answer.
    believed: bool


def is_silent(description: Description) -> bool:
    """Whether a backend says nothing of retries: neither the capability nor a policy."""
    return description.retry is None and "retry" not in description.capabilities


def repeats(journal: Journal, calls: Iterable[tuple[CallMade, Outcome | None]]) -> Iterator[Repeat]:
    """The calls of a space that were tried again; a call still running has no outcome."""
    made = list(calls)
    prompts = [call.prompt for call, _ in made]
    for call, outcome in made:
        if prompts.count(call.prompt) > 1:
            continue  # whose attempt a request is cannot be told
        sent = sent_for(journal, call.prompt)
        again = [(one, other) for one, other in pairwise(sent) if _passes(one)]
        if again:
            yield Repeat(
                after=tuple(one.status for one, _ in again),
                attempts=len(sent),
                moved=any(one.reply != other.reply for one, other in again),
                believed=outcome is not None and outcome.returned and _passes(sent[-1]),
            )


def _passes(exchange: Exchange) -> bool:
    """Whether an exchange failed in a way that may be over at the next attempt."""
    if exchange.status is None or exchange.ending == "fault":
        return exchange.ending == "fault"
    return exchange.status >= _SERVER_ERROR or exchange.status in _PASSING


def excuse(
    description: Description,
    failure: ClauseFailed,
    clause: str,
    journals: Sequence[Journal],
    calls: Sequence[tuple[CallMade, Outcome | None]],
) -> str:
    """Why a failed assertion of a clause says nothing of the backend; empty: it does."""
    if is_silent(description):
        seen = [repeat for journal in journals for repeat in repeats(journal, calls)]
        if why := retry_excuse(failure, seen):
            return why
    if clause == _OF_BREAKERS:
        return ""
    ended = ((outcome is not None and outcome.raised, _reached(journals, made)) for made, outcome in calls)
    return shut_out(description, ended)


def _reached(journals: Sequence[Journal], made: CallMade) -> bool:
    return any(sent_for(journal, made.prompt) for journal in journals)


def retry_excuse(failure: ClauseFailed, seen: Sequence[Repeat]) -> str:
    """Why a failed assertion says nothing of a backend that does not declare its retries; empty: it does.

    It says something where a call gave an answer although its last attempt failed as well, and where the
    further attempts met nothing else and nobody counted them.
    """
    counted = isinstance(failure, WrongCount)
    if any(one.believed for one in seen) or not any(one.moved or counted for one in seen):
        return ""
    return f"made a second attempt after {_in_words(seen)} and declares no retry policy"


def asked_for(seen: Sequence[Repeat]) -> list[Finding]:
    """DECL-01, as advice: the declaration that is missing, as it would have to read."""
    if not seen:
        return []
    codes = sorted({code for one in seen for code in one.after if code is not None})
    lost = any(code is None for one in seen for code in one.after)
    policy: dict[str, object] = {"statuses": codes}
    if lost:
        policy["faults"] = ["reset", "closed"]
    policy["max_retries"] = max(one.attempts for one in seen) - 1
    told = (
        f"a second attempt after {_in_words(seen)}, and no retry policy is declared: add the capability"
        f' "retry" and "retry": {json.dumps(policy)} (as far as seen here) to what describe() returns'
    )
    return [Finding(clause="DECL-01", message=told, advisory=True)]


def _in_words(seen: Sequence[Repeat]) -> str:
    after = {code for one in seen for code in one.after}
    told = [str(code) for code in sorted(code for code in after if code is not None)]
    return " and ".join([*told, *(["a lost connection"] if None in after else [])])
