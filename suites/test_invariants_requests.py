"""REQ, GEN, TOOL: what holds of every request, whatever the caller asks for (P-06 to P-08, P-25)."""

import copy
from collections.abc import Mapping
from typing import Any, Final, cast

from hypothesis import strategies as st

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.areas.parameters import (
    LIMIT_NAMES,
    Given,
    call_healthy,
    in_json,
    needs_any,
    offered,
    sent_if_let,
    sent_with,
    widest_integer,
)
from tgi_conformance.suites.areas.refusals import refusal
from tgi_conformance.suites.areas.request_bodies import bad_nulls, same_float32, top_level_names
from tgi_conformance.suites.areas.router import expect_decodable, router_problem, router_refuses
from tgi_conformance.suites.areas.tools import needs_tool_definitions
from tgi_conformance.suites.areas.ways import SHAPE
from tgi_conformance.suites.generated.requests import (
    PARAMETERS,
    all_parameters,
    bad_parameters,
    messages,
    parameters,
    violated,
)
from tgi_conformance.suites.generated.schemas import schemas, tools
from tgi_conformance.suites.generated.texts import texts
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, only_request
from tgi_conformance.suites.harness.policy import retried_statuses
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, Shape, healthy

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
        call_healthy(inner, shape, None, **given)
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
    names = sorted(offered(case, shape))
    if not names:
        raise NotApplicable(f"{shape.method} offers no parameter")
    unset = st.lists(st.sampled_from(names), min_size=1, max_size=10, unique=True).map(dict.fromkeys)
    return st.builds(
        lambda none, given: {**given, **none},
        unset,
        parameters(shape, frozenset(names), most=widest_integer(case)),
    )


@clause("GEN-07", case="property-p06")
@SHAPE
def test_no_length_limit_is_invented_beside_other_parameters(case: Case, shape: Shape) -> None:
    """Property P-06 for the limit: none given, none sent but a declared default."""
    case.needs(shape.capability)
    declared = case.description.defaults.parameters

    def check(inner: Case, given: Given) -> None:
        sent = sent_if_let(inner, shape, given)
        wire = {} if sent is None else shape.parameters_of(sent.json())
        invented = {
            name: wire[name]
            for name in LIMIT_NAMES
            if wire.get(name) is not None and declared.get(name, UNSET) != wire[name]
        }
        expect(not invented, expected="no length limit on the wire", observed=in_json(invented))

    check_property(
        case,
        parameters(shape, offered(case, shape) - set(LIMIT_NAMES), most=widest_integer(case)),
        check,
        shared=3,
    )


@clause("GEN-13", case="property-p06")
@SHAPE
def test_a_later_call_has_no_key_of_an_earlier_one(case: Case, shape: Shape) -> None:
    """Property P-06 over two calls: each key is the caller's, a default, or one that every call has."""
    case.needs(shape.capability)
    one = parameters(shape, offered(case, shape), most=widest_integer(case))

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
        call_healthy(inner, shape, None, **given)
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
        outcome = call_healthy(inner, shape, stop=given)
        if isinstance(given, str) and outcome.raised and not inner.journal().generations:
            return  # refused, which the clause allows
        wire = shape.parameters_of(only_request(inner.journal()).json()).get("stop")
        wanted = [given] if isinstance(given, str) else given
        # An empty list says what no list says.
        same = wire == wanted or (not wanted and wire is None)
        expect(same, expected=f"stop={in_json(wanted)}", observed=f"stop={in_json(wire)}")

    check_property(case, st.one_of(st.lists(stop, max_size=4), stop), check, shared=3)


