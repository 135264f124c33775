"""REQ, GEN, TOOL, IMG: what holds of every request, whatever the caller asks for (P-05 to P-08, P-25)."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import pytest
from hypothesis import strategies as st

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Server, overloaded
from tgi_conformance.contracts.tgi.requests.asked import RouteKind, request_of
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode
from tgi_conformance.contracts.tgi.requests.validation import refusal, validate
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.generated.images import Image, images
from tgi_conformance.suites.generated.requests import (
    all_parameters,
    bad_parameters,
    messages,
    parameters,
    violated,
)
from tgi_conformance.suites.generated.schemas import grammars, schemas, tools
from tgi_conformance.suites.generated.texts import surrogate_texts, texts
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success, only_request
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.request_bodies import (
    Number,
    bad_nulls,
    expect_strict,
    same_float32,
    top_level_names,
    written_parameters,
)
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape, healthy

SHAPE = pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
Given = Mapping[str, JSON]
#: Kinds of route for the port of the router's decoder, by path.
_ROUTES: Final[Mapping[str, RouteKind]] = {
    "/": "compat",
    "/generate": "generate",
    "/generate_stream": "generate_stream",
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
}
#: Every name that TGI or OpenAI has for the length limit.
_LIMITS: Final = ("max_new_tokens", "max_tokens", "max_completion_tokens", "max_length", "max_output_tokens")


def _offered(case: Case, shape: Shape) -> frozenset[str]:
    return case.description.parameters.get(shape.method, frozenset())


def _call(case: Case, shape: Shape, prompt: str | None = None, /, **given: object) -> Outcome:
    """One call to a healthy TGI of any strictness: what it thinks of the request is not judged here."""
    case.serve(shape.plain("fine").times(0, None))
    return case.call(prompt, endpoint=case.endpoint(), shape=shape, **given)


def _sent(case: Case, shape: Shape, **given: object) -> Exchange:
    """The request of one call that must go out."""
    outcome = _call(case, shape, None, **given)
    expect_success(outcome, f"a call with {_shown(given)}")
    return only_request(case.journal())


def _sent_if_let(case: Case, shape: Shape, given: Given) -> Exchange | None:
    """The request of one call; None where the client refuses a value that TGI takes, which is GEN-05's."""
    _call(case, shape, None, **given)
    return only_request(case.journal()) if case.journal().generations else None


def router_problem(exchange: Exchange) -> str | None:
    """What TGI says against a request before it looks at its values; None: nothing."""
    kind = _ROUTES[exchange.path.rstrip("/") or "/"]
    try:
        read = decode(kind, exchange.body, exchange.header("content-type"))
    except BodyError as unread:
        return unread.error.message
    refused = refusal(request_of(kind, read), Server())
    return None if refused is None else refused.message


def _expect_decodable(exchange: Exchange) -> None:
    problem = router_problem(exchange)
    expect(
        problem is None,
        expected="a body that TGI decodes",
        observed=f"{problem}: {exchange.body.decode('utf-8', 'replace')[:400]}",
    )


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)[:600]


# --- P-05: the round trip of what is asked for ---------------------------------------------------------


@clause("REQ-01", case="property-p05")
def test_whatever_is_asked_for_goes_out_as_one_strict_document(case: Case) -> None:
    """Property P-05: any text, halves of surrogate pairs among them, and any parameters."""
    shape = case.shape()
    asked = st.tuples(texts() | surrogate_texts(), parameters(shape, _offered(case, shape)))

    def check(inner: Case, drawn: tuple[str, Given]) -> None:
        text, given = drawn
        outcome = _call(inner, shape, text, **given)
        for sent in inner.journal().generations:
            types = sent.header_values("content-type")
            expect(
                len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json",
                expected="one Content-Type: application/json",
                observed=", ".join(types) or "none",
            )
            expect(
                sent.body_complete, expected="a body as long as announced", observed=f"{len(sent.body)} bytes"
            )
            expect_strict(sent)
        if not inner.journal().generations:
            expect_error(outcome, because="nothing was sent")

    check_property(case, asked, check, shared=3)


