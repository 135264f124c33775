"""Classes of outcomes: what went wrong, in a word, told from both sides of a failed assertion. Pure.

The words of an assertion are the suites' own (``suites/harness/expect.py``), so a few rules read them all;
where none fits, the clause's observable says what was looked at.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from tgi_conformance.contracts.error_kinds import ErrorKind


class OutcomeClass(StrEnum):
    """What a red case showed, as far as causes are told apart by it."""

    CRASH = "crash"
    HANG = "hang"
    NO_ANSWER_TYPE = "not an answer"
    ADAPTER = "adapter's own exception"
    NOT_HEALTHY = "healthy call fails"
    NOTHING_USABLE = "method gives nothing usable"
    SILENT_END = "silent end"
    NO_ERROR = "no error"
    UNEXPECTED_ERROR = "unexpected error"
    REFUSED_LOCALLY = "refused locally"
    STATUS_LOST = "status not told"
    MESSAGE_LOST = "message lost"
    WRONG_KIND = "wrong kind of error"
    FOREIGN_ERROR = "not the client's own error"
    TEXT_DIFFERS = "text differs"
    EVENTS_DIFFER = "pieces differ"
    TOOL_CALL_DIFFERS = "tool call differs"
    TOO_MANY = "requests too many"
    TOO_FEW = "requests too few"
    TOO_MANY_OPEN = "too many at once"
    TOO_EARLY = "too early"
    KEY_SEEN = "key seen"
    COOKIE_SEEN = "cookie seen"
    REQUEST_DIFFERS = "request differs"
    STATISTICS_WRONG = "statistics wrong"
    USAGE_WRONG = "token counts wrong"
    LOGPROBS_WRONG = "log probabilities wrong"
    CONNECTION_LEFT = "connection left open"
    OTHER = "other"


_KIND: Final = "|".join(ErrorKind)
_KINDS: Final = rf"^(?:{_KIND})(?: or (?:{_KIND}))*(?: \(|$)"
#: Pattern of the expected side, pattern of the observed side -> class; the first that fits both.
_RULES: Final = tuple(
    (re.compile(expected), re.compile(observed), of)
    for expected, observed, of in (
        ("", r"^(?:[\w -]+: )?hang: ", OutcomeClass.HANG),
        ("", r"^(?:it waits|(?:it )?still wait|they wait |it goes on)|killed by SIGTERM", OutcomeClass.HANG),
        ("", r"^(?:[\w -]+: )?crash: |^it ended in between", OutcomeClass.CRASH),
        ("", r"^(?:[\w -]+: )?violation: ", OutcomeClass.NO_ANSWER_TYPE),
        ("", r"backend does not answer \(", OutcomeClass.NOT_HEALTHY),
        (r"^\w+ gives an? \w+$", "", OutcomeClass.NOTHING_USABLE),
        ("", r"^refused locally", OutcomeClass.REFUSED_LOCALLY),
        (r"\bthe status \d+ on the error", "", OutcomeClass.STATUS_LOST),
        (r"\bthe message .* inside the error", r"error of kind", OutcomeClass.MESSAGE_LOST),
        (r"client's own errors", r"error of kind", OutcomeClass.FOREIGN_ERROR),
        (rf"\berror of kind |{_KINDS}", r"error of kind", OutcomeClass.WRONG_KIND),
        (_KINDS, r"\bstream of \d+ pieces", OutcomeClass.SILENT_END),
        (_KINDS, r"\banswer\b", OutcomeClass.NO_ERROR),
        (r"\ban? error\b|\bone error\b|raises", r"\bstream of \d+ pieces", OutcomeClass.SILENT_END),
        (r"the whole answer", r"\bstream of \d+ pieces", OutcomeClass.SILENT_END),
        (r"error\b|raises|message", r"\b(?:answer|the value)\b", OutcomeClass.NO_ERROR),
        ("", r"\bkey:\w+ (?:in|on)\b", OutcomeClass.KEY_SEEN),
        ("", r"error of kind", OutcomeClass.UNEXPECTED_ERROR),
        ("", r"connections open", OutcomeClass.CONNECTION_LEFT),
        (r"connections? closed", "", OutcomeClass.CONNECTION_LEFT),
        ("", r"\bwith cookie\b|\bCookie: ", OutcomeClass.COOKIE_SEEN),
        (r"\bno (?:Authorization|credential|ambient token)\b.* (?:at|on) ", "", OutcomeClass.KEY_SEEN),
        ("", r"\bsent again\b|requests for \d+ calls?", OutcomeClass.TOO_MANY),
        (r"^at most \d+ open", "", OutcomeClass.TOO_MANY_OPEN),
        (r"the text |^'.*'$", r"the text |^'", OutcomeClass.TEXT_DIFFERS),
        (r"\bthe events of the stream|normal end|pieces", r"stream of|\[", OutcomeClass.EVENTS_DIFFER),
    )
)
#: So many requests were to be sent, and so many were.
_WANTED: Final = re.compile(r"^(at most )?(\d{1,9}|no)( or more)? (?:requests?|attempts?)\b")
_SENT: Final = re.compile(r"^(\d{1,9}|no|a|none)\b")
_IN_WORDS: Final = {"no": 0, "none": 0, "a": 1}
#: How a field begins that a clause's cases read -> class, where the words of the assertion say nothing.
_BY_FIELD: Final = (
    ("stats.", OutcomeClass.STATISTICS_WRONG),
    ("usage.", OutcomeClass.USAGE_WRONG),
    ("logprob.", OutcomeClass.LOGPROBS_WRONG),
    ("journal.gaps", OutcomeClass.TOO_EARLY),
    ("tool_call", OutcomeClass.TOOL_CALL_DIFFERS),
    ("connection.", OutcomeClass.CONNECTION_LEFT),
    ("exchange.connection", OutcomeClass.CONNECTION_LEFT),
    ("exchange.", OutcomeClass.REQUEST_DIFFERS),
    ("pieces.", OutcomeClass.EVENTS_DIFFER),
    ("answer.text", OutcomeClass.TEXT_DIFFERS),
)


def class_of(expected: str, observed: str, fields: Sequence[str]) -> OutcomeClass:
    """The class of a failure; ``fields`` are those that the clause's cases read (needs.py)."""
    for left, right, of in _RULES:
        if left.search(expected) and right.search(observed):
            return of
    if (counted := _counted(expected, observed)) is not None:
        return counted
    for begin, of in _BY_FIELD:
        if any(field.startswith(begin) for field in fields):
            return of
    return OutcomeClass.OTHER


def _counted(expected: str, observed: str) -> OutcomeClass | None:
    """Whether more or fewer requests were sent than were to be; None: the sides do not count requests."""
    wanted, sent = _WANTED.search(expected), _SENT.search(observed)
    if wanted is None or sent is None:
        return None
    return OutcomeClass.TOO_MANY if _number(sent[1]) > _number(wanted[2]) else OutcomeClass.TOO_FEW


def _number(text: str) -> int:
    return _IN_WORDS[text] if text in _IN_WORDS else int(text)
