"""What the held server answers: the reply that each fate of a call stands for. Pure."""

from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.script import Delivery, Reply, overloaded, silence, status
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.model.fates import RATE_LIMITED, Fate
from tgi_conformance.suites.model.state import CallState
from tgi_conformance.suites.shapes.calls import NATIVE, Shape

#: Pieces that a stream gives before it is held.
OPENING: Final = 2


def tokens_of(state: CallState) -> tuple[str, ...]:
    """The tokens of a call's stream; no other call has them."""
    return tuple(f" {state.name}{letter}" for letter in "abc")


def text_of(state: CallState) -> str:
    """The text that a call's good answer has."""
    return "".join(tokens_of(state)) if state.streaming else f"for {state.name}"


def reply_of(shape: Shape, state: CallState, fate: Fate) -> Reply:
    """The answer that a fate stands for."""
    if fate.kind == "status":
        return _refusal(fate)
    if fate.kind in ("reset", "closed"):
        return silence("rst" if fate.kind == "reset" else "fin")
    if not state.streaming:
        return _counted(shape, text_of(state), fate.usage)
    tokens = tokens_of(state)
    if fate.kind == "cut":
        return shape.stream(tokens).cut("rst", event=OPENING)
    if fate.kind == "error-event":
        failing = (
            *shape.open_events(tokens[:OPENING]),
            *shape.error_frames("Request failed during generation"),
        )
        return in_band_fault(shape.frames(*failing))
    return shape.stream(tokens)


def _refusal(fate: Fate) -> Reply:
    headers = () if fate.retry_after is None else (("retry-after", fate.retry_after),)
    if fate.status == RATE_LIMITED:
        return overloaded(*headers)
    if fate.status == 401:
        return status(401)
    return status(fate.status, *headers, json={"error": "no", "error_type": "generation"})


def _counted(shape: Shape, text: str, usage: tuple[int, int]) -> Reply:
    if shape.name != NATIVE.name:
        return shape.plain(text, usage=usage)
    prompt, completion = usage
    headers = (("x-prompt-tokens", str(prompt)), ("x-generated-tokens", str(completion)))
    return status(200, *headers, json=shape.body(text, usage=usage), root_array=True)


def unheld(reply: Reply, seconds: float) -> Reply:
    """The reply with the time that it was held for in place of its holds."""
    delivery = Delivery(delay_ms=round(1000 * seconds), fault=reply.delivery.fault)
    return replace(reply, delivery=delivery)
