"""SEC: the key goes to its own origin, in one header, and nowhere else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, always, raw, silence, status
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.areas.answers import serve_each
from tgi_conformance.suites.areas.process.own import call_in, created_in, for_its_model, forms
from tgi_conformance.suites.areas.ways import FORM, SHAPE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import (
    expect,
    expect_error,
    expect_requests,
    expect_success,
)
from tgi_conformance.suites.harness.oracles import find_key, leaks_in_outcomes, leaks_in_output, stray_keys
from tgi_conformance.suites.harness.rulings import Advice, NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

#: The same for cases that a plain call has had from the start: its id is left as it was.
FORM_TOO = pytest.mark.parametrize("stream", [False, True], ids=["case=plain", "stream"])
#: Failures whose errors clients build from the request that failed, key and all.
FAILURES: Final[Mapping[str, Reply]] = {
    "401": status(401),
    "422": status(422, json={"error": "Input validation error: `seed`", "error_type": "validation"}),
    "500": status(500, html="<html>oops</html>"),
    "malformed": raw(b"HTTP/1.1 abc\r\n\r\n"),
    "reset": silence("rst"),
    "garbage": status(200, text="{", content_type="application/json").named("in-band-fault"),
    "redirect": status(302, ("location", "/login")),
}


def _expect_none(findings: list[Finding]) -> None:
    breaches = [finding.message for finding in findings if finding.breach and not finding.advisory]
    expect(not breaches, expected="no key there", observed="; ".join(breaches))


@clause("SEC-01")
@FORM_TOO
@pytest.mark.parametrize("form", sorted(FAILURES))
@SHAPE
def test_no_failure_shows_the_key(case: Case, shape: Shape, form: str, *, stream: bool) -> None:
    """Exceptions are logged, reported and pasted into issues."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    case.serve(always(FAILURES[form]))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream)

    _expect_none(leaks_in_outcomes([outcome], case.record.keys))


@clause("SEC-01", case="refused", ways="chat")
def test_a_refused_connection_does_not_show_the_key(case: Case) -> None:
    """The chain of causes counts too: it is printed whole."""
    space = case.serve(origins=("a", "refused:b"))

    outcome = case.call_new(url=space.url("refused:b"))

    _expect_none(leaks_in_outcomes([outcome], case.record.keys))


@clause("SEC-01", case="bad-base-url")
@pytest.mark.parametrize(
    "url", ["no url", "ftp://127.0.0.1/x", "http://[::1"], ids=["words", "ftp", "bracket"]
)
def test_a_refused_setting_does_not_show_the_key(case: Case, url: str) -> None:
    """``repr`` of all arguments is a handy error message, and a leak."""
    case.serve()
    created = case.try_endpoint(url=url)
    outcomes = [created]
    if created.returned:
        outcomes.append(case.call(endpoint=case.made(created)))

    _expect_none(leaks_in_outcomes(outcomes, case.record.keys))


@clause("SEC-01", case="echoed", ways="chat")
def test_a_key_that_the_server_echoes_is_noted(case: Case) -> None:
    """A proxy that shows the request's headers in its error page puts the key into every excerpt."""
    case.key_echoed = True
    page = f"<html>bad request: Authorization: Bearer {case.key()}</html>"
    case.serve(status(400, html=page))

    outcome = case.call(endpoint=case.endpoint())

    expect_error(outcome, because="the server answered 400")
    breaches = [finding for finding in leaks_in_outcomes([outcome], case.record.keys) if finding.breach]
    case.note({"an echoed key is shown": bool(breaches)})


