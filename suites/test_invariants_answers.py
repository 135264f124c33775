"""ERR, RESP, TOOL: what holds of every answer, whatever is in it (P-09 to P-11, P-23)."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from hypothesis import strategies as st

from tgi_conformance.contracts.error_kinds import JUDGED_STATUSES, kinds_for_status
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Body, Reply, Response, done, status
from tgi_conformance.suites.areas.tools import ask, chunk, executable, fragments
from tgi_conformance.suites.areas.ways import SHAPE
from tgi_conformance.suites.generated.errors import FailedAnswer, failed_answers
from tgi_conformance.suites.generated.schemas import json_values
from tgi_conformance.suites.generated.texts import texts
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error
from tgi_conformance.suites.harness.oracles import in_band_fault, leaks_in_outcomes
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.shapes.calls import CHAT, Shape

#: Statuses of failure, those of no meaning of their own among them.
STATUSES: Final = (400, 401, 403, 404, 418, 422, 424, 429, 451, 500, 502, 503, 504, 599)
#: Characters of an error that may be shown, however long the server's page is.
EXCERPT: Final = 20_000


def _failing(case: Case, answer: FailedAnswer, *, stream: bool = False) -> Outcome:
    case.serve(answer.reply)
    return case.call(endpoint=case.endpoint(), stream=stream)


def _forms(case: Case) -> st.SearchStrategy[bool]:
    """Plain calls, and stream calls where they are claimed."""
    return st.sampled_from([False, True] if case.claims("stream") else [False])


# --- P-09: errors -------------------------------------------------------------------------------------------


@clause("ERR-01", case="property-p09", ways=("chat", "chat stream"))
def test_any_status_of_failure_raises_whatever_its_body(case: Case) -> None:
    """Property P-09: no body makes a failure an answer, not even one that is an answer of TGI's."""
    shape = case.shape()
    healthy_body = st.sampled_from(STATUSES).map(
        lambda code: FailedAnswer(status=code, body=Body(json=shape.body("not to be believed")))
    )

    def check(inner: Case, drawn: tuple[FailedAnswer, bool]) -> None:
        answer, stream = drawn
        expect_error(_failing(inner, answer, stream=stream), because=f"the server answered {answer.status}")

    check_property(case, st.tuples(failed_answers(STATUSES) | healthy_body, _forms(case)), check, shared=3)


@clause("ERR-04", case="property-p09", ways=("chat", "chat stream"))
def test_any_error_body_keeps_its_status_and_words(case: Case) -> None:
    """Property P-09 for text, pages, nothing and JSON cut short, under any content type."""

    def check(inner: Case, drawn: tuple[FailedAnswer, bool]) -> None:
        answer, stream = drawn
        outcome = _failing(inner, answer, stream=stream)
        because = f"the server answered {answer.status}"
        expect_error(outcome, status=answer.status, contains=answer.words or None, because=because)
        longest = max((len(link.message) for link in outcome.exception), default=0)
        expect(longest <= EXCERPT, expected=f"at most {EXCERPT} characters", observed=f"{longest} characters")

    bodies = failed_answers(STATUSES, kinds=("no-json",))
    check_property(case, st.tuples(bodies, _forms(case)), check, shared=3)


@clause("ERR-06", case="property-p09", ways=("chat", "chat stream"))
def test_status_and_kind_of_any_error_can_be_read_by_program(case: Case) -> None:
    """Property P-09 for the statuses that have a meaning: neither body nor label changes the kind."""

    def check(inner: Case, drawn: tuple[FailedAnswer, bool]) -> None:
        answer, stream = drawn
        kinds = sorted(kinds_for_status(answer.status))
        because = f"the server answered {answer.status}"
        expect_error(_failing(inner, answer, stream=stream), *kinds, status=answer.status, because=because)

    bodies = failed_answers(JUDGED_STATUSES)
    check_property(case, st.tuples(bodies, _forms(case)), check, shared=3)


@clause("SEC-01", case="property-p09", ways=("chat", "chat stream"))
def test_no_error_of_any_body_shows_the_key(case: Case) -> None:
    """Property P-09 for the key: not in the exception, not in what caused it, not in what the call gave."""

    def check(inner: Case, drawn: tuple[FailedAnswer, bool]) -> None:
        answer, stream = drawn
        outcome = _failing(inner, answer, stream=stream)
        leaks = [f.message for f in leaks_in_outcomes([outcome], inner.record.keys) if f.breach]
        expect(not leaks, expected="no key in the outcome", observed="; ".join(leaks))

    check_property(case, st.tuples(failed_answers(STATUSES), _forms(case)), check, shared=3)


