"""Scripts from JSON: refused as a whole, with the place of the mistake, or loaded as a whole."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.registry import problems
from tgi_conformance.contracts.script import EventStream, Generation, Reply, Response, Script, When
from tgi_conformance.contracts.script.places import origins_named

#: (pointer, what is wrong)
Problem = tuple[str, str]


_NO_UPSTREAM: Final = "this server has no upstream server to forward to: start it with --upstream URL"


class ScriptError(ValueError):
    """A script that cannot be played; ``pointer`` (RFC 6901) says where the mistake is."""

    def __init__(self, pointer: str, problem: str) -> None:
        super().__init__(f"script{pointer or ' (whole)'}: {problem}")
        self.pointer = pointer
        self.problem = problem


def load_script(value: JSON) -> Script:
    """Build a script from its JSON form; raises :class:`ScriptError` for the first mistake found.

    Three things are held in turn: the types (codec), what the schema adds (ranges, patterns), and
    what only the whole script can show (names, origins).
    """
    try:
        script = from_json(Script, value)
    except DecodeError as error:
        raise ScriptError(error.pointer, error.problem) from error
    _hold_schema(value, "")
    check_script(script)
    return script


def prepare() -> None:
    """Load what the first script will need: it takes a tenth of a second."""
    load_script({"replies": []})


def load_replies(value: JSON, script: Script) -> tuple[Reply, ...]:
    """Build replies to be appended to ``script``; pointers begin at the list of new replies."""
    if not isinstance(value, list):
        raise ScriptError("", "a list of replies is needed")
    try:
        replies = from_json(tuple[Reply, ...], value)
    except DecodeError as error:
        raise ScriptError(error.pointer, error.problem) from error
    _hold_schema({"replies": value}, "/replies")
    names = {reply.name for reply in script.replies if reply.name is not None}
    for index, reply in enumerate(replies):
        if reply.name is not None and reply.name in names:
            raise ScriptError(f"/{index}/name", f"{reply.name!r} is taken by an earlier reply")
        names.add(reply.name or "")
        for pointer, text in _reply_problems(reply, f"/{index}", script):
            raise ScriptError(pointer, text)
    return replies


def hold_upstream(script: Script) -> None:
    """Refuse a script that forwards, for a server without an upstream; raises :class:`ScriptError`."""
    hold_no_forwards(script.replies, "/replies")
    others = [("/otherwise", script.otherwise)] if script.otherwise is not None else []
    for at, reply in (*others, *_inner_replies(script)):
        if reply.forward is not None:
            raise ScriptError(f"{at}/forward", _NO_UPSTREAM)


def hold_no_forwards(replies: Sequence[Reply], at: str = "") -> None:
    """Refuse replies that forward, for a server without an upstream; raises :class:`ScriptError`."""
    for index, reply in enumerate(replies):
        if reply.forward is not None:
            raise ScriptError(f"{at}/{index}/forward", _NO_UPSTREAM)


def _hold_schema(value: JSON, prefix: str) -> None:
    if not value:
        return
    for problem in problems("script", value):
        pointer, _, message = problem.partition(": ")
        raise ScriptError(pointer.rstrip("/").removeprefix(prefix), message)


def check_script(script: Script) -> None:
    """Hold the rules that span a whole script; raises :class:`ScriptError`."""
    for rule in _RULES:
        for pointer, text in rule(script):
            raise ScriptError(pointer, text)


def _names_are_unique(script: Script) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, reply in enumerate(script.replies):
        if reply.name is None:
            continue
        if reply.name in seen:
            yield f"/replies/{index}/name", f"{reply.name!r} is the name of reply {seen[reply.name]} too"
        if reply.name.isdigit():
            yield f"/replies/{index}/name", f"{reply.name!r} could be taken for the number of a reply"
        seen[reply.name] = index


def _one_origin_listens(script: Script) -> Iterator[Problem]:
    if all(origin.startswith("refused:") for origin in script.origins):
        yield "/origins", "at least one origin has to listen"


def _tls_origins_listen(script: Script) -> Iterator[Problem]:
    for index, name in enumerate(script.tls):
        if name not in script.origins or name.startswith("refused:"):
            yield f"/tls/{index}", f"{name!r} is none of the origins that listen: {list(script.origins)}"


def _alpn_is_over_tls(script: Script) -> Iterator[Problem]:
    if script.alpn and not script.tls:
        yield "/alpn", "it is offered over TLS, and `tls` names no origin"


def _inner_replies_fit(script: Script) -> Iterator[Problem]:
    """Replies inside limits and chaos: chosen there, so they choose no requests themselves."""
    for at, reply in _inner_replies(script):
        if reply.when != When() or reply.requests != (1, 1):
            yield at, "`when` and `requests` have no meaning here: the limit or the lot decides"
        if reply.delivery.fault is not None and reply.delivery.fault.at == "accept":
            yield f"{at}/delivery/fault/at", "a request has been read when this reply is chosen"
        yield from _reply_problems(reply, at, script)


def _inner_replies(script: Script) -> Iterator[tuple[str, Reply]]:
    bucket, concurrency = script.limits.bucket, script.limits.concurrency
    if bucket is not None and bucket.reply is not None:
        yield "/limits/bucket/reply", bucket.reply
    if concurrency is not None and concurrency.reply is not None:
        yield "/limits/concurrency/reply", concurrency.reply
    for index, fate in enumerate(script.chaos.fates if script.chaos else ()):
        if fate.reply is not None:
            yield f"/chaos/fates/{index}/reply", fate.reply


def _nonce_is_a_pattern(script: Script) -> Iterator[Problem]:
    if script.chaos is None or script.chaos.nonce is None:
        return
    try:
        re.compile(script.chaos.nonce)
    except re.error as error:
        yield "/chaos/nonce", f"no regular expression: {error}"


def _replies_fit(script: Script) -> Iterator[Problem]:
    for index, reply in enumerate(script.replies):
        yield from _reply_problems(reply, f"/replies/{index}", script)
    if script.otherwise is not None:
        yield from _reply_problems(script.otherwise, "/otherwise", script)


def _reply_problems(reply: Reply, at: str, script: Script) -> Iterator[Problem]:
    origin = reply.when.origin
    if origin is not None and origin not in script.origins:
        yield f"{at}/when/origin", f"{origin!r} is none of the origins {list(script.origins)}"
    if reply.response is not None:
        yield from _response_problems(reply.response, f"{at}/response")
    if reply.tgi is not None:
        yield from _generation_problems(reply.tgi, f"{at}/tgi")
    for kind, said in (("response", reply.response), ("stream", reply.stream)):
        if said is not None:
            yield from _field_problems(said, f"{at}/{kind}", script)
    yield from _place_problems(reply, f"{at}/delivery")


def _field_problems(said: Response | EventStream, at: str, script: Script) -> Iterator[Problem]:
    """Headers and trailers: those that cannot go out, and origins that the script does not have."""
    for field, pairs in (("headers", said.headers), ("trailers", said.trailers)):
        for number, (name, value) in enumerate(pairs):
            if not _is_latin1(name + value):
                yield f"{at}/{field}/{number}", f"{field} go out as latin-1; use raw for other bytes"
    for number, name in origins_named(said.headers):
        if name not in script.origins:
            known = f"the origins are {list(script.origins)}"
            yield f"{at}/headers/{number}/1", f"{{origin:{name}}}: {known}"
    if said.trailers and said.framing != "chunked":
        yield f"{at}/trailers", "only the framing chunked has trailers"


def _generation_problems(generation: Generation, at: str) -> Iterator[Problem]:
    spoken = [name for name in ("text", "tokens", "echo") if getattr(generation, name) not in (None, False)]
    if generation.tool_calls and spoken:
        told = f"TGI answers with calls or with text ({spoken[0]}), never with both"
        yield f"{at}/tool_calls", f"{told}: spell such an answer out as a response or a stream"


def _response_problems(response: Response, at: str) -> Iterator[Problem]:
    if response.content_length is not None and response.framing != "content-length":
        yield f"{at}/content_length", "only the framing content-length has one"
    if response.gzip and response.content_length is not None:
        yield f"{at}/gzip", "gzip and a lying content_length exclude one another"


def _place_problems(reply: Reply, at: str) -> Iterator[Problem]:
    if not isinstance(reply.delivery.splits, str):
        offsets = reply.delivery.splits
        if list(offsets) != sorted(set(offsets)):
            yield f"{at}/splits", "offsets have to ascend"
    fault = reply.delivery.fault
    if fault is not None and fault.head_byte is not None and reply.raw is not None:
        yield f"{at}/fault/head_byte", "raw bytes have no head of their own: use byte"
    if fault is not None and fault.at == "accept" and (reply.when.method is not None or reply.when.headers):
        yield f"{at}/fault/at", "nothing is known of the request at accept: `when` can only name an origin"


def _is_latin1(text: str) -> bool:
    return all(ord(character) < 256 for character in text)


_RULES: Final[tuple[Callable[[Script], Iterator[Problem]], ...]] = (
    _names_are_unique,
    _one_origin_listens,
    _tls_origins_listen,
    _alpn_is_over_tls,
    _replies_fit,
    _inner_replies_fit,
    _nonce_is_a_pattern,
)