@clause("REQ-03", case="property-p05")
def test_any_conversation_arrives_as_it_was_given(case: Case) -> None:
    """Property P-05 for messages: roles, order and texts, code point for code point."""
    case.needs("chat")

    def check(inner: Case, said: list[JSON]) -> None:
        sent = _sent(inner, CHAT, subject=copy.deepcopy(said))
        observed = cast("dict[str, Any]", sent.json()).get("messages")
        read = _pairs(observed)
        expect(read == _pairs(said), expected=f"messages {_shown(said)}", observed=_shown(observed))

    check_property(case, messages(), check, shared=3)


def _pairs(said: object) -> list[tuple[object, object]]:
    if not isinstance(said, list) or not all(isinstance(message, Mapping) for message in said):
        return []
    return [(message.get("role"), message.get("content")) for message in said]


@clause("REQ-09", case="property-p05")
@SHAPE
def test_any_number_goes_out_as_the_json_number_it_is(case: Case, shape: Shape) -> None:
    """Property P-05 for numbers as they are written: integers whole, fractions no text."""
    case.needs(shape.capability)

    def check(inner: Case, given: Given) -> None:
        numbers = {k: v for k, v in given.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        sent = _sent_if_let(inner, shape, given)
        # What is lost altogether is GEN-01's and GEN-02's.
        written = {} if sent is None else written_parameters(shape, sent)
        for name in sorted(numbers.keys() & written.keys()):
            lexeme = written[name]
            shown = lexeme.lexeme if isinstance(lexeme, Number) else repr(lexeme)
            expect(_same_number(lexeme, numbers[name]), expected=f"{name}: {numbers[name]}", observed=shown)

    check_property(case, parameters(shape, _offered(case, shape)), check, shared=3)


def _same_number(lexeme: object, value: float) -> bool:
    if not isinstance(lexeme, Number):
        return False
    if isinstance(value, int):
        return lexeme.lexeme == str(value)
    return same_float32(float(lexeme.lexeme), value)


@clause("GEN-02", case="property-p05")
@SHAPE
def test_a_falsy_value_arrives_in_any_company(case: Case, shape: Shape) -> None:
    """Property P-05 for what ``if value:`` takes for unset (an empty list of stops says nothing)."""
    case.needs(shape.capability)

    def falsy(given: Given) -> dict[str, JSON]:
        return {name: value for name, value in given.items() if not value and value != []}

    def check(inner: Case, given: Given) -> None:
        wire = shape.parameters_of(_sent(inner, shape, **given).json())
        for name, value in falsy(given).items():
            expect(
                name in wire
                and wire[name] == value
                and isinstance(wire[name], bool) == isinstance(value, bool),
                expected=f"{name}: {_shown(value)}",
                observed=f"{name}: {_shown(wire[name])}" if name in wire else f"no {name}",
            )

    check_property(case, parameters(shape, _offered(case, shape)).filter(falsy), check, shared=3)


@clause("TOOL-01", case="property-p05")
def test_any_tool_definitions_arrive_unchanged(case: Case) -> None:
    """Property P-05 for tools: names, descriptions, and schemas to the last leaf."""
    _needs_tools(case)

    def check(inner: Case, offered: list[JSON]) -> None:
        wire = cast("dict[str, Any]", _sent(inner, CHAT, tools=copy.deepcopy(offered)).json()).get("tools")
        expect(wire == offered, expected=f"tools {_shown(offered)}", observed=_shown(wire))

    check_property(case, tools(), check, shared=3)


@clause("TOOL-11", case="property-p05")
def test_any_grammar_arrives_intact(case: Case) -> None:
    """Property P-05 for grammars: schema or expression equal, wherever they have their backslashes."""
    case.needs("grammar", "native")
    case.needs_parameter(NATIVE, "grammar")

    def check(inner: Case, grammar: JSON) -> None:
        sent = _sent(inner, NATIVE, grammar=copy.deepcopy(grammar))
        wire = NATIVE.parameters_of(sent.json()).get("grammar")
        expect(wire == grammar, expected=f"grammar {_shown(grammar)}", observed=_shown(wire))

    check_property(case, grammars(), check, shared=3)


@clause("IMG-01", case="property-p05")
def test_any_parts_go_out_in_the_callers_order(case: Case) -> None:
    """Property P-05 for images between texts: kinds and order kept, the images as data URLs."""
    case.needs("img", "chat")
    part = st.one_of(st.sampled_from(["See ", " and ", "é ✅"]), images(most=60))

    def check(inner: Case, parts: Sequence[str | Image]) -> None:
        given = [
            {"type": "text", "text": one} if isinstance(one, str) else {"type": "image", "image": one.content}
            for one in parts
        ]
        body = cast("dict[str, Any]", _sent(inner, CHAT, subject=[{"role": "user", "content": given}]).json())
        content = body["messages"][-1]["content"]
        wanted = [one if isinstance(one, str) else "image" for one in parts]
        expect(_kinds(content) == wanted, expected=f"parts {wanted}", observed=_shown(content))

    parts = st.lists(part, min_size=1, max_size=4).filter(
        lambda all_: any(isinstance(p, Image) for p in all_)
    )
    check_property(case, parts, check, shared=3)


def _kinds(content: object) -> list[object]:
    """Texts and images of a content of parts; what is neither stands as it is."""
    if not isinstance(content, list):
        return [content]
    return [part.get("text") if part.get("type") == "text" else _image_or(part) for part in content]


def _image_or(part: Mapping[str, Any]) -> object:
    url = (part.get("image_url") or {}).get("url") if part.get("type") == "image_url" else None
    return "image" if isinstance(url, str) and url.startswith("data:image/") else part


# --- P-06: nothing extra -------------------------------------------------------------------------------

#: Keys that a request of any client has.
_OWN_KEYS: Final = frozenset({"model", "stream", "inputs", "messages", "prompt", "parameters"})


def _wire_keys(shape: Shape, exchange: Exchange) -> frozenset[str]:
    """Keys of a body and of its parameters, those of unset options (null) left out."""
    body = cast("dict[str, JSON]", exchange.json())
    return frozenset(
        name
        for values in (body, shape.parameters_of(body))
        for name, value in values.items()
        if value is not None and name not in _OWN_KEYS
    )


@clause("REQ-05", case="property-p06")
@SHAPE
def test_no_unset_option_stands_on_the_wire_as_a_bad_null(case: Case, shape: Shape) -> None:
    """Property P-06 for options given as ``None`` among others that are set."""
    case.needs(shape.capability)

    def check(inner: Case, given: Given) -> None:
        _call(inner, shape, None, **given)
        for sent in inner.journal().generations:
            bad = bad_nulls(sent)
            expect(
                not bad,
                expected="no null where TGI's field takes none",
                observed=f"null at {', '.join(bad)} of {sent.body.decode('utf-8', 'replace')[:400]}",
            )

    check_property(case, _with_nones(case, shape), check, shared=3)


def _with_nones(case: Case, shape: Shape) -> st.SearchStrategy[dict[str, JSON]]:
    """Valid parameters, and others given as ``None``."""
    offered = sorted(_offered(case, shape))
    if not offered:
        raise NotApplicable(f"{shape.method} offers no parameter")
    unset = st.lists(st.sampled_from(offered), min_size=1, max_size=10, unique=True).map(dict.fromkeys)
    return st.builds(lambda none, given: {**given, **none}, unset, parameters(shape, frozenset(offered)))


@clause("GEN-07", case="property-p06")
@SHAPE
def test_no_length_limit_is_invented_beside_other_parameters(case: Case, shape: Shape) -> None:
    """Property P-06 for the limit: none given, none sent but a declared default."""
    case.needs(shape.capability)
    declared = case.description.defaults.parameters

    def check(inner: Case, given: Given) -> None:
        sent = _sent_if_let(inner, shape, given)
        wire = {} if sent is None else shape.parameters_of(sent.json())
        invented = {
            name: wire[name]
            for name in _LIMITS
            if wire.get(name) is not None and declared.get(name, UNSET) != wire[name]
        }
        expect(not invented, expected="no length limit on the wire", observed=_shown(invented))

    check_property(case, parameters(shape, _offered(case, shape) - set(_LIMITS)), check, shared=3)


@clause("GEN-13", case="property-p06")
@SHAPE
def test_a_later_call_has_no_key_of_an_earlier_one(case: Case, shape: Shape) -> None:
    """Property P-06 over two calls: each key is the caller's, a default, or one that every call has."""
    case.needs(shape.capability)
    one = parameters(shape, _offered(case, shape))

    def check(inner: Case, drawn: tuple[Given, Given]) -> None:
        space = inner.serve(shape.plain("fine").times(0, None))
        endpoint = inner.endpoint()
        for given in ({}, *drawn):
            inner.call(endpoint=endpoint, shape=shape, **given)
        sent = space.journal().generations
        if len(sent) != 3:
            return  # the client refuses a value that TGI takes: GEN-05's
        bare, _, last = (_wire_keys(shape, exchange) for exchange in sent)
        allowed = bare | drawn[1].keys() | inner.description.defaults.parameters.keys()
        # The adapter's names are TGI's; chat has two for its limit.
        allowed |= {"max_completion_tokens"} if "max_tokens" in allowed else set()
        expect(
            last <= allowed,
            expected=f"keys of {sorted(allowed)}",
            observed=f"{sorted(last - allowed)} left of the call before",
        )

    check_property(case, st.tuples(one, one), check, shared=3)


# --- P-07: what is sent can be read --------------------------------------------------------------------


@clause("REQ-05", case="property-p07")
@SHAPE
def test_tgi_decodes_every_body_with_unset_options(case: Case, shape: Shape) -> None:
    """Property P-07 for options given as ``None``, by a port of the router's decoder."""
    case.needs(shape.capability)

    def check(inner: Case, given: Given) -> None:
        _call(inner, shape, None, **given)
        for sent in inner.journal().generations:
            problem = router_problem(sent) or ""
            expect("null" not in problem, expected="no null that TGI refuses", observed=problem)

    check_property(case, _with_nones(case, shape), check, shared=3)


@clause("REQ-06", case="property-p07")
@SHAPE
def test_tgi_reads_any_stop_as_the_array_that_was_meant(case: Case, shape: Shape) -> None:
    """Property P-07 for stops: a string alone or a list of them."""
    case.needs(shape.capability)
    case.needs_parameter(shape, "stop")
    stop = texts(least=1, most=4)

    def check(inner: Case, given: str | list[str]) -> None:
        outcome = _call(inner, shape, stop=given)
        if isinstance(given, str) and outcome.raised and not inner.journal().generations:
            return  # refused, which the clause allows
        wire = shape.parameters_of(only_request(inner.journal()).json()).get("stop")
        wanted = [given] if isinstance(given, str) else given
        # An empty list says what no list says.
        same = wire == wanted or (not wanted and wire is None)
        expect(same, expected=f"stop={_shown(wanted)}", observed=f"stop={_shown(wire)}")

    check_property(case, st.one_of(st.lists(stop, max_size=4), stop), check, shared=3)


@clause("REQ-07", case="property-p07")
def test_tgi_meets_no_doubled_field_in_any_body(case: Case) -> None:
    """Property P-07 for the two names of the length limit, in any company."""
    case.needs("chat")
    names = [name for name in ("max_tokens", "max_completion_tokens") if name in _offered(case, CHAT)]
    if not names:
        raise NotApplicable("chat offers no length limit")
    limits: st.SearchStrategy[Given] = st.lists(st.sampled_from(names), min_size=1, unique=True).map(
        lambda chosen: dict.fromkeys(chosen, 9)
    )
    others: st.SearchStrategy[Given] = parameters(CHAT, _offered(case, CHAT) - set(names))

    def check(inner: Case, drawn: tuple[Given, Given]) -> None:
        limit, given = drawn
        outcome = _call(inner, CHAT, None, **limit, **given)
        if outcome.raised and not inner.journal().generations and len(limit) > 1:
            return  # refused as a contradiction
        written = [name for name in top_level_names(only_request(inner.journal()).body) if name in _LIMITS]
        expect(
            len(written) == 1,
            expected="one name of the limit, once",
            observed=" and ".join(written) or "none",
        )

    check_property(case, st.tuples(limits, others), check, shared=3)


@clause("TOOL-01", case="property-p07")
def test_tgi_decodes_any_tools_that_were_offered(case: Case) -> None:
    """Property P-07 for tools, of which some come without parameters (TGI refuses them as they are)."""
    _needs_tools(case)

    def check(inner: Case, offered: list[JSON]) -> None:
        _expect_decodable(_sent(inner, CHAT, tools=copy.deepcopy(offered)))

    check_property(case, tools(parameters=False), check, shared=3)


@clause("TOOL-02", case="property-p07")
def test_tgi_never_meets_an_empty_offer_or_tools_beside_a_format(case: Case) -> None:
    """Property P-07 for offers and response formats: refused here, sent readably, or refused there."""
    _needs_tools(case)
    formats: st.SearchStrategy[JSON] = st.none()
    if "response_format" in _offered(case, CHAT):
        formats = st.none() | schemas().map(lambda schema: {"type": "json_object", "value": schema})
    asked = st.tuples(st.one_of(st.just(cast("list[JSON]", [])), tools()), formats)

    def check(inner: Case, drawn: tuple[list[JSON], JSON]) -> None:
        offered, wanted = drawn
        inner.serve(healthy().times(0, None))
        more = {} if wanted is None else {"response_format": copy.deepcopy(wanted)}
        outcome = inner.call(endpoint=inner.endpoint(), shape=CHAT, tools=copy.deepcopy(offered), **more)
        _judge_offer(inner.journal(), outcome, both=bool(offered) and wanted is not None)

    check_property(case, asked, check, shared=3)


def _judge_offer(journal: Journal, outcome: Outcome, *, both: bool) -> None:
    if both:
        expect_error(outcome, because="TGI refuses tools together with a response format")
    for sent in journal.generations:
        body = cast("dict[str, Any]", sent.json())
        expect(body.get("tools") != [], expected="no empty list of tools", observed=_shown(body.get("tools")))
        if both:
            whole = bool(body.get("tools")) and bool(body.get("response_format"))
            expect(
                whole, expected="both on the wire, for the server to refuse", observed=_shown(sorted(body))
            )


@clause("GEN-04", case="property-p07")
@SHAPE
def test_any_top_p_is_sent_as_it_is_or_refused(case: Case, shape: Shape) -> None:
    """Property P-07 for ``top_p``: what TGI does not take is the caller's own doing, and is never mended."""
    case.needs(shape.capability)
    case.needs_parameter(shape, "top_p")
    values = st.one_of(st.sampled_from([1.0, 0.0, 1.2, -0.5, 0.5]), st.floats(-1.0, 2.0, width=32))

    def check(inner: Case, value: float) -> None:
        space = inner.serve_healthy()
        outcome = inner.call(endpoint=inner.endpoint(), shape=shape, top_p=value)
        sent = [shape.parameters_of(exchange.json()).get("top_p") for exchange in space.journal().generations]
        left_out = value == 1.0 and sent == [None]
        same = all(same_float32(other, value) for other in sent)
        expect(left_out or same, expected=f"top_p {value}, or none", observed=f"top_p {sent}")
        expect(
            outcome.raised or left_out or 0.0 < value < 1.0,
            expected="refused, or its 422 surfaced",
            observed=describe(outcome),
        )

    check_property(case, values, check, shared=3)


# --- P-08: validation ------------------------------------------------------------------------------------


@clause("GEN-05", case="property-p08")
@SHAPE
def test_what_the_client_refuses_the_router_refuses_too(case: Case, shape: Shape) -> None:
    """Property P-08: a refusal before anything is sent implies one by the router, for good and bad values."""
    case.needs(shape.capability)
    offered = _offered(case, shape)
    good = st.one_of(parameters(shape, offered), all_parameters(shape, offered))
    asked: st.SearchStrategy[Given] = good
    if offered & violated(shape):
        asked = st.one_of(good, good, bad_parameters(shape, offered).map(lambda bad: bad.parameters))

    def check(inner: Case, given: Given) -> None:
        inner.serve_healthy()
        outcome = inner.call("hello", endpoint=inner.endpoint(), shape=shape, **given)
        if inner.journal().generations:
            return  # what the router makes of it is the router's
        expect(
            router_refuses(shape, given) is not None,
            expected=f"{_shown(given)} sent: the router accepts it",
            observed=f"refused locally: {describe(outcome)}",
        )

    check_property(case, asked, check)


def router_refuses(shape: Shape, given: Given) -> str | None:
    """What the router answers to a call with these parameters, as a model of it says; None: it generates."""
    kind: RouteKind = cast("RouteKind", shape.method)
    body: dict[str, JSON]
    if shape is NATIVE:
        body = {"inputs": "hello", "parameters": dict(given)}
    else:
        body = {**cast("dict[str, JSON]", shape.arguments("hello")), **given}
    try:
        request = request_of(kind, decode(kind, json.dumps(body).encode(), "application/json"))
    except BodyError as unread:
        return unread.error.message
    refused = refusal(request, Server()) or validate(request, Server())
    return None if refused is None else refused.message


# --- P-25: the caller's values ---------------------------------------------------------------------------


@clause("REQ-13", case="property-p25")
def test_no_call_changes_what_the_caller_passed(case: Case) -> None:
    """Property P-25: messages, tools and parameters are deep-equal before and after, however it ends."""
    case.needs("chat")
    offered = _offered(case, CHAT)
    extra = {"tools": tools(parameters=False)} if "tools" in offered else {}
    given = st.builds(
        lambda plain, nested: {**plain, **nested},
        parameters(CHAT, offered),
        st.fixed_dictionaries({}, optional=extra),
    )
    retried = case.claims("retry") and "max_retries" in case.description.settings
    endings = st.sampled_from(["answered", "refused", *(["retried"] if retried else [])])

    def check(inner: Case, drawn: tuple[list[JSON], Mapping[str, JSON], str]) -> None:
        said, asked, ending = drawn
        refusals = {"answered": 0, "refused": 9, "retried": 1}[ending]
        inner.serve(
            *([overloaded().times(0, refusals)] if refusals else []), CHAT.plain("fine").times(0, None)
        )
        quick: dict[str, Any] = (
            {"max_retries": 1, "initial_retry_delay": 0.01, "backoff_factor": 1.0}
            if ending == "retried"
            else {}
        )
        outcome = inner.call(endpoint=inner.endpoint(**quick), shape=CHAT, subject=said, **asked)
        expect(
            not outcome.mutated and outcome.ending in ("answer", "error"),
            expected="arguments that are equal before and after the call",
            observed=f"changed: {', '.join(outcome.mutated)}" if outcome.mutated else describe(outcome),
        )

    check_property(case, st.tuples(messages(), given, endings), check)


def _needs_tools(case: Case) -> None:
    case.needs("chat", "tools")
    case.needs_parameter(CHAT, "tools")
