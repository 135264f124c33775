"""RESP: the token counts that answers and pieces expose are the server's, with and without statistics."""

from collections.abc import Mapping
from typing import Final, cast

from tgi_conformance.contracts.adapter import Usage
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Event, Reply, data, done, status
from tgi_conformance.contracts.unset import UNSET, Unset
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.answers import outcomes_of
from tgi_conformance.suites.areas.ways import FORM, SHAPE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_text
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import NATIVE, Draft, Shape

SAID: Final = ("one", " two", " three")
#: What the server counts: three numbers that are unlike one another, and unlike the number of events.
PROMPT: Final = 11
COMPLETION: Final = 5
COUNTED: Final[Mapping[str, int]] = {
    "prompt_tokens": PROMPT,
    "completion_tokens": COMPLETION,
    "total_tokens": PROMPT + COMPLETION,
}


@clause("RESP-15")
@FORM
@SHAPE
def test_exposed_usage_is_what_the_server_counted(case: Case, shape: Shape, *, stream: bool) -> None:
    """Counts that were swapped, or taken from the wrong event of a stream, are somebody's bill."""
    case.needs(shape.capability)
    replies = _streams(shape) if stream else {"plain": _plain(shape)}
    arguments = {"details": True} if shape.name == NATIVE.name and _offers_details(case) else {}

    outcomes = outcomes_of(case, shape, replies, stream=stream, **arguments)

    told = {form: _exposed(outcome) for form, outcome in outcomes.items()}
    for outcome in outcomes.values():
        expect_text(outcome, "".join(SAID))
    if all(usage is UNSET for usage in told.values()):
        raise NotApplicable("usage is not exposed")
    due = shape.name != NATIVE.name and (not stream or _asked_for_usage(case.journal()))
    for form, usage in told.items():
        _expect_counts(form, usage, null_is_a_loss=due)


def _offers_details(case: Case) -> bool:
    return "details" in case.description.parameters.get("generate", frozenset())


def _asked_for_usage(journal: Journal) -> bool:
    """Whether each stream call asked for it: TGI sends usage in a stream only then."""
    bodies = [cast("Draft", sent.json()) for sent in journal.generations]
    return all((body.get("stream_options") or {}).get("include_usage") is True for body in bodies)


def _exposed(outcome: Outcome) -> Usage | None | Unset:
    """The usage of an answer; of a stream, what its pieces say of it last; UNSET: they expose none."""
    if outcome.answer is not None:
        return outcome.answer.usage
    shown = [piece.usage for piece in outcome.pieces if piece.usage is not UNSET]
    return next((usage for usage in reversed(shown) if usage is not None), None if shown else UNSET)


def _expect_counts(form: str, usage: Usage | None | Unset, *, null_is_a_loss: bool) -> None:
    """Each count that is exposed is the server's; null, or none at all, only where it may be unknown."""
    seen = {name: getattr(usage, name, usage) for name in COUNTED}
    wrong = {
        name: value
        for name, value in seen.items()
        if value is not UNSET and value != COUNTED[name] and (value is not None or null_is_a_loss)
    }
    expect(
        not wrong,
        expected=f"{form}: {', '.join(f'{name} {COUNTED[name]}' for name in wrong)}",
        observed=", ".join(f"{name} {value}" for name, value in wrong.items()),
    )


def _plain(shape: Shape) -> Reply:
    body = shape.body("".join(SAID), usage=(PROMPT, COMPLETION))
    headers = (("x-prompt-tokens", str(PROMPT)), ("x-generated-tokens", str(COMPLETION)))
    return status(200, *(headers if shape.name == NATIVE.name else ()), json=body, root_array=True)


def _streams(shape: Shape) -> dict[str, Reply]:
    """Streams that state their usage, by where they do."""
    *head, last = shape.events(SAID)[: len(SAID)]
    if shape.name == NATIVE.name:
        final = cast("Draft", last.json)
        final["details"] |= {"generated_tokens": COMPLETION, "input_length": PROMPT}
        return {"details": shape.frames(*head, data(cast("JSON", final)))}
    counting = [_with_usage(event, at + 1) for at, event in enumerate((*head, last))]
    return {
        "in-the-last-chunk": shape.frames(*head, _with_usage(last, COMPLETION), done()),
        "in-a-chunk-of-its-own": shape.frames(*head, last, _usage_chunk(), done()),
        "so-far-on-each-chunk": shape.frames(*counting, _usage_chunk(), done()),
    }


def _with_usage(event: Event, completion: int) -> Event:
    """The same chunk, which states what was counted so far."""
    so_far = {**COUNTED, "completion_tokens": completion, "total_tokens": PROMPT + completion}
    return data(cast("JSON", {**cast("Draft", event.json), "usage": so_far}))


def _usage_chunk() -> Event:
    """The recorded chunk that has no choices."""
    recorded = wire_example("chat-stream-include-usage").events[-1]
    return data(cast("JSON", {**recorded, "usage": dict(COUNTED)}))