# --- P-10: a 200 --------------------------------------------------------------------------------------------


#: Members of an answer that say something of its text, and are none.
_BESIDE_THE_TEXT: Final = frozenset({"finish_reason", "usage", "details"})


@clause("RESP-08", case="property-p10")
@SHAPE
def test_a_200_of_any_bytes_is_its_reading_or_an_error(case: Case, shape: Shape) -> None:
    """Property P-10: any JSON, any bytes, answers with a part replaced; never an invented empty text."""
    case.needs(shape.capability)
    bodies = st.one_of(
        _near_answers(shape).map(lambda value: Body(json=value)),
        json_values().map(lambda value: Body(json=value)),
        st.binary(max_size=30).map(lambda content: Body(base64=content, content_type="application/json")),
    )

    def check(inner: Case, body: Body) -> None:
        inner.serve(in_band_fault(Reply(response=Response(body=body))))
        outcome = inner.call(endpoint=inner.endpoint(), shape=shape)
        _expect_reading(inner, outcome, readings(body))

    check_property(case, bodies, check, shared=2)


def _near_answers(shape: Shape) -> st.SearchStrategy[JSON]:
    """Answers of a shape in which one value is replaced by another, or left out.

    What stands beside the text is only left out: a client may hand it on as it came, whatever it is.
    """
    whole = shape.body("as usual")
    places = _places(whole)

    def changed(path: tuple[str | int, ...]) -> st.SearchStrategy[JSON]:
        left_out = st.just(_without(whole, path))
        if not _BESIDE_THE_TEXT.isdisjoint(path):
            return left_out
        return st.one_of(left_out, json_values(leaves=3).map(lambda value: _with(whole, path, value)))

    return st.sampled_from(places).flatmap(changed)


