"""Run-wide oracles: looked at in every case, ruled once a run under their own clause. Pure.

A defect that shows in every case (a key in each exception) thus reddens one clause, with the cases as its
evidence.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from tgi_conformance.backends.host.watch import LIBRARIES
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.loopback import asks_elsewhere, leaves_here
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.suites.harness.policy import PERMANENT

_OK: Final = 200
#: The level of Python's logging from which a record is no longer for developers alone.
_INFO: Final = 20
_IN_BAND: Final = "in-band-fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """One generation call of a case, as far as the oracles need it."""

    prompt: str
    #: Attempts that the policy in force allows.
    most_attempts: int


@lru_cache(maxsize=1024)
def key_forms(key: str) -> tuple[str, ...]:
    """The forms in which a key may turn up: literal, percent-encoded, base64, JSON-escaped."""
    encoded = base64.b64encode(key.encode()).decode().rstrip("=")
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)
    return tuple(dict.fromkeys((key, quote(key, safe=""), encoded, escaped)))


def find_key(text: str, keys: Mapping[str, str]) -> str | None:
    """The alias of a key that a text holds in any form, else None."""
    return next((alias for alias, key in keys.items() if any(form in text for form in key_forms(key))), None)


def leaks_in_outcomes(outcomes: Iterable[Outcome], keys: Mapping[str, str]) -> list[Finding]:
    """SEC-01: a key in an exception or a return value."""
    findings: list[Finding] = []
    looked = False
    for outcome in outcomes:
        looked = True
        findings += [
            _breach("SEC-01", f"key:{alias} in {link.relation} exception {link.type}")
            for link in outcome.exception
            if (alias := find_key("\n".join((link.message, link.repr, *link.args)), keys))
        ]
        if alias := find_key(_all_text(outcome), keys):
            findings.append(_breach("SEC-01", f"key:{alias} in what the call gave back"))
    return findings or ([Finding(clause="SEC-01", message="no key seen", breach=False)] if looked else [])


def _all_text(outcome: Outcome) -> str:
    parts = [repr(outcome.answer), repr(outcome.pieces), json.dumps(outcome.value, default=repr)]
    if outcome.error is not None:
        parts.append(repr(outcome.error))
    return "\n".join(parts)


def leaks_in_output(
    output: str, records: Iterable[tuple[int, str, str]], keys: Mapping[str, str]
) -> list[Finding]:
    """SEC-02: a key on stdout or stderr, or in a log record (level number, logger, text) at INFO or above."""
    findings = [Finding(clause="SEC-02", message="no key seen", breach=False)]
    if alias := find_key(output, keys):
        findings.append(_breach("SEC-02", f"key:{alias} on stdout or stderr"))
    for level, logger, text in records:
        if level < _INFO and logger.partition(".")[0] in LIBRARIES:
            continue
        alias = find_key(text, keys)
        if alias is not None:
            findings.append(
                Finding(
                    clause="SEC-02",
                    message=f"key:{alias} in a record of level {level} of the logger {logger}",
                    advisory=level < _INFO,
                )
            )
    return findings


def stray_keys(journal: Journal, keys: Mapping[str, str]) -> list[Finding]:
    """SEC-03: a key anywhere in a request but its Authorization header."""
    findings: list[Finding] = []
    for exchange in journal:
        others = "\n".join(v for k, v in exchange.headers if k.lower() != "authorization")
        places = {
            "the request target": unquote(exchange.target),
            "another header": others,
            "the body": exchange.body.decode("utf-8", "replace"),
        }
        findings += [
            _breach("SEC-03", f"key:{alias} in {place} of {exchange.method} {exchange.path}")
            for place, text in places.items()
            if (alias := find_key(text, keys))
        ]
    if not findings and journal.exchanges:
        findings.append(Finding(clause="SEC-03", message="no stray key", breach=False))
    return findings


def extra_requests(journal: Journal, calls: Iterable[CallMade]) -> list[Finding]:
    """REQ-15, RETRY-01, RETRY-03: generation requests that no call and no policy explains.

    Requests are matched to calls by the prompt in their body. A request after a complete success is REQ-15's,
    one after a permanent status RETRY-03's, any other beyond the allowed attempts RETRY-01's.
    """
    findings: list[Finding] = []
    groups: dict[str, list[CallMade]] = {}
    for call in calls:
        groups.setdefault(call.prompt, []).append(call)
    for prompt, group in groups.items():
        findings += _judge_group(sent_for(journal, prompt), group)
    if not findings and journal.generations:
        findings = [
            Finding(clause=clause, message="no extra request", breach=False)
            for clause in ("REQ-15", "RETRY-01", "RETRY-03")
        ]
    return findings


def sent_for(journal: Journal, prompt: str) -> list[Exchange]:
    """The generation requests that carry a prompt, in order."""
    marker = json.dumps(prompt, ensure_ascii=False)[1:-1]
    return [exchange for exchange in journal.generations if _carries(exchange, prompt, marker)]


def _carries(exchange: Exchange, prompt: str, marker: str) -> bool:
    text = exchange.body.decode("utf-8", "replace")
    if marker in text or prompt in text:
        return True
    escaped = json.dumps(prompt)[1:-1]
    return escaped in text


def _judge_group(sent: list[Exchange], group: list[CallMade]) -> list[Finding]:
    if len(group) == 1:
        for earlier in sent[:-1]:
            clause = _forbids_another(earlier)
            if clause:
                told = f"sent again after {earlier.status} ({earlier.ending}): {len(sent)} requests"
                return [_breach(clause, told, len(sent))]
    allowed = sum(call.most_attempts for call in group)
    if len(sent) > allowed:
        calls = "1 call" if len(group) == 1 else f"{len(group)} calls"
        return [_breach("RETRY-01", f"{len(sent)} requests for {calls} that may make {allowed}", len(sent))]
    return []


def _forbids_another(earlier: Exchange) -> str | None:
    """The clause that forbids a further attempt after this exchange, if any."""
    if earlier.status in PERMANENT:
        return "RETRY-03"
    if earlier.status == _OK and earlier.ending == "complete" and not _error_inside(earlier):
        return "REQ-15"
    return None


def in_band_fault(reply: Reply, name: str = "") -> Reply:
    """Mark a 200 as the failure that it stands for (garbage, an error inside): a retry of it is no REQ-15."""
    return reply.named(f"{_IN_BAND}{name}")


def marks_fault(reply: Reply) -> bool:
    """Whether a reply is marked so."""
    return (reply.name or "").startswith(_IN_BAND)


def renamed(reply: Reply, name: str) -> Reply:
    """The reply under that name, behind the mark where it has one."""
    return in_band_fault(reply, f"-{name}") if marks_fault(reply) else reply.named(name)


def _error_inside(exchange: Exchange) -> bool:
    return (exchange.reply or "").startswith(_IN_BAND)


def connections_left(journal: Journal) -> list[Finding]:
    """RES-05: connections still open one second after close()."""
    left = [c for c in journal.connections if c.closed_at is None]
    if left:
        told = f"{len(left)} of {len(journal.connections)} connections open 1 s after close"
        return [_breach("RES-05", told, len(left))]
    return [Finding(clause="RES-05", message="all connections closed", breach=False)]


def left_this_machine(
    connects: Iterable[str], lookups: Iterable[str], own: Iterable[str] = ()
) -> list[Finding]:
    """REAL-01: the backend's process went to another machine, or asked one for a name; ``own``: our names."""
    own = tuple(own)
    findings = [
        _breach("REAL-01", f"the backend's process connected to {where}")
        for where in connects
        if leaves_here(where, own)
    ]
    findings += [
        _breach("REAL-01", f"the backend's process looked up {name!r}")
        for name in lookups
        if asks_elsewhere(name, own)
    ]
    return findings or [Finding(clause="REAL-01", message="nothing left this machine", breach=False)]


def _breach(clause: str, message: str, size: int = 1) -> Finding:
    return Finding(clause=clause, message=message, size=size)
