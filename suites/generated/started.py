"""Generated loads at work: each call started, each with a reply of its own."""

from collections.abc import Sequence
from typing import Any

from tgi_conformance.contracts.script import Reply
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.areas.streams import ALL
from tgi_conformance.suites.generated.scripts import PlannedCall
from tgi_conformance.suites.harness.case import Case, Running


def start_load(
    case: Case, calls: Sequence[PlannedCall], *more: Reply, **settings: Any
) -> tuple[Space, str, list[tuple[PlannedCall, Running]]]:
    """Start all calls of a load on one endpoint; each gets its own reply, by its prompt.

    ``more``: what is answered to calls that are made later.
    """
    shape = case.shape()
    prompts = [case.prompt(f"call {number} {call.fate}") for number, call in enumerate(calls)]
    space = case.serve(
        *(
            numbered(call.reply(shape, f"for call {number}"), number).where(contains=prompt).times(0, None)
            for number, (prompt, call) in enumerate(zip(prompts, calls, strict=True))
        ),
        *more,
    )
    endpoint = case.endpoint(**settings)
    running = [
        (call, case.start(prompt, endpoint=endpoint, shape=shape, stream=call.streaming))
        for prompt, call in zip(prompts, calls, strict=True)
    ]
    for call, run in running:
        if call.streaming:
            run.call.pull(ALL)
    return space, endpoint, running


def numbered(reply: Reply, number: int) -> Reply:
    """The reply under a name that no other reply of the script has."""
    return reply.named(f"{reply.name or 'call'}-{number}")
