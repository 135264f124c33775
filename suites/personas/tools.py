"""Tool calls of servers of other generations: how each clause about them is tried."""

from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Generation, Reply, ScriptedToolCall
from tgi_conformance.suites.areas.streams import heard
from tgi_conformance.suites.areas.tools import ask, calls_of, executable, expect_calls, needs_streamed_calls
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import describe, expect
from tgi_conformance.suites.shapes.calls import Shape

#: The call that the servers of this file make.
ARGUMENTS: Final[Mapping[str, JSON]] = {"location": "Paris", "format": "celsius"}
WANTED: Final = ("get_weather", ARGUMENTS)
CALL: Final = Reply(tgi=Generation(tool_calls=(ScriptedToolCall(name="get_weather", arguments=ARGUMENTS),)))


def same_call(case: Case, _: Shape, __: str) -> None:
    """A call in the persona's form, and with its finish reason, is the same call."""
    case.serve(CALL)
    outcome = ask(case)
    expect_calls(outcome, calls_of(outcome), WANTED, because=f"the form of {case.persona}")


def raw_call(case: Case, _: Shape, __: str) -> None:
    """Before TGI 3 a streamed call is one unnamed object, its arguments the model's raw text in fragments."""
    case.serve(CALL)
    outcome = ask(case, stream=True)
    calls = needs_streamed_calls(outcome)
    sent = "".join(ARGUMENTS_SENT)
    shown = "".join(call.arguments for call in calls if isinstance(call.arguments, str))
    expect(
        outcome.returned and len(calls) == 1 and sent in shown.replace(" ", ""),
        expected=f"a normal end with one call whose arguments hold {sent}",
        observed=f"{describe(outcome)}; {[(c.name, c.arguments) for c in calls]!r}",
    )


#: The arguments as they stand in the raw text, blanks taken out.
ARGUMENTS_SENT: Final = ('"location":"Paris"', ',"format":"celsius"')


def tolerated(case: Case, _: Shape, __: str) -> None:
    """The single object ends as a call, not as a crash, and none of it is said to be the model's text."""
    case.serve(CALL)
    outcome = ask(case, stream=True)
    expect(outcome.returned, expected="a normal end", observed=describe(outcome))
    text = "".join(heard(outcome.pieces))
    expect("Paris" not in text, expected="no part of the call in the text", observed=repr(text))


def cut_call(case: Case, _: Shape, __: str) -> None:
    """A call that was cut short is an error, or is marked as incomplete."""
    case.serve(CALL.cut("fin", event=2))
    run = executable(ask(case, stream=True))
    expect(
        not run,
        expected="an error, or a call marked as incomplete",
        observed=", ".join(f"{one.name}({one.arguments!r})" for one in run),
    )