@clause("SEC-02", ways="chat")
@FORM_TOO
def test_neither_logs_nor_output_show_the_key(case: Case, *, stream: bool) -> None:
    """Logs outlive keys, and more people read them."""
    case.needs(*(("stream",) if stream else ()))
    shape = case.shape()
    failures = {f"failure-{form}": FAILURES[form] for form in ("401", "500", "malformed")}
    prompts = serve_each(case, {"fine": shape.reply("fine", streaming=stream)} | failures)
    mark = case.driver.mark_output()
    endpoint = case.endpoint()

    for prompt in prompts.values():
        case.call(prompt, endpoint=endpoint, shape=shape, stream=stream)
    case.close_endpoint(endpoint)

    records = [(log.level, log.logger, log.text) for log in case.driver.census().logs or ()]
    findings = leaks_in_output(case.driver.output_since(mark), records, case.record.keys)
    case.record.findings += findings
    _expect_none(findings)


@clause("SEC-03", case="call")
@FORM
@SHAPE
def test_the_key_travels_in_the_authorization_header_alone(case: Case, shape: Shape, *, stream: bool) -> None:
    """Query strings and bodies are logged by every proxy on the way (RFC 6750 section 5.3)."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    space = case.serve(shape.reply("fine", streaming=stream))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream)

    _expect_one_place(case, space.journal())
    expect_success(outcome)


@clause("SEC-03", case="probe")
def test_the_probes_key_travels_in_the_authorization_header_alone(case: Case) -> None:
    """The probe is a request like any other."""
    case.needs("probe")
    space = case.serve_healthy()

    case.ask("test_endpoint", base_url=space.base_url, api_key=case.key())

    _expect_none(stray_keys(space.journal(), case.record.keys))


def _expect_one_place(case: Case, journal: Journal) -> None:
    _expect_none(stray_keys(journal, case.record.keys))
    for exchange in journal.generations:
        values = exchange.header_values("authorization")
        expect(
            values == (f"Bearer {case.key()}",),
            expected="one header Authorization: Bearer <key:A>",
            observed=f"{len(values)} Authorization headers, key:{exchange.key}",
        )


#: What would begin a header of its own, or end the block.
INJECTIONS: Final[Mapping[str, str]] = {
    "crlf": "\r\nX-Evil: 1",
    "lf": "\nX-Evil: 1",
    "cr": "\rX-Evil: 1",
    "nul": "\0x",
    "end-of-head": "\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n",
}


@clause("SEC-06", case="key")
@FORM_TOO
@pytest.mark.parametrize("form", sorted(INJECTIONS))
def test_line_ends_in_a_key_are_refused(case: Case, form: str, *, stream: bool) -> None:
    """A key read from a file that somebody else may write is not to become headers."""
    case.needs(*(("stream",) if stream else ()))
    # The HTTP library beneath a client may quote the value that it refuses, key and all: SHOULD there.
    case.key_echoed = True
    space = case.serve_healthy()
    arguments: dict[str, object] = {"base_url": space.base_url, "api_key": case.key() + INJECTIONS[form]}
    arguments |= for_its_model(case)
    if "max_retries" in case.description.settings:
        arguments["max_retries"] = 0

    created = case.ask("create_endpoint", **arguments)
    outcome = case.call(endpoint=case.made(created), stream=stream) if created.returned else created

    if not outcome.raised:
        _expect_nothing_injected(space.journal())
        if not _sends_its_key(case):
            raise NotApplicable("a key without line ends is not sent either, which SEC-03 and MUX-01 judge")
    _expect_refused(space, outcome, form)


def _sends_its_key(case: Case) -> bool:
    space = case.serve_healthy()
    case.call(endpoint=case.endpoint())
    sent = [value for e in space.journal().generations for value in e.header_values("authorization")]
    return any(case.key() in value for value in sent)


@clause("SEC-06", case="request-id", ways="chat")
@FORM_TOO
@pytest.mark.parametrize("form", sorted(INJECTIONS))
def test_line_ends_in_a_request_id_are_refused(case: Case, form: str, *, stream: bool) -> None:
    """Request ids often come from outside."""
    case.needs("reqid", *(("stream",) if stream else ()))
    space = case.serve_healthy()

    outcome = case.call(endpoint=case.endpoint(), stream=stream, request_id=f"id{INJECTIONS[form]}")

    _expect_refused(space, outcome, form)


def _expect_refused(space: Space, outcome: Outcome, form: str) -> None:
    journal = space.journal()
    if form == "nul" and outcome.raised and not journal.generations and journal.notes:
        # It begins no header and ends none: the server refused the request, and the caller was told.
        raise Advice("NUL in a header value was sent, and refused by the server alone (RFC 9110 section 5.5)")
    _expect_nothing_injected(journal)
    expect_error(outcome, because="a header value cannot hold line ends or NUL")
    expect_requests(journal.generations, 0, because="the value was refused", journal=journal)


def _expect_nothing_injected(journal: Journal) -> None:
    injected = [e for e in journal if b"evil" in e.head.lower() or b"\0" in e.head]
    expect(
        not injected and not journal.notes,
        expected="nothing injected",
        observed="; ".join([*(repr(e.head[:300]) for e in injected), *journal.notes]),
        journal=journal,
    )


@clause("SEC-08", case="objects")
def test_public_objects_mask_the_key(case: Case) -> None:
    """``print(client)`` ends up in notebooks and screenshots."""
    if "public_objects" not in case.driver.implemented:
        raise NotApplicable("public_objects is not implemented")
    case.serve_healthy()
    case.endpoint()

    outcome = case.ask("public_objects")

    expect_success(outcome, "public_objects")
    _expect_masked(case, outcome, "what the objects show")


@clause("SEC-08", case="stats")
def test_statistics_mask_the_key(case: Case) -> None:
    """Statistics go to dashboards."""
    case.needs("stats")
    case.serve_healthy()
    endpoint = case.endpoint()
    expect_success(case.call(endpoint=endpoint))

    for arguments in ({}, {"endpoint_id": endpoint}):
        _expect_masked(case, case.ask("get_stats", **arguments), "the statistics")


@clause("SEC-08", case="endpoint-id")
def test_an_endpoints_id_is_not_its_key(case: Case) -> None:
    """Ids are what gets logged in the key's place."""
    case.serve_healthy()

    _expect_masked(case, case.try_endpoint(), "the endpoint's id")


