"""REAL-02 and the persona matrix: answers, streams, errors and tools of servers of other generations.

:mod:`_persona_matrix` says which pairs are tried and why the others are not; here is how each clause is
tried, by its own oracle. Profile thorough tries every form of a clause on every shape.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind, kinds_for_status
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import (
    Encoding,
    Event,
    Generation,
    Persona,
    Reply,
    ScriptedToolCall,
    Server,
    answer,
    comment,
    data,
    done,
    failing,
    status,
)
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites import test_resp as resp
from tgi_conformance.suites import test_stream_delivery as delivery
from tgi_conformance.suites import test_stream_ends as ends
from tgi_conformance.suites import test_stream_errors as errors
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_text
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.harness.session import SETTINGS
from tgi_conformance.suites.harness.streams import (
    ALL,
    expect_end,
    expect_heard,
    expect_same_events,
    heard,
    play,
)
from tgi_conformance.suites.harness.tools import ask, calls_of, executable, expect_calls, needs_streamed_calls
from tgi_conformance.suites.personas.matrix import PERSONAS_TRIED, Pair, pairs
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Draft, Shape
from tgi_conformance.suites.shapes.personas import PersonaShape, dressed, served

WORDS: Final = (" Deep", " learning", " is", " fun")
TEXT: Final = "".join(WORDS)
#: The call that the servers of this file make.
ARGUMENTS: Final[Mapping[str, JSON]] = {"location": "Paris", "format": "celsius"}
WANTED: Final = ("get_weather", ARGUMENTS)
CALL: Final = Reply(tgi=Generation(tool_calls=(ScriptedToolCall(name="get_weather", arguments=ARGUMENTS),)))

Run = Callable[[Case, Shape, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How one clause is tried: on which shapes, in which forms (the first stands for all)."""

    run: Run
    needs: tuple[str, ...] = ()
    shapes: tuple[Shape, ...] = (CHAT, NATIVE, COMPLETIONS)
    forms: tuple[str, ...] = ("",)
    #: Forms where they differ by persona.
    forms_of: Mapping[Persona, tuple[str, ...]] = field(default_factory=dict)


# --- answers ------------------------------------------------------------------------------------------


def _own_form(case: Case, shape: Shape, _: str) -> None:
    """The persona's own names, ids and missing fields cost nothing."""
    case.serve(shape.plain("as usual"))
    expect_text(case.call(endpoint=case.endpoint(), shape=shape), "as usual")


def _finish_of_its_own(case: Case, shape: Shape, _: str) -> None:
    """The persona's word for a natural end parses."""
    case.serve(shape.plain("as usual", finish="stop"))
    expect_text(case.call(endpoint=case.endpoint(), shape=shape), "as usual")


def _end_told(case: Case, shape: Shape, _: str) -> None:
    """The persona's word for a natural end is told apart from a cut at the limit."""
    case.serve(shape.plain("half", finish="length"), shape.plain("whole", finish="stop"))
    endpoint = case.endpoint()
    told = []
    for text in ("half", "whole"):
        outcome = case.call(endpoint=endpoint, shape=shape)
        expect_text(outcome, text)
        made = outcome.answer
        told.append((UNSET, UNSET) if made is None else (made.finish_reason, made.incomplete))
    if told[0] == (UNSET, UNSET):
        raise NotApplicable("no finish reason is exposed")
    expect(told[0] != told[1], expected="a cut told apart from an end", observed=f"{told[0]!r} for both")


def _error_in_a_200(case: Case, shape: Shape, _: str) -> None:
    """The error object of the persona, in a 200."""
    event = shape.error_event("Request failed during generation: shard died")
    case.serve(in_band_fault(status(200, json=event.json)))
    outcome = case.call(endpoint=case.endpoint(), shape=shape)
    expect_error(outcome, contains="shard died", because="the 200 holds an error")


# --- streams ------------------------------------------------------------------------------------------

#: Text of two, three and four bytes a character.
WIDE: Final = (" é", "中", " 😀", " end")
#: Text with what ends a line elsewhere.
SEPARATORS: Final = (" a\u2028b", " c\x85d", " e\x0bf\x0cg", " end")


def _blank(shape: Shape) -> bool:
    return shape.traits.blank if isinstance(shape, PersonaShape) else True


def _between(shape: Shape, event: Event) -> Reply:
    head, *tail = shape.events(WORDS)
    return shape.frames(head, event, *tail)


