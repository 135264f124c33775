"""The kinds of stimuli: what a server did that a client may stumble over, each in words and with its family.

A family is what one change in a client mends: a client that fails for a 401 and for a 502 without JSON fails
for one reason. What is not named here is its own family.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

#: Kind of stimulus, or family -> what the server did, as a noun phrase.
WORDS: Final[Mapping[str, str]] = {
    # --- connection and delivery
    "refused": "no listener at the address",
    "tls": "a certificate that nobody vouches for",
    "alpn": "TLS with a choice of protocols",
    "ipv6": "an IPv6 address",
    "mount": "all routes below a path prefix",
    "idle-close": "an idle connection closed by the server",
    "close-silent": "the connection closed after the answer, unannounced",
    "rate-limit": "a rate limit",
    "random-faults": "faults at random",
    "slow-reader": "a server that reads slowly",
    "malformed-http": "an answer that is no HTTP",
    "no-answer-fin": "the connection closed before any answer",
    "no-answer-rst": "the connection reset before any answer",
    "no-answer-stall": "no answer at all",
    "head-cut": "an answer cut inside its head",
    "stall": "silence in the middle of an answer",
    "endless": "an answer that never ends",
    "cut-fin": "an answer cut short by a close",
    "cut-rst": "an answer cut short by a reset",
    "no-last-chunk": "a chunked body without its last chunk",
    "length-lies": "a body shorter than its Content-Length",
    "interim": "an interim answer (1xx) first",
    "trailers": "fields after a chunked body",
    "cookie": "a cookie set by the answer",
    "redirect": "a redirect",
    # --- content of answers
    "content-coding": "a compressed answer",
    "charset": "a charset other than UTF-8 in the label",
    "media-type-form": "a media type in capitals or with blanks",
    "error-empty": "an error status and no body",
    "error-text": "an error status and a body of plain text",
    "error-html": "an error status and an HTML page",
    "error-no-object": "an error status whose JSON is no object",
    "error-odd": "an error status whose JSON is not TGI's form",
    "retry-after": "Retry-After in seconds",
    "retry-after-date": "Retry-After as a date",
    "retry-after-bad": "a Retry-After that cannot be read",
    "not-json": "a 200 whose body is no JSON",
    "no-answer-in-json": "a 200 whose JSON holds no answer",
    "error-in-200": "a 200 that holds an error",
    "not-a-stream": "a 200 to a stream call that is no event stream",
    "error-null": "`error: null` beside the answer",
    # --- event streams
    "split-writes": "events cut between writes",
    "line-end-cr": "lines that end in CR",
    "line-end-crlf": "lines that end in CR LF",
    "foreign-line-ends": "characters that end a line for Python, not in an event stream",
    "no-blank-after-colon": "`data:` without a blank behind the colon",
    "done-no-blank": "`data:[DONE]` without a blank",
    "comment": "comment lines",
    "byte-order-mark": "a byte order mark",
    "several-data-lines": "several `data:` lines in one event",
    "empty-data": "an event with empty data",
    "no-data-line": "a frame without a `data` line",
    "event-error": "a frame named `error`",
    "event-name": "named events",
    "other-fields": "`id`, `retry` or unknown fields",
    "data-not-json": "event data that is no JSON",
    "long-line": "a data line of more than 64 KiB",
    "error-event": "an error event in the stream",
    "error-beside-choices": "an error beside `choices`",
    "no-end-mark": "a stream that stops without a mark of its end",
    "no-done": "a stream that ends without [DONE]",
    "done-after-native": "[DONE] after a native stream",
    "after-done": "more after [DONE]",
    # --- forms of answers, plain or in events
    "finish-reason-null": "a finish reason that is null or absent",
    "finish-reason-new": "a finish reason that is not TGI's",
    "special-token": "special tokens in the stream",
    "choices-empty": "chunks with empty `choices`",
    "several-choices": "several choices at once",
    "tool-calls": "tool calls",
    "tool-calls-object": "`tool_calls` as one object",
    "tool-calls-empty": "empty or null `tool_calls`",
    "tool-calls-interleaved": "several tool calls in one answer",
    "tool-call-id": "a tool call with an odd id, or none",
    "tool-call-index": "a tool call fragment without its index",
    "arguments-object": "tool arguments as an object",
    "arguments-broken": "tool arguments that are no JSON",
    "no-logprobs": "`logprobs` left out",
    "logprobs": "log probabilities",
    "unknown-fields": "fields that TGI does not send",
    # --- families of several of them
    "error-status": "an error status",
    "error-not-json": "an error status whose body is no JSON",
    "error-odd-json": "an error status whose JSON is not TGI's form",
    "no-answer": "a connection that ends before any answer",
    "cut": "an answer cut short",
    "finish-reason": "a finish reason that is null, absent or not TGI's",
}

#: Kind -> family, where several kinds are one to a client.
_FAMILY: Final[Mapping[str, str]] = {
    "error-empty": "error-not-json",
    "error-text": "error-not-json",
    "error-html": "error-not-json",
    "error-no-object": "error-odd-json",
    "error-odd": "error-odd-json",
    "line-end-crlf": "line-end-cr",
    "no-answer-fin": "no-answer",
    "no-answer-rst": "no-answer",
    "cut-rst": "cut",
    "cut-fin": "cut",
    "no-last-chunk": "cut",
    "finish-reason-null": "finish-reason",
    "finish-reason-new": "finish-reason",
}
_STATUS: Final = re.compile(r"status-[45]\d\d")
_JOINT: Final = "+"


def joined(kinds: Iterable[str]) -> str:
    """Kinds as one word: ``status-429+retry-after``."""
    return _JOINT.join(dict.fromkeys(kinds))


def parts(stimulus: str) -> tuple[str, ...]:
    """The kinds of such a word."""
    return tuple(stimulus.split(_JOINT)) if stimulus else ()


def family(kind: str) -> str:
    """What the kind is an instance of, to a client."""
    return "error-status" if _STATUS.fullmatch(kind) else _FAMILY.get(kind, kind)


def in_words(stimulus: str) -> str:
    """What the server did, for people; empty where it did nothing unusual."""
    return ", ".join(map(word, parts(stimulus)))


def word(kind: str) -> str:
    """What a server does that a kind or a family names: ``a redirect``, ``status 429``."""
    return WORDS.get(kind, kind.replace("-", " "))
