"""Cases that a run as another server does not play, and why. Data.

A route that the server lacks, and words that it never says, are found out while a case runs
(``Probes.require``, ``Case.serve``). Here stands what only a reader of the case can know.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

from tgi_conformance.contracts.script import Persona

_LIMITS: Final = "the refusal is TGI's own: a proxy of OpenAI's form is not known to refuse it"
_COUNTED: Final = "the case counts events by tokens, and this server begins with a comment and the role"
_DONE: Final = "TGI 1.4 sends no [DONE]"
_END_TOKEN: Final = "the case compares the text of an end token, which TGI 1.4 sends in chats too"

#: Persona -> pattern of case ids -> why.
NOT_HERE: Final[Mapping[Persona, Mapping[str, str]]] = {
    "hosted-router": {
        "REQ-10/unnamed*": "this server routes by model, so each endpoint is given one",
    },
    "tgi-1.4": {
        "STREAM-09/*": _DONE,
        "STREAM-13/*": _DONE,
        "STREAM-14/*": _DONE,
        "RESP-06/stream-chat": _END_TOKEN,
        "RESP-07/stream-chat": _END_TOKEN,
        "STREAM-19/property-p04-differential": _END_TOKEN,
        "TOOL-02/empty-list-stream-*": _END_TOKEN,
        "TOOL-09/stream-*": _END_TOKEN,
    },
    "openai-proxy": {
        "REQ-02/empty-completions*": _LIMITS,
        "REQ-04/*-leading": _LIMITS,
        "REQ-04/*-trailing": _LIMITS,
        "RESP-11/codings-*-stream": "the case codes a whole stream, and this server begins with a comment",
        "TOOL-02/with-response-format*": _LIMITS,
        "TOOL-12/tgi-*openai-json-schema": _LIMITS,
        "TOOL-02/property-p07": _LIMITS,
        "RES-02/mid-stream": _COUNTED,
        "RES-02/property-p21": _COUNTED,
        "GEN-04/*": _LIMITS,
        "GEN-06/refused-*": _LIMITS,
        "GEN-08/five-*": _LIMITS,
        "GEN-11/negative-seed-*": _LIMITS,
        "GEN-12/logit-bias-map*": _LIMITS,
        "STREAM-08/bom-*": "a byte order mark stands before the first byte, where this server's comment is",
        "STREAM-12/*": _COUNTED,
        "STREAM-20/*": _COUNTED,
        "QUEUE-02/*": _COUNTED,
        "QUEUE-05/stream-*": _COUNTED,
        "*/property-model*": _COUNTED,
        "RETRY-11/fin": _COUNTED,
        "RETRY-11/rst": _COUNTED,
        "RESP-13/likeliest-chat*": _COUNTED,
        "RESP-13/tokens-chat-stream": _COUNTED,
        "RESP-15/chat-stream": _COUNTED,
        "RES-01/[cdpt]*": _COUNTED,
        "RES-05/*stream*": _COUNTED,
    },
}


def why_not_here(server: Persona, case: str) -> str:
    """Why a run as that server does not play a case; empty: it does, or finds out by itself."""
    if case.endswith(f"/persona-{server}"):
        return ""
    rows = NOT_HERE.get(server, {})
    return next((why for pattern, why in rows.items() if fnmatchcase(case, pattern)), "")