#: The same events told in another way: clause -> (tokens, the reply).
TOLD_OTHERWISE: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Shape], Reply]]]] = {
    "STREAM-01": (WORDS, lambda shape: shape.stream(WORDS).deliver(splits="bytes")),
    "STREAM-02": (WIDE, lambda shape: shape.stream(WIDE).deliver(splits="bytes")),
    "STREAM-03": (
        WORDS,
        lambda shape: shape.stream(WORDS, encoding=Encoding(line_end="\r\n", blank=_blank(shape))),
    ),
    "STREAM-04": (SEPARATORS, lambda shape: shape.stream(SEPARATORS)),
    "STREAM-05": (WIDE, lambda shape: shape.stream(WIDE, content_type="text/event-stream; charset=latin-1")),
    "STREAM-06": (WORDS, lambda shape: shape.stream(WORDS, encoding=Encoding(blank=not _blank(shape)))),
    "STREAM-07": (WORDS, lambda shape: _between(shape, comment("ping"))),
    "STREAM-08": (
        WORDS,
        lambda shape: shape.frames(*(replace(e, multi_line=not e.done) for e in shape.events(WORDS))),
    ),
}


def _same_events(name: str) -> Run:
    tokens, otherwise = TOLD_OTHERWISE[name]

    def run(case: Case, shape: Shape, _: str) -> None:
        outcomes = play(case, shape, {"plain": shape.stream(tokens), "otherwise": otherwise(shape)})
        expect_same_events(outcomes, "plain", f"the stream is told as {name} allows")
        expect_end(outcomes["otherwise"], "".join(tokens), "nothing of it is lost")

    return run


def _whole_stream(case: Case, shape: Shape, _: str) -> None:
    """The persona's stream with all that belongs to it ends normally after its text."""
    outcome = play(case, shape, {"whole": shape.stream(WORDS)})["whole"]
    expect_end(outcome, TEXT, "the persona's whole stream")


def _no_early_end(case: Case, shape: Shape, _: str) -> None:
    """``generated_text: null`` stands on every token."""
    outcome = play(case, shape, {"whole": shape.stream(WORDS)})["whole"]
    expect_end(outcome, TEXT, "only a string in generated_text ends the stream")
    early = [at for at, piece in enumerate(outcome.pieces[:-1]) if piece.done is True]
    expect(not early, expected="no piece but the last says that it is the end", observed=f"pieces {early}")


def _no_end_mark(case: Case, shape: Shape, _: str) -> None:
    """The body ends properly, and nothing said that the answer does."""
    outcome = play(case, shape, {"open": shape.frames(*shape.open_events(WORDS))})["open"]
    expect_error(outcome, because="no mark of its end")
    expect_heard(outcome, WORDS, "they came before the end of the body")


def _done_alone(case: Case, shape: Shape, _: str) -> None:
    outcome = play(case, shape, {"none": shape.frames(*shape.open_events(WORDS), done())})["none"]
    expect_end(outcome, TEXT, "[DONE] is mark enough")


def _finish_alone(case: Case, shape: Shape, _: str) -> None:
    """The persona's finish reason, no ``[DONE]``, and the proper end of the body."""
    events = [event for event in shape.events(WORDS) if not event.done]
    outcome = play(case, shape, {"finish": shape.frames(*events)})["finish"]
    expect_end(outcome, TEXT, "a finish_reason, then a proper end of the body")


def _native_error(case: Case, shape: Shape, _: str) -> None:
    message = errors.REPORTED["generation"]
    frames = (*shape.open_events(WORDS[:2]), *shape.error_frames(message))
    outcome = play(case, shape, {"error": in_band_fault(shape.frames(*frames))})["error"]
    expect_error(outcome, *errors.TOLD, contains=message, because="an error event after 2 tokens")
    expect_heard(outcome, WORDS[:2], "the error came after them")


def _as_they_come(case: Case, shape: Shape, _: str) -> None:
    """The rest of the stream is held back until the caller has its first token."""
    reply = shape.stream(WORDS)
    first = shape.open_events(WORDS[:1])
    prefix = len(cast("Any", shape.frames(*first).stream).events)
    case.serve(reply.held("rest", event=prefix))
    running = case.start(endpoint=case.endpoint(), shape=shape, stream=True)
    running.call.pull(ALL)
    came = delivery._wait_text(running, WORDS[0])
    if not came:
        seen = heard(running.call.pieces_so_far())
        running.call.abandon()
        expect(came, expected=f"{WORDS[0]!r} handed over before more is sent", observed=f"{seen!r} after 2 s")
    case.space.release("rest")
    expect_end(running.wait(), TEXT, "the rest was released")