def _expect_masked(case: Case, outcome: Outcome, what: str) -> None:
    alias = find_key(str(to_json(outcome)), case.record.keys)
    expect(alias is None, expected=f"no key in {what}", observed=f"key:{alias} in {what}")


@clause("SEC-09", case="variable", ways=("chat", "chat stream"))
def test_an_ambient_hub_token_stays_at_home(case: Case) -> None:
    """The token opens the Hub; a server that somebody named as base URL has no business with it."""
    token = case.key("H")
    _expect_no_token(case, HF_TOKEN=token, HUGGING_FACE_HUB_TOKEN=token, HUGGINGFACEHUB_API_TOKEN=token)


@clause("SEC-09", case="cached-login", ways=("chat", "chat stream"))
def test_a_cached_hub_login_stays_at_home(case: Case, tmp_path: Path) -> None:
    """``huggingface-cli login`` leaves the token in a file that libraries read unasked."""
    file = tmp_path / "token"
    file.write_text(case.key("H"), encoding="ascii")
    _expect_no_token(case, HF_HOME=str(tmp_path), HF_TOKEN_PATH=str(file))


def _expect_no_token(case: Case, **environment: str) -> None:
    """Make a call with no key given; it may be refused, but carries no token."""
    shape = case.shape()
    space = case.serve(shape.plain("fine").times(0, None))
    with case.fresh_process(**environment) as driver:
        created = created_in(driver, case, space.base_url, None)
        if created.returned:
            for stream in forms(case, shape):
                call_in(driver, case, shape, created.value, stream=stream)

    heads = "\n".join(e.head.decode("latin-1") for e in space.journal())
    expect(
        find_key(heads, case.record.keys) is None,
        expected="no ambient token on the wire",
        observed="the Hub token in a request to 127.0.0.1",
        journal=space.journal(),
    )
