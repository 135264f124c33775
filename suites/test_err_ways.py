"""ERR: what holds of a failed plain call holds on each route, plain and streamed.

The errors of streams, and of each route, are often read by code of their own.
"""

from typing import Final

from tgi_conformance.contracts.error_kinds import JUDGED_STATUSES, ErrorKind, kinds_for_status
from tgi_conformance.contracts.script import raw, status, tgi_error
from tgi_conformance.suites.areas.failures import (
    BROKEN,
    FAILURES,
    MALFORMED,
    NO_JSON,
    ODD_ERRORS,
    TGI_ERRORS,
    expect_client_error,
    recorded,
)
from tgi_conformance.suites.areas.ways import call_each, on_ways
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.shapes.calls import Shape

#: The ways of calls that are streams.
_STREAMS: Final = on_ways("chat-plain", "native-plain", "completions-plain")


@clause("ERR-01")
@_STREAMS
def test_a_stream_call_that_fails_raises(case: Case, shape: Shape, *, stream: bool) -> None:
    """An error's text among the pieces, or a stream that ends at once, is the model's words to its reader."""
    replies = {form: make(shape) for form, make in FAILURES.items()}

    for form, outcome in call_each(case, shape, replies, stream=stream).items():
        expect_error(outcome, because=f"the call failed: {form}")
        expect(not outcome.pieces, expected=f"{form}: no piece", observed=describe(outcome))


@clause("ERR-03")
@_STREAMS
def test_tgis_message_reaches_the_caller_of_a_stream(case: Case, shape: Shape, *, stream: bool) -> None:
    """Who opens the body as a stream has to read it before there is a message."""
    replies = {form: tgi_error(code, told, kind) for form, (code, kind, told) in TGI_ERRORS.items()}

    for form, outcome in call_each(case, shape, replies, stream=stream).items():
        expect_error(outcome, contains=TGI_ERRORS[form][2], because=f"TGI said so: {form}")


@clause("ERR-04", case="every-form")
@on_ways("chat-plain", "chat-stream")
def test_an_error_body_that_is_no_json_keeps_its_status_and_words(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """Proxies and the web layer answer so on every route."""
    replies = {form: reply for form, (_, reply, _) in NO_JSON.items()}

    for form, outcome in call_each(case, shape, replies, stream=stream).items():
        code, _, words = NO_JSON[form]
        expect_error(outcome, status=code, contains=words or None, because=f"the server answered {form}")


@clause("ERR-05", case="every-form")
@_STREAMS
def test_no_error_body_crashes_the_error_path_of_streams(case: Case, shape: Shape, *, stream: bool) -> None:
    """The two codes in turn; plain calls of every route have a property (P-09)."""
    codes = {form: (422, 500)[at % 2] for at, form in enumerate(sorted(ODD_ERRORS))}
    replies = {form: status(code, json=ODD_ERRORS[form]) for form, code in codes.items()}

    for form, outcome in call_each(case, shape, replies, stream=stream).items():
        expect_client_error(outcome, codes[form])


@clause("ERR-06", case="every-status")
@on_ways("chat-plain")
def test_status_and_kind_can_be_read_by_program(case: Case, shape: Shape, *, stream: bool) -> None:
    """A caller has one table of errors, whichever call it makes."""
    codes = {f"status-{code}": code for code in JUDGED_STATUSES}
    replies = {slug: status(code, json={"error": "no", "error_type": "some"}) for slug, code in codes.items()}

    for slug, outcome in call_each(case, shape, replies, stream=stream).items():
        code = codes[slug]
        because = f"the server answered {code}"
        expect_error(outcome, *sorted(kinds_for_status(code)), status=code, because=because)


#: Kinds of what is no whole HTTP answer. Some libraries take half a head for a whole one with no body.
_NO_ANSWER: Final = (ErrorKind.TRANSPORT, ErrorKind.PROTOCOL, ErrorKind.TRUNCATED_STREAM)


@clause("ERR-08", case="every-form")
@on_ways("chat-plain")
def test_what_is_no_answer_is_a_transport_error(case: Case, shape: Shape, *, stream: bool) -> None:
    """A parser of streams has nothing to read there, and must not wait for it."""
    broken = {form: reply for form, reply in BROKEN.items() if not form.endswith("-at-accept")}
    malformed = {form: in_band_fault(raw(content)) for form, content in MALFORMED.items()}

    for form, outcome in call_each(case, shape, broken | malformed, stream=stream).items():
        kinds = (ErrorKind.TRANSPORT,) if form in broken else _NO_ANSWER
        expect_error(outcome, *kinds, because=f"there is no answer: {form}")


@clause("ERR-09", case="every-form")
@on_ways("chat-plain")
def test_a_failed_generation_is_no_validation_error(case: Case, shape: Shape, *, stream: bool) -> None:
    """The request was fine on this route too."""
    names = {"424": "fail-shard-error-first-gen", "500": "fail-incomplete-gen"}
    replies = {code: recorded(name) for code, name in names.items()}

    for code, outcome in call_each(case, shape, replies, stream=stream).items():
        info = expect_error(outcome, because=f"the server answered {code}")
        blames_request = (ErrorKind.VALIDATION, ErrorKind.BAD_REQUEST, ErrorKind.INVALID_ARGUMENT)
        expect(
            info is not None and info.kind not in blames_request,
            expected=f"an error that does not blame the request for a {code}",
            observed=describe(outcome),
        )