def _special_tokens(case: Case, shape: Shape, _: str) -> None:
    events = [cast("Draft", event) for event in wire_example("gens-details-eos").events]
    outcome = play(case, shape, {"eos": shape.frames(*(data(event) for event in events))})["eos"]
    expect_end(outcome, str(events[-1]["generated_text"]), "generated_text says what the text is")


# --- errors -------------------------------------------------------------------------------------------

#: What fails, by slug: error type, message.
FAILING: Final[Mapping[str, tuple[str, str]]] = {
    "overloaded": ("overloaded", "Model is overloaded"),
    "validation": ("validation", "`temperature` must be strictly positive"),
    "loading": ("loading", "Model lab/tiny is currently loading"),
    "generation": ("generation", "CUDA out of memory"),
    "conflict": ("conflict", "Conflict, please retry"),
    "timeout": ("timeout", "Timeout"),
}


def _failing(case: Case, shape: Shape, form: str, *, stream: bool = False) -> tuple[Outcome, int]:
    """One call to a persona that fails; the outcome and the status that it was answered with."""
    kind, message = FAILING[form]
    space = case.serve(failing(message, kind))
    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream)
    return outcome, space.journal().generations[0].status or 0


def _raises(case: Case, shape: Shape, form: str) -> None:
    outcome, code = _failing(case, shape, form)
    expect_error(outcome, because=f"the server answered {code}")


def _keeps_status(case: Case, shape: Shape, form: str) -> None:
    outcome, code = _failing(case, shape, form)
    expect_error(outcome, status=code, contains=str(code), because=f"the server answered {code}")


def _no_crash(case: Case, shape: Shape, form: str) -> None:
    outcome, code = _failing(case, shape, form)
    info = expect_error(outcome, status=code, because=f"the server answered {code}")
    expect(
        info is not None and info.kind is not ErrorKind.UNMAPPED,
        expected="one of the client's own errors",
        observed=describe(outcome),
    )


def _kind_and_status(case: Case, shape: Shape, form: str) -> None:
    outcome, code = _failing(case, shape, form)
    expect_error(outcome, *sorted(kinds_for_status(code)), status=code, because=f"the server answered {code}")


def _message(case: Case, shape: Shape, form: str) -> None:
    outcome, code = _failing(case, shape, form)
    expect_error(outcome, contains=FAILING[form][1], because=f"the server said so with its {code}")


def _refused_stream(case: Case, shape: Shape, form: str) -> None:
    outcome, code = _failing(case, shape, form, stream=True)
    expect_error(outcome, status=code, contains=FAILING[form][1], because=f"the server answered {code}")
    expect(not outcome.pieces, expected="no piece at all", observed=describe(outcome))


def _wrong_key(case: Case, shape: Shape, _: str) -> None:
    """The persona's own 401, which has a body where TGI's has none."""
    case.serve(server=Server(check_key=True))
    outcome = case.call(endpoint=case.endpoint(key="unknown"), shape=shape)
    expect_error(outcome, ErrorKind.AUTH, status=401, because="the key is not one of the server's")


def _not_the_requests_fault(case: Case, shape: Shape, form: str) -> None:
    outcome, code = _failing(case, shape, form)
    info = expect_error(outcome, because=f"the server answered {code}")
    blames = (ErrorKind.VALIDATION, ErrorKind.BAD_REQUEST, ErrorKind.INVALID_ARGUMENT)
    expect(
        info is not None and info.kind not in blames,
        expected="an error that does not blame the request",
        observed=describe(outcome),
    )


# --- tools --------------------------------------------------------------------------------------------


def _same_call(case: Case, _: Shape, __: str) -> None:
    """A call in the persona's form, and with its finish reason, is the same call."""
    case.serve(CALL)
    outcome = ask(case)
    expect_calls(outcome, calls_of(outcome), WANTED, because=f"the form of {case.persona}")


def _raw_call(case: Case, _: Shape, __: str) -> None:
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


