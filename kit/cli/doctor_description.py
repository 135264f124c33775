"""What ``doctor`` finds in a description without calling anything. Pure."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from tgi_conformance.cli.remark import Remark
from tgi_conformance.contracts.adapter import Description
from tgi_conformance.contracts.tgi.requests.field_types import Struct
from tgi_conformance.contracts.tgi.requests.request_types import REQUESTS

#: Fields of a request that are no generation parameters: the kit hands them over otherwise.
_NO_PARAMETERS: Final = frozenset({"model", "messages", "prompt", "stream"})
#: Names that an adapter's calls may take beside the names of the wire.
_OF_THE_CONTRACT: Final = frozenset({"deadline", "headers", "model", "request_id"})
#: Capability of each call.
_CAPABILITIES: Final = {"generate": "native", "chat": "chat", "completions": "completions"}
_AUXILIARY: Final = re.compile(r"[A-Z]+ /\S*")
#: A name this near another (of 1) is taken for a slip.
_NEARNESS: Final = 0.75


def _names(struct: Struct) -> frozenset[str]:
    return (frozenset(struct.fields) | frozenset(struct.aliases)) - _NO_PARAMETERS


def _of_generate() -> frozenset[str]:
    parameters = REQUESTS["generate"].fields["parameters"]
    return _names(parameters) if isinstance(parameters, Struct) else frozenset()


#: A field of a chat in TGI 2.3 and 2.4, which others ignore.
_EARLIER: Final = frozenset({"guideline"})

#: Method of the adapter -> the names of TGI's generation parameters on its route.
PARAMETERS: Final[Mapping[str, frozenset[str]]] = {
    "generate": _of_generate(),
    "chat": _names(REQUESTS["chat"]) | _EARLIER,
    "completions": _names(REQUESTS["completions"]),
}
_ALL: Final = frozenset().union(*PARAMETERS.values())
#: What some clients call a parameter -> what TGI calls it.
_OTHER_WORDS: Final = {
    "stop_sequences": "stop",
    "max_completion_tokens": "max_tokens",
    "max_length": "max_tokens",
    "max_output_tokens": "max_tokens",
}


def description_remarks(about: Description) -> Iterator[Remark]:
    """All that can be said of a description by itself."""
    for method, names in sorted(about.parameters.items()):
        yield from _of_parameters(about, method, names)
    yield from _without_parameters(about)
    yield from _of_default_parameters(about)
    yield from _of_claims(about)
    for request in about.auxiliary:
        if not _AUXILIARY.fullmatch(request):
            yield Remark(
                tone="bad",
                text=f"auxiliary: {request!r} is no request",
                help='write the method and the path, as "GET /info"',
            )


def _of_parameters(about: Description, method: str, names: frozenset[str]) -> Iterator[Remark]:
    place = f"parameters[{method!r}]"
    if _CAPABILITIES[method] not in about.capabilities:
        yield Remark(
            tone="note",
            text=f"{place} is declared, but {_CAPABILITIES[method]} is not claimed: no case uses it",
            help=f"claim {_CAPABILITIES[method]}, or leave {place} out",
        )
    known = PARAMETERS[method]
    for name in sorted(names - known - _OF_THE_CONTRACT):
        yield _misnamed(f"{place}: {name!r}", name, known)


def _misnamed(where: str, name: str, known: frozenset[str]) -> Remark:
    near = _meant(name, known)
    if near:
        return Remark(
            tone="bad",
            text=f"{where} is no parameter of TGI on this route; did you mean {near!r}?",
            help="write TGI's name, and have the adapter's method take it under that name",
        )
    return Remark(
        tone="note",
        text=f"{where} is no parameter of TGI on this route: no case uses it",
        help=f"TGI's names are {', '.join(sorted(known))}",
    )


def _meant(name: str, known: frozenset[str]) -> str:
    """The name that was probably meant; empty where none is near."""
    word = _OTHER_WORDS.get(name, name)
    if word == "max_tokens" and word not in known:
        word = "max_new_tokens"
    near = [word] if word in known else difflib.get_close_matches(word, sorted(known), 1, _NEARNESS)
    return near[0] if near else ""


def _without_parameters(about: Description) -> Iterator[Remark]:
    for method, capability in _CAPABILITIES.items():
        if capability in about.capabilities and not about.parameters.get(method):
            limit = "max_new_tokens" if method == "generate" else "max_tokens"
            yield Remark(
                tone="note",
                text=f"declares no parameters of {method}(): cases that need one are not applicable",
                help=f'list those it takes, by TGI\'s names: "parameters": {{"{method}": ["{limit}", …]}}',
            )


def _of_default_parameters(about: Description) -> Iterator[Remark]:
    for name, value in sorted(about.defaults.parameters.items()):
        where = f"defaults.parameters: {name!r}"
        if name in PARAMETERS and isinstance(value, Mapping):
            yield Remark(
                tone="bad",
                text=f"{where} is a method: the defaults are one mapping, for all methods",
                help=f'write the names of the wire at once: "defaults": {{"parameters": {_shown(value)}}}',
            )
        elif name not in _ALL:
            yield _misnamed(where, name, _ALL)


def _shown(value: Mapping[str, object]) -> str:
    return json.dumps(dict(value), ensure_ascii=False)


def _of_claims(about: Description) -> Iterator[Remark]:
    """Claims that the rest of the description leaves without effect."""
    claimed = about.capabilities
    chat = about.parameters.get("chat", frozenset())
    generate = about.parameters.get("generate", frozenset())
    if "tools" in claimed and not {"tools", "tool_choice"} <= chat:
        missing = ", ".join(sorted({"tools", "tool_choice"} - chat))
        yield _empty_claim("tools", f'{missing} in parameters["chat"]', "cases that send tools")
    if "grammar" in claimed and "grammar" not in generate and "response_format" not in chat:
        declared = 'grammar in parameters["generate"], or response_format in parameters["chat"]'
        yield _empty_claim("grammar", declared, "cases that send a grammar")
    details = "details" in generate or about.defaults.parameters.get("details") is True
    if "logprobs" in claimed and "logprobs" not in chat and not details:
        declared = 'logprobs in parameters["chat"], or details in parameters["generate"]'
        yield _empty_claim("logprobs", declared, "cases that ask for log probabilities")
    offered = frozenset().union(*about.parameters.values())
    if "timeout" in claimed and "timeout" not in about.settings and "deadline" not in offered:
        yield _empty_claim("timeout", "timeout in settings", "cases that set one")
    if "reqid" in claimed and about.request_id_header is None:
        yield Remark(
            tone="bad",
            text="claims reqid without request_id_header: DECL-01 fails",
            help='name the header that carries the id: "request_id_header": "X-Request-Id"',
        )
    queue = {"max_concurrent_requests", "queue_size"} - about.settings
    if "queue" in claimed and queue:
        yield _empty_claim("queue", f"{', '.join(sorted(queue))} in settings", "cases that fill a queue")


def _empty_claim(capability: str, declared: str, cases: str) -> Remark:
    return Remark(
        tone="note",
        text=f"claims {capability} without {declared}: {cases} are not applicable",
        help=f"declare it, or leave {capability!r} out of capabilities",
    )
