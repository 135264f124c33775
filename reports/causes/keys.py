"""Which red verdicts have one cause, told from their signs. Pure.

What the server did weighs most: cases that fail in the same way on the same stimulus have one cause, whatever
the route. Where the server did nothing unusual, the function of the backend that raised tells causes apart;
where nothing was raised, what differs in the request; and where that is not known, the clause.
"""

import re
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.causes.kinds import family, parts
from tgi_conformance.contracts.causes.outcomes import OutcomeClass
from tgi_conformance.contracts.verdict import Sign, Verdict

#: Exceptions that say one thing: data was not of the shape that the code took for granted.
_SHAPE: Final = frozenset(
    {"KeyError", "IndexError", "TypeError", "AttributeError", "ValueError", "ValidationError", "LookupError"}
)
#: Exceptions of what reads JSON and text.
_DECODING: Final = frozenset({"JSONDecodeError", "UnicodeDecodeError", "ContentTypeError"})
#: The client's own error is there, and tells too little, or the wrong thing.
_TELLS_LITTLE: Final = frozenset({OutcomeClass.STATUS_LOST, OutcomeClass.WRONG_KIND})
#: A failure is taken for a success.
_UNNOTICED: Final = frozenset({OutcomeClass.SILENT_END, OutcomeClass.NO_ERROR, OutcomeClass.NO_ANSWER_TYPE})
#: What the client sends or keeps by itself: the server's answer has no part in it.
_OF_ITSELF: Final = frozenset(
    {OutcomeClass.REQUEST_DIFFERS, OutcomeClass.CONNECTION_LEFT, OutcomeClass.REFUSED_LOCALLY}
    | {OutcomeClass.NOTHING_USABLE, OutcomeClass.NOT_HEALTHY}
)
#: What the stimulus says little of: many scripts have the same, and clauses ask for different things of it.
_BY_CLAUSE: Final = frozenset(
    {OutcomeClass.KEY_SEEN, OutcomeClass.COOKIE_SEEN, OutcomeClass.TOO_EARLY, OutcomeClass.STATISTICS_WRONG}
    | {
        OutcomeClass.TOOL_CALL_DIFFERS,
        OutcomeClass.USAGE_WRONG,
        OutcomeClass.LOGPROBS_WRONG,
        OutcomeClass.OTHER,
    }
)
#: Nothing was sent.
_UNSENT: Final = frozenset({OutcomeClass.REFUSED_LOCALLY, OutcomeClass.TOO_FEW})
#: Clauses that ask for several things at once: what the server did says which of them fails.
_SEVERAL: Final = frozenset({"RESP-05", "RESP-09", "RESP-11", "STREAM-08", "TOOL-05", "TOOL-10", "REAL-02"})
#: Kinds that many scripts have beside what they are about.
_BACKGROUND: Final = frozenset({"comment", "split-writes", "no-done", "unknown-fields"})
#: Kinds that say what a case is about, not what is unusual.
_USUAL: Final = frozenset({"tool-calls", "logprobs"})
_PLACE: Final = re.compile(r"(?P<file>.*?)(?::\d+)? in (?P<function>.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What cases of one cause have in common."""

    #: How it failed: a group of exceptions, or of classes of outcomes.
    how: str
    #: Families of what the server did.
    kinds: frozenset[str] = frozenset()
    #: Where the kinds tell nothing: file and function, what differs, or the clause.
    where: str = ""


def key_of(verdict: Verdict) -> Key:
    """What a red verdict shares with others of its cause, first of all."""
    sign, clause = verdict.sign, verdict.clause
    if not sign.outcome and not sign.exception:
        return Key(how=str(verdict.ruling), where=clause)
    if sign.outcome == OutcomeClass.ADAPTER:
        return Key(how=sign.outcome, where=function_of(sign.place) or clause)
    if _by_exception(sign):
        return _of_exception(sign, clause)
    if sign.outcome in _OF_ITSELF:
        return Key(how=sign.outcome, where=sign.detail or clause)
    if sign.outcome in _BY_CLAUSE:
        return Key(how=sign.outcome, where=clause)
    kinds = _kinds(sign)
    return Key(how=_how(sign), kinds=kinds, where="" if kinds else clause)


def second_key_of(verdict: Verdict) -> Key | None:
    """What also makes a cause: failing one clause in one way, and at one place, whatever the server did.

    None where the clause asks for several things, which only the stimulus tells apart.
    """
    sign, clause = verdict.sign, verdict.clause
    if clause in _SEVERAL or not (sign.outcome or sign.exception):
        return None
    if _by_exception(sign) and sign.outcome != OutcomeClass.ADAPTER:
        key = _of_exception(sign, clause)
        return Key(how=key.how, where=f"{clause} {function_of(sign.place)}")
    how = f"{_how(sign)} {sign.detail.rpartition(' ')[2]}" if sign.detail else _how(sign)
    return Key(how=how, where=clause)


def _by_exception(sign: Sign) -> bool:
    return bool(sign.exception) and sign.outcome != OutcomeClass.KEY_SEEN


def _how(sign: Sign) -> str:
    return "unnoticed" if sign.outcome in _UNNOTICED else sign.outcome


def _of_exception(sign: Sign, clause: str) -> Key:
    kinds = frozenset() if sign.outcome in _UNSENT else _kinds(sign)
    if is_own(sign) and sign.outcome in _TELLS_LITTLE:
        return Key(how="tells too little", kinds=kinds & {"error-status"} or kinds)
    if is_own(sign) and sign.outcome == OutcomeClass.MESSAGE_LOST:
        return Key(how=sign.outcome, kinds=kinds)
    where = "" if kinds else function_of(sign.place) or clause
    return Key(how="own error" if is_own(sign) else _group(sign.exception), kinds=kinds, where=where)


def is_own(sign: Sign) -> bool:
    """Whether the exception is of a type that the backend's own package defines."""
    package = sign.exception.partition(".")[0]
    return "." in sign.exception and sign.place.partition("/")[0].partition(".")[0] == package


def function_of(place: str) -> str:
    """File and function of a place, without its line: lines move from version to version."""
    found = _PLACE.fullmatch(place)
    return f"{found['file']} {found['function']}" if found else ""


def _kinds(sign: Sign) -> frozenset[str]:
    kinds = frozenset(map(family, parts(sign.stimulus)))
    return kinds - _BACKGROUND - _USUAL or kinds - _USUAL


def _group(exception: str) -> str:
    name = exception.rpartition(".")[2]
    return "shape" if name in _SHAPE else "decoding" if name in _DECODING else exception