def _tolerated(case: Case, _: Shape, __: str) -> None:
    """The single object ends as a call, not as a crash, and none of it is said to be the model's text."""
    case.serve(CALL)
    outcome = ask(case, stream=True)
    expect(outcome.returned, expected="a normal end", observed=describe(outcome))
    text = "".join(heard(outcome.pieces))
    expect("Paris" not in text, expected="no part of the call in the text", observed=repr(text))


def _cut_call(case: Case, _: Shape, __: str) -> None:
    case.serve(CALL.cut("fin", event=2))
    run = executable(ask(case, stream=True))
    expect(
        not run,
        expected="an error, or a call marked as incomplete",
        observed=", ".join(f"{one.name}({one.arguments!r})" for one in run),
    )


# --- the table ----------------------------------------------------------------------------------------

_OPENAI: Final = (CHAT, COMPLETIONS)
#: Failures of a persona, the one that stands for all first.
_FAILURES: Final[Mapping[Persona, tuple[str, ...]]] = {
    "openai-proxy": ("overloaded", "validation", "conflict", "timeout", "generation"),
    "hosted-router": ("loading",),
}
#: Those of them that come as JSON, with the server's words.
_TOLD: Final[Mapping[Persona, tuple[str, ...]]] = {
    "openai-proxy": ("validation", "overloaded", "conflict", "timeout"),
    "hosted-router": ("loading",),
}
_PAGE: Final[Mapping[Persona, tuple[str, ...]]] = {"openai-proxy": ("generation",)}


def _answer(run: Run, *forms: str) -> Check:
    return Check(run=run, shapes=_OPENAI, forms=forms or ("",))


def _stream(run: Run, *forms: str, shapes: tuple[Shape, ...] = (CHAT, NATIVE, COMPLETIONS)) -> Check:
    return Check(run=run, needs=("stream",), shapes=shapes, forms=forms or ("",))


def _error(run: Run, failures: Mapping[Persona, tuple[str, ...]], *needs: str) -> Check:
    return Check(run=run, needs=needs, forms_of=failures)


def _tools(run: Run, *needs: str) -> Check:
    return Check(run=run, needs=("tools", *needs), shapes=(CHAT,))


