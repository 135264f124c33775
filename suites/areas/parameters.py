"""Calls with generation parameters, and what of them went out."""

import json
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar, cast

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.suites.areas.request_bodies import same_float32
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import expect, expect_requests, expect_success, only_request
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

SHAPE_OF_METHOD: Final = {shape.method: shape for shape in (CHAT, NATIVE, COMPLETIONS)}
Given = Mapping[str, JSON]
T = TypeVar("T")
#: Every name that TGI or OpenAI has for the length limit.
LIMIT_NAMES: Final = (
    "max_new_tokens",
    "max_tokens",
    "max_completion_tokens",
    "max_length",
    "max_output_tokens",
)


#: Languages whose numbers are doubles: above 2^53 - 1 not every integer is one of them.
_DOUBLES: Final = ("Node", "Deno", "Bun", "JavaScript", "TypeScript")


def widest_integer(case: Case) -> int:
    """The largest integer that callers in the backend's language pass: TGI's, or the largest safe double."""
    return 2**53 - 1 if case.driver.language.startswith(_DOUBLES) else 2**64 - 1


def as_passed(case: Case, given: Mapping[str, T]) -> dict[str, T]:
    """The parameters as a caller in the backend's language passes them."""
    return narrowed(given, widest_integer(case))


def narrowed(given: Mapping[str, T], most: int) -> dict[str, T]:
    """The parameters with every integer above ``most`` brought down to it."""
    return {
        name: cast("T", most) if isinstance(value, int) and value > most else value
        for name, value in given.items()
    }


def offered(case: Case, shape: Shape) -> frozenset[str]:
    """The parameters that the backend offers for calls of this shape."""
    return case.description.parameters.get(shape.method, frozenset())


def needs_any(case: Case, shape: Shape, names: Iterable[str]) -> frozenset[str]:
    """Give the parameters that are offered; end the case as not applicable where none of these is.

    Without one a property would pass that has seen nothing.
    """
    given = offered(case, shape)
    if not given & set(names):
        raise NotApplicable(f"{shape.method} offers no parameter that this is about")
    return given


def sent_parameters(shape: Shape, journal: Journal) -> Mapping[str, JSON]:
    """The parameters of the one request of a case."""
    expect_requests(journal.generations, 1, because="one call was made", journal=journal)
    return shape.parameters_of(journal.generations[0].json())


def call_with(
    case: Case, shape: Shape, given: Mapping[str, object], *, stream: bool = False
) -> Mapping[str, JSON]:
    """Make a call with parameters that any server takes, and give those that went out."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    case.needs_parameter(shape, *given)
    space = case.serve(shape.reply("fine", streaming=stream).times(0, 1))
    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream, **given)
    expect_success(outcome, f"a call with {json.dumps(given)}")
    return sent_parameters(shape, space.journal())


def _same(wire: JSON, intent: object) -> bool:
    """Whether a value arrived: equal and of its type; numbers may differ below TGI's 32-bit floats."""
    if isinstance(intent, bool) or not isinstance(intent, float):
        return wire == intent and isinstance(wire, bool) == isinstance(intent, bool)
    return same_float32(wire, intent)


def expect_arrived(wire: Mapping[str, JSON], given: Mapping[str, object]) -> None:
    """All that was given is on the wire, equal and of its type."""
    for name, value in given.items():
        expect(
            name in wire and _same(wire[name], value),
            expected=f"{name}: {json.dumps(value)}",
            observed=f"{name}: {json.dumps(wire[name])}" if name in wire else f"no {name}",
        )


def call_healthy(case: Case, shape: Shape, prompt: str | None = None, /, **given: object) -> Outcome:
    """One call to a healthy TGI of any strictness: what it thinks of the request is not judged here."""
    case.serve(shape.plain("fine").times(0, None))
    return case.call(prompt, endpoint=case.endpoint(), shape=shape, **given)


def sent_with(case: Case, shape: Shape, **given: object) -> Exchange:
    """The request of one call that must go out."""
    outcome = call_healthy(case, shape, None, **given)
    expect_success(outcome, f"a call with {in_json(given)}")
    return only_request(case.journal())


def sent_if_let(case: Case, shape: Shape, given: Given) -> Exchange | None:
    """The request of one call; None where the client refuses a value that TGI takes, which is GEN-05's."""
    call_healthy(case, shape, None, **given)
    return only_request(case.journal()) if case.journal().generations else None


def in_json(value: object) -> str:
    """A value for a message, cut to a length that can be read."""
    return json.dumps(value, ensure_ascii=False, default=repr)[:600]
