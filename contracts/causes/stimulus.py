"""What a script did to a call, as a word: derived from the script as data, not from the case's name. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from tgi_conformance.contracts.causes.answers import Asked, kinds_of_answer
from tgi_conformance.contracts.causes.delivery import kinds_of_delivery, kinds_of_space
from tgi_conformance.contracts.causes.kinds import joined
from tgi_conformance.contracts.causes.streams import kinds_of_stream
from tgi_conformance.contracts.script.replies import Reply
from tgi_conformance.contracts.script.whole import Script

#: Kinds that a word names at most: a stream of another server may have a dozen.
_MOST: Final = 6


def stimulus_of(script: Script, served: Iterable[Reply], asked: Asked) -> str:
    """The kinds of stimuli in the replies that served a call, as one word; empty: nothing was unusual."""
    kinds = [*kinds_of_space(script)]
    for reply in served:
        kinds += kinds_of_reply(reply, asked)
    return joined(list(dict.fromkeys(kinds))[:_MOST])


def kinds_of_reply(reply: Reply, asked: Asked) -> Iterator[str]:
    """The kinds of one reply."""
    yield from kinds_of_delivery(reply)
    if reply.response is not None:
        yield from kinds_of_answer(reply.response, asked)
    if reply.stream is not None:
        kinds = kinds_of_stream(reply.stream)
        # What a fault cut off cannot be missed in the script.
        yield from kinds if reply.delivery.fault is None else (k for k in kinds if k != "no-end-mark")
    if reply.tgi is not None and reply.tgi.error is not None:
        yield "error-event" if asked.streamed else "error-in-200"
    if reply.tgi is not None and reply.tgi.tool_calls:
        yield "tool-calls"