CHECKS: Final[Mapping[str, Check]] = {
    "RESP-02": _answer(resp.test_the_text_comes_back_exactly, "blanks-and-newlines", "astral", "json"),
    "RESP-05": _answer(_own_form),
    "RESP-06": _answer(_finish_of_its_own),
    "RESP-07": _answer(_end_told),
    "RESP-09": _answer(_error_in_a_200),
    **{name: _stream(_same_events(name)) for name in TOLD_OTHERWISE},
    "STREAM-09": _stream(ends.test_done_ends_the_stream, "blank", "no-blank", shapes=_OPENAI),
    "STREAM-10": _stream(_whole_stream, shapes=(NATIVE,)),
    "STREAM-11": _stream(_no_early_end, shapes=(NATIVE,)),
    "STREAM-12": _stream(_no_end_mark),
    "STREAM-13": _stream(_done_alone, shapes=_OPENAI),
    "STREAM-14": _stream(_finish_alone, shapes=_OPENAI),
    "STREAM-15": _stream(_native_error, shapes=(NATIVE,)),
    "STREAM-16": _stream(
        lambda case, shape, _: errors.test_an_openai_error_event_raises_although_done_follows(case, shape, 2),
        shapes=_OPENAI,
    ),
    "STREAM-17": _stream(
        errors.test_an_event_of_type_error_raises_whatever_its_data, "json", "text", "empty-object"
    ),
    "STREAM-18": _stream(_whole_stream, shapes=(CHAT,)),
    "STREAM-19": _stream(
        delivery.test_the_pieces_joined_are_the_text,
        "repeated",
        *sorted({*delivery.TOKEN_LISTS} - {"repeated"}),
    ),
    "STREAM-20": _stream(_as_they_come),
    "STREAM-21": _stream(_special_tokens, shapes=(NATIVE,)),
    "STREAM-22": _stream(
        errors.test_a_data_line_that_is_not_json_is_never_text, "words", "half-an-object", "html"
    ),
    "STREAM-23": _stream(
        lambda case, shape, _: errors.test_a_plain_answer_to_a_stream_call_is_the_whole_answer_or_an_error(
            case, shape
        ),
        shapes=_OPENAI,
    ),
    "STREAM-24": _error(_refused_stream, _TOLD, "stream"),
    "ERR-01": _error(_raises, _FAILURES),
    "ERR-02": _error(_wrong_key, {}),
    "ERR-03": _error(_message, _TOLD),
    "ERR-04": _error(_keeps_status, _PAGE),
    "ERR-05": _error(_no_crash, _FAILURES),
    "ERR-06": _error(_kind_and_status, _FAILURES),
    "ERR-09": _error(_not_the_requests_fault, _PAGE),
    "TOOL-04": _tools(_same_call),
    "TOOL-05": _tools(_raw_call, "stream"),
    "TOOL-06": _tools(_same_call),
    "TOOL-07": _tools(_cut_call, "stream"),
    "TOOL-10": _tools(_tolerated, "stream"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One pair tried in one form; ``shape`` None: the first that is claimed."""

    pair: Pair
    form: str
    shape: Shape | None = None


def trials(*, thorough: bool) -> Iterator[tuple[str, Trial]]:
    """The trials by slug: one a pair, or every form on every shape."""
    for pair in pairs():
        if pair.left_out:
            continue
        check = CHECKS[pair.clause]
        forms = check.forms_of.get(pair.persona, check.forms)
        slug = f"persona-{pair.persona}"
        yield slug, Trial(pair=pair, form=forms[0])
        if thorough:
            there = [shape for shape in served(pair.persona) if shape in check.shapes]
            for shape in there:
                for form in forms:
                    yield (
                        f"{slug}-{shape.name}{f'-{form}' if form else ''}",
                        Trial(pair=pair, form=form, shape=shape),
                    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a case of each trial of the profile."""
    if "trial" not in metafunc.fixturenames:
        return
    thorough = metafunc.config.stash[SETTINGS].profile == "thorough"
    metafunc.parametrize(
        "trial",
        [
            pytest.param(
                trial,
                id=f"case={trial.pair.clause}-{slug}",  # pytest wants it unique; the marker names the case
                marks=clause(trial.pair.clause, case=slug),
            )
            for slug, trial in trials(thorough=thorough)
        ],
    )


def test_a_clause_holds_with_a_server_of_another_generation(case: Case, trial: Trial) -> None:
    """A client outlives the server that it was written for."""
    check = CHECKS[trial.pair.clause]
    case.needs(*check.needs)
    case.persona = trial.pair.persona
    shape = case.shape(*check.shapes if trial.shape is None else (trial.shape,))
    _needs_twin(case, shape)
    check.run(case, shape, trial.form)


def _needs_twin(case: Case, shape: Shape) -> None:
    """End the case where the healthy call already fails with that server: REAL-02 says so once."""
    claimed = (False, True) if case.claims("stream") else (False,)
    if not all(case.probes.works(shape, streaming=streaming, persona=case.persona) for streaming in claimed):
        raise NotApplicable(f"a healthy {shape.name} call fails with {case.persona}, which REAL-02 judges")


@clause("REAL-02")
@pytest.mark.parametrize("persona", ["tgi-3.3", *PERSONAS_TRIED])
def test_the_client_works_with_every_generation(case: Case, persona: Persona) -> None:
    """One healthy call of each claimed shape, plain and streamed, and a tool call."""
    case.persona = persona
    shapes = [shape for shape in served(persona) if case.claims(shape.capability)]
    if not shapes:
        raise NotApplicable(f"no call that {persona} serves is claimed")
    for shape in shapes:
        for streaming in (False, True) if case.claims("stream") else (False,):
            case.serve(answer(" one two").named(shape.name))
            outcome = case.call(endpoint=case.endpoint(), shape=dressed(shape, persona), stream=streaming)
            _expect_spoken(case, outcome, f"{shape.name}{' stream' if streaming else ''}")
    if CHAT in shapes and case.claims("tools"):
        case.serve(CALL)
        outcome = ask(case)
        expect_calls(outcome, calls_of(outcome), WANTED, because=f"the form of {persona}")


def _expect_spoken(case: Case, outcome: Outcome, what: str) -> None:
    """The text; STREAM-21 judges a shown end token, GEN-10 a prompt in front."""
    expect(
        outcome.returned and outcome.text.removesuffix("</s>").endswith(" one two"),
        expected=f"{what}: ' one two' from {case.persona}",
        observed=describe(outcome),
    )