def _places(value: JSON, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of a value's parts, those near the text first."""
    items: Sequence[tuple[str | int, JSON]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [(*path, key) for key, _ in items] + [
        deep for key, item in items for deep in _places(item, (*path, key))
    ]


def _with(value: JSON, path: tuple[str | int, ...], put: JSON) -> JSON:
    changed: Any = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = put
    return cast("JSON", changed)


def _without(value: JSON, path: tuple[str | int, ...]) -> JSON:
    changed: Any = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return cast("JSON", changed)


def readings(body: Body) -> frozenset[str]:
    """The texts that a body may be read as, in the form of any route; none: it holds no answer."""
    if isinstance(body.json, dict | list):
        value: JSON = body.json
    else:
        try:
            value = json.loads(body.base64 or b"")
        except ValueError:
            return frozenset()
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if not isinstance(value, dict):
        return frozenset()
    found = [value.get("generated_text")]
    choices = value.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            found += [choice.get("text"), *_message_readings(choice.get("message"))]
    return frozenset(text for text in found if isinstance(text, str))


def _message_readings(message: JSON) -> list[JSON]:
    """A message without content is one of tool calls, or says nothing (RESP-04): both have no text."""
    if not isinstance(message, dict):
        return []
    content = message.get("content")
    return ["" if content is None else content]


def _expect_reading(case: Case, outcome: Outcome, allowed: frozenset[str]) -> None:
    right = allowed | {text.strip() for text in allowed} if case.description.trims else allowed
    told = " or ".join(map(repr, sorted(allowed))) or "none in it"
    expect(
        outcome.raised or (outcome.returned and outcome.text in right),
        expected=f"the text of the body ({told}), or an error",
        observed=describe(outcome),
    )


@clause("RESP-09", case="property-p10")
@SHAPE
def test_any_error_object_in_a_200_is_an_error_with_its_message(case: Case, shape: Shape) -> None:
    """Property P-10 for bodies that say what went wrong: TGI's form, OpenAI's, more beside it."""
    case.needs(shape.capability)
    message = st.sampled_from(["shard died", "Model is overloaded", "é ✅ went wrong", "0"])

    def forms(said: str) -> list[JSON]:
        return [
            {"error": said, "error_type": "generation"},
            {"error": {"message": said, "http_status_code": 422}},
            {"error": {"message": said, "type": "server_error", "code": None}},
            {"error": said},
        ]

    told = message.flatmap(lambda said: st.tuples(st.just(said), st.sampled_from(forms(said))))
    more = st.dictionaries(
        st.sampled_from(["id", "object", "created", "x"]), json_values(leaves=3), max_size=2
    )

    def check(inner: Case, drawn: tuple[tuple[str, JSON], Mapping[str, JSON]]) -> None:
        (said, error), beside = drawn
        body = {**beside, **cast("Mapping[str, JSON]", error)}
        inner.serve(in_band_fault(status(200, json=body)))
        outcome = inner.call(endpoint=inner.endpoint(), shape=shape)
        expect_error(outcome, contains=said, because="the 200 holds an error")

    check_property(case, st.tuples(told, more), check, shared=3)


# --- P-11: bodies that end early ----------------------------------------------------------------------------


@clause("RESP-10", case="property-p11")
@SHAPE
def test_any_answer_cut_anywhere_is_an_error(case: Case, shape: Shape) -> None:
    """Property P-11: n bytes and the end of the connection, for every n below the length."""
    case.needs(shape.capability)

    def example(drawn: tuple[str, int]) -> st.SearchStrategy[tuple[Reply, int]]:
        # With blanks behind it the JSON is whole well before the body is.
        text, blanks = drawn
        body = json.dumps(shape.body(text), ensure_ascii=False) + " " * blanks
        whole = st.builds(
            lambda framing: Response(
                body=Body(text=body, content_type="application/json"),
                framing=framing,
            ),
            st.sampled_from(["content-length", "chunked"]),
        )
        cuts = st.tuples(whole, st.sampled_from(["fin", "rst"]), st.integers(0, len(body.encode()) - 1))
        return cuts.map(lambda cut: (Reply(response=cut[0]).cut(cut[1], byte=cut[2]), cut[2]))

    def check(inner: Case, drawn: tuple[Reply, int]) -> None:
        reply, at = drawn
        inner.serve(reply)
        outcome = inner.call(endpoint=inner.endpoint(), shape=shape)
        expect_error(outcome, because=f"the body ended after {at} bytes")

    told = st.tuples(texts(most=12), st.sampled_from([0, 64, 2000]))
    check_property(case, told.flatmap(example), check, shared=2)


# --- P-23: tool calls ---------------------------------------------------------------------------------------


@clause("TOOL-07", case="property-p23", ways="chat stream")
def test_no_strict_prefix_of_a_tool_call_is_a_complete_call(case: Case) -> None:
    """Property P-23: arguments cut after any of their characters, by whatever ends the stream."""
    case.needs("chat", "tools", "stream")
    values = st.dictionaries(
        st.text(max_size=6), st.text(max_size=12) | st.integers(-9, 99), min_size=1, max_size=3
    )

    def example(value: Mapping[str, JSON]) -> st.SearchStrategy[tuple[str, list[int], str]]:
        text = json.dumps(value, ensure_ascii=False)
        kept = st.integers(1, len(text) - 1).map(lambda length: text[:length])
        ending = st.sampled_from(["no-end-mark", "fin", "rst", "length", "error-event"])
        return st.tuples(kept, st.lists(st.integers(0, len(text)), max_size=3), ending)

    def check(inner: Case, drawn: tuple[str, list[int], str]) -> None:
        half, cuts, ending = drawn
        at = sorted({min(cut, len(half)) for cut in cuts})
        frames = [chunk([fragment]) for fragment in fragments(half, at=at)]
        replies = {
            "no-end-mark": CHAT.frames(*frames),
            "fin": CHAT.frames(*frames).cut("fin", event=len(frames)),
            "rst": CHAT.frames(*frames).cut("rst", event=len(frames)),
            "length": CHAT.frames(*frames, chunk(None, finish="length"), done()),
            "error-event": in_band_fault(CHAT.frames(*frames, *CHAT.error_frames("shard died"))),
        }
        inner.serve(replies[ending])
        run = executable(ask(inner, stream=True))
        expect(
            not run,
            expected=f"an error, or a call marked as incomplete, after {half!r} ({ending})",
            observed=", ".join(f"{one.name}({one.arguments!r}), complete: {one.complete}" for one in run),
        )

    check_property(case, values.flatmap(example), check)
