"""A script's replies in words, for people: "the 429 reply", not "reply 0". Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from tgi_conformance.contracts.journal import reply_label
from tgi_conformance.contracts.script.delivery import Fault
from tgi_conformance.contracts.script.replies import Reply

#: A fault's ending -> what becomes of the answer, or of the connection where nothing is answered.
_BROKEN: Final = {
    "fin": "closed",
    "rst": "reset",
    "stall": "silent",
    "half-close": "half closed",
    "no-last-chunk": "closed before the last chunk",
    "endless": "without end",
}


def in_words(reply: Reply) -> str:
    """Say what a reply is: ``the 503 reply``, ``the stream of 4 events, reset in the middle``."""
    fault = reply.delivery.fault
    what = _what(reply)
    if not what:
        return "the silence" if fault is None or fault.ending == "stall" else f"the connection {_end(fault)}"
    return f"{what}, {_end(fault)}" if fault is not None else what


def replies_in_words(replies: Sequence[Reply]) -> Mapping[str, str]:
    """Say of each reply what it is, under the name or number that the journal has for it.

    Two that are alike are told apart by that.
    """
    told = [(reply.name or str(index), in_words(reply)) for index, reply in enumerate(replies)]
    alike = Counter(words for _, words in told)
    return {key: words if alike[words] == 1 else f"{words} ({reply_label(key)})" for key, words in told}


def _what(reply: Reply) -> str:
    if reply.response is not None:
        return f"the {reply.response.status} reply"
    if reply.stream is not None:
        count = len(reply.stream.events)
        events = f"{count} event{'' if count == 1 else 's'}"
        status = "" if reply.stream.status == 200 else f"{reply.stream.status} "
        return f"the {status}stream of {events}"
    if reply.raw is not None:
        return "the reply of raw bytes"
    if reply.forward is not None:
        return "the forwarded answer"
    if reply.tgi is not None:
        return "the answer with an error inside" if reply.tgi.error is not None else "the answer"
    return ""


def _end(fault: Fault) -> str:
    where = {"head": " after the head", "request": " after the request", "accept": " when it was opened"}
    return _BROKEN[fault.ending] + (where[fault.at] if fault.at is not None else " in the middle")
