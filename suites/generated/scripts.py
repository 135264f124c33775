"""Hypothesis generators of what a server does call by call, and of loads of calls.

All shrink towards fewer faults and fewer calls, and in the end towards one that is answered.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.script import Reply, raw, silence, status
from tgi_conformance.suites.areas.refusals import refusal
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.shapes.calls import Shape

#: Statuses that a server may refuse a call with, those first that pass by themselves.
PASSING: Final = (429, 503, 502, 504)
LASTING: Final = (400, 401, 403, 404, 405, 413, 415, 422)


def status_runs(*codes: int, most: int = 4) -> SearchStrategy[tuple[int, ...]]:
    """The statuses of the attempts of one call before the server would answer it (g_script)."""
    return st.lists(st.sampled_from(codes), max_size=most).map(tuple)


#: One attempt that goes wrong, by the word for it.
FAULTS: Final[Mapping[str, Callable[[Shape, bool], Reply]]] = {
    "429": lambda _, __: refusal(429),
    "400": lambda _, __: refusal(400),
    "401": lambda _, __: refusal(401),
    "422": lambda _, __: refusal(422),
    "500": lambda _, __: refusal(500),
    "502": lambda _, __: refusal(502),
    "fin": lambda _, __: silence("fin"),
    "rst": lambda _, __: silence("rst"),
    "malformed": lambda _, __: raw(b"HTTP/1.1 abc\r\n\r\n"),
    "garbage": lambda _, __: in_band_fault(status(200, text="{", content_type="application/json")),
    "cut": lambda shape, streaming: _cut(shape, streaming=streaming),
    "in-band": lambda shape, streaming: _in_band(shape, streaming=streaming),
}


def _cut(shape: Shape, *, streaming: bool) -> Reply:
    reply = shape.reply("one two three", streaming=streaming)
    return reply.cut("rst", event=2) if streaming else reply.cut("rst", byte=20)


def _in_band(shape: Shape, *, streaming: bool) -> Reply:
    if streaming:
        return in_band_fault(shape.frames(*shape.open_events([" one"]), *shape.error_frames("shard died")))
    return in_band_fault(status(200, json={"error": "shard died", "error_type": "generation"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """One call of a load."""

    #: "good", or the word of FAULTS for how it goes wrong.
    fate: str
    streaming: bool = False
    #: Milliseconds that the server takes before it answers.
    delay_ms: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the server answers it."""
        return self.fate == "good"

    def reply(self, shape: Shape, text: str) -> Reply:
        """What the server does."""
        reply = (
            shape.reply(text, streaming=self.streaming)
            if self.good
            else FAULTS[self.fate](shape, self.streaming)
        )
        return reply.deliver(delay_ms=self.delay_ms) if self.delay_ms else reply


def loads(
    *, most: int = 6, streaming: bool, fates: Sequence[str] = tuple(FAULTS), least: int = 1
) -> SearchStrategy[tuple[PlannedCall, ...]]:
    """Calls that are made together (g_load): what becomes of each, and how late the server is."""
    call = st.builds(
        PlannedCall,
        fate=st.sampled_from(["good", *fates]),
        streaming=st.sampled_from([False, True] if streaming else [False]),
        delay_ms=st.sampled_from([0.0, 0.0, 2.0, 10.0]),
    )
    return st.lists(call, min_size=least, max_size=most).map(tuple)