@clause("REQ-07", case="property-p07", ways="chat")
def test_tgi_meets_no_doubled_field_in_any_body(case: Case) -> None:
    """Property P-07 for the two names of the length limit, in any company."""
    case.needs("chat")
    names = [name for name in ("max_tokens", "max_completion_tokens") if name in offered(case, CHAT)]
    if not names:
        raise NotApplicable("chat offers no length limit")
    limits: st.SearchStrategy[Given] = st.lists(st.sampled_from(names), min_size=1, unique=True).map(
        lambda chosen: dict.fromkeys(chosen, 9)
    )
    others: st.SearchStrategy[Given] = parameters(
        CHAT, offered(case, CHAT) - set(names), most=widest_integer(case)
    )

    def check(inner: Case, drawn: tuple[Given, Given]) -> None:
        limit, given = drawn
        outcome = call_healthy(inner, CHAT, None, **limit, **given)
        if outcome.raised and not inner.journal().generations and len(limit) > 1:
            return  # refused as a contradiction
        written = [
            name for name in top_level_names(only_request(inner.journal()).body) if name in LIMIT_NAMES
        ]
        expect(
            len(written) == 1,
            expected="one name of the limit, once",
            observed=" and ".join(written) or "none",
        )

    check_property(case, st.tuples(limits, others), check, shared=3)


@clause("TOOL-01", case="property-p07", ways="chat")
def test_tgi_decodes_any_tools_that_were_offered(case: Case) -> None:
    """Property P-07 for tools, of which some come without parameters (TGI refuses them as they are)."""
    needs_tool_definitions(case)

    def check(inner: Case, offered: list[JSON]) -> None:
        expect_decodable(sent_with(inner, CHAT, tools=copy.deepcopy(offered)))

    check_property(case, tools(parameters=False), check, shared=3)


@clause("TOOL-02", case="property-p07", ways="chat")
def test_tgi_never_meets_an_empty_offer_or_tools_beside_a_format(case: Case) -> None:
    """Property P-07 for offers and response formats: refused here, sent readably, or refused there."""
    needs_tool_definitions(case)
    formats: st.SearchStrategy[JSON] = st.none()
    if "response_format" in offered(case, CHAT):
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
        expect(
            body.get("tools") != [], expected="no empty list of tools", observed=in_json(body.get("tools"))
        )
        if both:
            whole = bool(body.get("tools")) and bool(body.get("response_format"))
            expect(
                whole, expected="both on the wire, for the server to refuse", observed=in_json(sorted(body))
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
    names = needs_any(case, shape, PARAMETERS[shape.method])
    most = widest_integer(case)
    good = st.one_of(parameters(shape, names, most=most), all_parameters(shape, names, most=most))
    asked: st.SearchStrategy[Given] = good
    if names & violated(shape):
        asked = st.one_of(good, good, bad_parameters(shape, names).map(lambda bad: bad.parameters))

    def check(inner: Case, given: Given) -> None:
        inner.serve_healthy()
        outcome = inner.call("hello", endpoint=inner.endpoint(), shape=shape, **given)
        if inner.journal().generations:
            return  # what the router makes of it is the router's
        expect(
            router_refuses(shape, given) is not None,
            expected=f"{in_json(given)} sent: the router accepts it",
            observed=f"refused locally: {describe(outcome)}",
        )

    check_property(case, asked, check)


# --- P-25: the caller's values ---------------------------------------------------------------------------


@clause("REQ-13", case="property-p25", ways="chat")
def test_no_call_changes_what_the_caller_passed(case: Case) -> None:
    """Property P-25: messages, tools and parameters are deep-equal before and after, however it ends."""
    case.needs("chat")
    names = offered(case, CHAT)
    extra = {"tools": tools(parameters=False)} if "tools" in names else {}
    given = st.builds(
        lambda plain, nested: {**plain, **nested},
        parameters(CHAT, names, most=widest_integer(case)),
        st.fixed_dictionaries({}, optional=extra),
    )
    code = next(iter(retried_statuses(case.description)), 429)
    retried = case.claims("retry") and "max_retries" in case.description.settings
    endings = st.sampled_from(["answered", "refused", *(["retried"] if retried else [])])

    def check(inner: Case, drawn: tuple[list[JSON], Mapping[str, JSON], str]) -> None:
        said, asked, ending = drawn
        refusals = {"answered": 0, "refused": 9, "retried": 1}[ending]
        inner.serve(
            *([refusal(code).times(0, refusals)] if refusals else []), CHAT.plain("fine").times(0, None)
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
