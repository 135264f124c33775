"""The sign of a red case: from the call that failed, what served it, and what the backend raised."""

import json

from tgi_conformance.contracts.causes.outcomes import OutcomeClass
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import ExceptionLink, Fault, Frame, Outcome
from tgi_conformance.contracts.redaction import redact_verdict
from tgi_conformance.contracts.script import Body, Reply, Response, Script, answer
from tgi_conformance.contracts.verdict import Finding, Ruling, Sign, Verdict
from tgi_conformance.plugin.ids import find_clause
from tgi_conformance.plugin.judging import Ruled
from tgi_conformance.plugin.run_wide import rule_run_wide
from tgi_conformance.plugin.signs.filling import sign_of
from tgi_conformance.suites.harness.expect import describe
from tgi_conformance.suites.harness.session import CallSeen, SpaceSeen

GOOD = answer("hello").named("good")
BAD = Reply(name="bad", response=Response(status=502, body=Body(html="<p>no</p>")))
FRAMES = (
    Frame(file="lib/json/decoder.py", line=3, function="decode"),
    Frame(file="pkg/client.py", line=12, function="read", owner="backend"),
    Frame(file="pkg/client.py", line=90, function="chat", owner="backend"),
)


def space() -> SpaceSeen:
    def sent(number: int, reply: str) -> Exchange:
        body = json.dumps({"messages": [{"content": f"Say it. [ERR-04/x:{number}]"}]}).encode()
        path = "/v1/chat/completions"
        return Exchange(id=number, connection=1, method="POST", target=path, body=body, reply=reply)

    return SpaceSeen(Script(replies=(GOOD, BAD)), Journal(exchanges=(sent(1, "good"), sent(2, "bad"))))


def call(number: int, outcome: Outcome) -> CallSeen:
    return CallSeen(f"chat('Say it. [ERR-04/x:{number}]')", outcome)


def raised(kind: str = "json.decoder.JSONDecodeError", *, fault: Fault = "unclear") -> Outcome:
    link = ExceptionLink(type=kind, message="Expecting value", frames=FRAMES, fault=fault)
    return Outcome(ending="error", exception=(link,))


def signed(expected: str, observed: str, *calls: CallSeen, clause: str = "ERR-04") -> Sign:
    ruled = Ruled(ruling=Ruling.FAILED, expected=expected, observed=observed)
    return sign_of(ruled, find_clause(clause), [space()], calls)


def test_the_exception_of_the_call_that_failed_its_frame_and_what_that_call_was_answered() -> None:
    outcome = raised()
    sign = signed(
        "the status 502 on the error", describe(outcome), call(1, Outcome(ending="end")), call(2, outcome)
    )
    assert sign == Sign(
        exception="json.decoder.JSONDecodeError",
        place="pkg/client.py:12 in read",
        outcome=OutcomeClass.STATUS_LOST,
        stimulus="status-502+error-html",
    )


def test_an_exception_that_the_assertion_does_not_speak_of_is_not_the_cause() -> None:
    sign = signed("the same path for both", "/a and //a", call(1, raised()), clause="INIT-02")
    assert (sign.exception, sign.place, sign.outcome) == ("", "", OutcomeClass.REQUEST_DIFFERS)


def test_why_nothing_was_sent_is_told_by_what_was_raised() -> None:
    sign = signed("1 request: one call sends one request", "0: none", call(2, raised("pkg.Refused")))
    assert (sign.exception, sign.outcome) == ("pkg.Refused", OutcomeClass.TOO_FEW)


def test_an_exception_that_stands_in_the_text_alone_is_told_too() -> None:
    told = "backend does not answer (probe chat): error of kind unmapped: KeyError: 'x' at pkg/a.py:7 in get"
    sign = signed("a healthy chat works", told, clause="DECL-01")
    assert (sign.exception, sign.place) == ("KeyError", "pkg/a.py:7 in get")


def test_the_adapters_own_exception_blames_no_client() -> None:
    outcome = raised("TypeError", fault="adapter")
    sign = signed("the call succeeds", describe(outcome), call(1, outcome))
    assert sign.outcome == OutcomeClass.ADAPTER


def test_what_differs_in_a_request_is_named() -> None:
    pairs = {
        ('tools [{"a": {"default": null}}]', '[{"a": {}}]'): "default left out",
        ('{"seed": 0}', '{"seed": 1}'): "seed changed",
        ('{"a": 1}', '{"a": 1, "b": 2}'): "b added",
        ('stop=["a"]', 'stop="a"'): "stop changed",
        ('{"stop": ["a", "b"]}', '{"stop": ["a"]}'): "stop cut",
        ("one thing", "another"): "",
    }
    assert {sides: signed(*sides, clause="GEN-01").detail for sides in pairs} == pairs


def test_only_what_is_red_or_advice_has_a_sign() -> None:
    for ruling in Ruling:
        ruled = Ruled(ruling=ruling, expected="the call succeeds", observed="hang: silence")
        sign = sign_of(ruled, None, [space()], [])
        has = ruling in (Ruling.FAILED, Ruling.ADVISORY, Ruling.UNTESTABLE)
        assert (sign != Sign()) == has, ruling


def test_a_run_wide_ruling_has_the_sign_of_what_was_seen() -> None:
    finding = Finding(clause="SEC-01", message="key:A in raised exception pkg.ApiError")
    seen = Verdict(case="ERR-01/a", clause="ERR-01", ruling=Ruling.PASSED, backend="b", findings=(finding,))
    (ruled,) = rule_run_wide([seen], enforced=False, seed=1)
    assert ruled.sign == Sign(exception="pkg.ApiError", outcome=OutcomeClass.KEY_SEEN)
    in_order = Finding(clause="SEC-01", message="no key seen", breach=False)
    (passed,) = rule_run_wide(
        [Verdict(case="a", clause="b", ruling=Ruling.PASSED, backend="b", findings=(in_order,))],
        enforced=False,
        seed=1,
    )
    assert passed.sign == Sign()


def test_a_key_in_a_sign_is_taken_out_with_the_rest() -> None:
    key = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA2cD4f"
    verdict = Verdict(
        case="a", clause="b", ruling=Ruling.FAILED, backend="b", sign=Sign(place=f"{key}.py:1 in x")
    )
    assert key not in json.dumps(to_json(redact_verdict(verdict, {"A": key})))


def test_of_two_calls_that_are_told_of_the_first_is_the_one_that_failed() -> None:
    failed, taken = raised("pkg.Refused"), Outcome(ending="end")
    told = f"refused locally: {describe(failed)}; other values are taken: {describe(taken)}"
    sign = signed("it is sent", told, call(2, failed), call(1, taken), clause="GEN-05")
    assert (sign.exception, sign.place) == ("pkg.Refused", "pkg/client.py:12 in read")


def test_whatever_a_backend_says_has_a_sign() -> None:
    texts = ["", "\ud800\x00", "9" * 5000, "[" * 200_000, '{"a":' * 5000, "\n" * 100_000, "x" * 1_000_000]
    for text in texts:
        for expected in ("1 request: one call sends one request", "stop: []", "the text 'a'", ""):
            sign = signed(expected, text, call(1, Outcome(ending="hang", detail=text)), clause="GEN-01")
            assert sign.outcome in list(OutcomeClass)
    nested = '{"a":' * 900 + "1" + "}" * 900
    assert signed(nested, nested.replace("1", "2"), clause="GEN-01").detail == ""
    deep = Exchange(id=1, connection=1, method="POST", target="/", body=b"[" * 100_000, reply="good")
    spaces = [SpaceSeen(Script(replies=(GOOD,)), Journal(exchanges=(deep,)))]
    assert sign_of(Ruled(ruling=Ruling.FAILED, expected="a", observed="b"), None, spaces, []).exception == ""


def test_a_method_that_gives_nothing_usable_is_named() -> None:
    sign = signed("get_stats gives a mapping", "the value 'None'", clause="STAT-01")
    assert (sign.outcome, sign.detail) == (OutcomeClass.NOTHING_USABLE, "get_stats")
