"""``doctor``: what it finds in a description, what it makes of its calls, and that it ends as it says."""

import textwrap
from pathlib import Path

import pytest
from mini_backend import MINI, run_cli

from tgi_conformance.backends.reference.adapter import ReferenceAdapter
from tgi_conformance.cli import doctor
from tgi_conformance.cli.doctor_calls import judge_error, judge_tool_call
from tgi_conformance.cli.doctor_description import PARAMETERS, description_remarks
from tgi_conformance.cli.doctor_signatures import help_for_call
from tgi_conformance.cli.remark import Remark
from tgi_conformance.contracts.adapter import Answer, Defaults, Description, ErrorInfo, ToolCall
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.outcome import ExceptionLink, Outcome

MESSAGE = "Input validation error: `temperature` must be strictly positive"


def described(*capabilities: str, **fields: object) -> Description:
    return Description(name="x", capabilities=frozenset({"core", *capabilities}), **fields)  # type: ignore[arg-type]


def told(about: Description) -> list[str]:
    return [f"{remark.tone}: {remark.text} -> {remark.help}" for remark in description_remarks(about)]


@pytest.mark.parametrize(
    ("method", "capability", "name", "meant"),
    [
        ("chat", "chat", "max_token", "max_tokens"),
        ("chat", "chat", "max_new_tokens", "max_tokens"),
        ("generate", "native", "max_tokens", "max_new_tokens"),
        ("generate", "native", "stop_sequences", "stop"),
        ("completions", "completions", "temprature", "temperature"),
    ],
)
def test_a_misspelt_parameter_is_a_problem_that_says_what_was_meant(
    method: str, capability: str, name: str, meant: str
) -> None:
    (said,) = told(described(capability, parameters={method: frozenset({"seed", name})}))
    assert said.startswith(f"bad: parameters[{method!r}]: {name!r} is no parameter of TGI on this route; ")
    assert f"did you mean {meant!r}?" in said


def test_a_parameter_that_is_near_none_is_only_noted() -> None:
    (said,) = told(described("chat", parameters={"chat": frozenset({"seed", "min_p"})}))
    assert said.startswith("note: parameters['chat']: 'min_p' is no parameter of TGI")


@pytest.mark.parametrize("method", sorted(PARAMETERS))
def test_every_parameter_of_tgi_is_known(method: str) -> None:
    capability = {"generate": "native"}.get(method, method)
    about = described(capability, parameters={method: PARAMETERS[method] | {"deadline", "request_id"}})
    assert told(about) == []


def test_default_parameters_by_method_are_a_problem() -> None:
    defaults = Defaults(parameters={"chat": {"max_tokens": 100}, "temprature": 1})
    by_method, misspelt = told(described("chat", parameters={"chat": frozenset({"seed"})}, defaults=defaults))
    assert "bad: defaults.parameters: 'chat' is a method: the defaults are one mapping" in by_method
    assert '{"max_tokens": 100}' in by_method
    assert "did you mean 'temperature'?" in misspelt


@pytest.mark.parametrize(
    ("capability", "said"),
    [
        ("tools", 'note: claims tools without tool_choice, tools in parameters["chat"]'),
        ("grammar", 'note: claims grammar without grammar in parameters["generate"], or response_format'),
        ("logprobs", 'note: claims logprobs without logprobs in parameters["chat"], or details in'),
        ("timeout", "note: claims timeout without timeout in settings"),
        ("reqid", "bad: claims reqid without request_id_header"),
        ("queue", "note: claims queue without max_concurrent_requests, queue_size in settings"),
    ],
)
def test_a_claim_without_what_it_needs_is_told(capability: str, said: str) -> None:
    (only,) = told(described("chat", capability, parameters={"chat": frozenset({"seed"})}))
    assert only.startswith(said)


def test_an_auxiliary_request_has_a_method_and_a_path() -> None:
    fields = {"parameters": {"chat": frozenset({"seed"})}, "auxiliary": ("GET /info", "/info")}
    (said,) = told(described("chat", **fields))
    assert said.startswith("bad: auxiliary: '/info' is no request")


def test_nothing_is_told_of_the_reference_backend() -> None:
    assert told(ReferenceAdapter().describe()) == []


def failed(kind: ErrorKind | None, **fields: object) -> Outcome:
    info = None if kind is None else ErrorInfo(kind=kind, **fields)  # type: ignore[arg-type]
    return Outcome(ending="error", error=info, exception=(ExceptionLink(type="my.Error"),))


@pytest.mark.parametrize(
    ("outcome", "tone", "said"),
    [
        (failed(ErrorKind.VALIDATION, status=422, message=MESSAGE), "good", "of kind validation"),
        (failed(ErrorKind.BAD_REQUEST, status=422, message=MESSAGE), "good", "of kind bad_request"),
        (failed(ErrorKind.AUTH, status=422, message=MESSAGE), "bad", "error of kind auth"),
        (failed(None), "bad", "my.Error"),
        (failed(ErrorKind.UNMAPPED), "note", "which classify() does not map"),
        (failed(ErrorKind.VALIDATION, message=MESSAGE), "note", "gives no status 422"),
        (failed(ErrorKind.VALIDATION, status=422), "note", "neither the exception nor classify() shows"),
        (Outcome(ending="answer", answer=Answer(text="sorry")), "bad", "answer 'sorry' in place of an error"),
    ],
)
def test_a_refused_call_raises_and_is_classified(outcome: Outcome, tone: str, said: str) -> None:
    remark = judge_error("chat", outcome, classifies=True)
    assert (remark.tone, said in remark.text) == (tone, True), remark


def test_without_classify_an_exception_is_enough() -> None:
    assert judge_error("chat", failed(ErrorKind.UNMAPPED), classifies=False).tone == "good"


@pytest.mark.parametrize(
    ("calls", "tone"),
    [
        ((ToolCall(name="get_weather", arguments={"location": "Paris", "format": "celsius"}),), "good"),
        ((ToolCall(name="get_weather", arguments='{"location": "Paris", "format": "celsius"}'),), "good"),
        ((ToolCall(name="get_weather", arguments={}),), "bad"),
        ((), "bad"),
        (None, "bad"),
    ],
)
def test_a_tool_call_comes_out_as_one(calls: tuple[ToolCall, ...] | None, tone: str) -> None:
    answer = Answer(text=None) if calls is None else Answer(text=None, tool_calls=calls)
    assert judge_tool_call(Outcome(ending="answer", answer=answer)).tone == tone


def test_a_signature_that_does_not_fit_is_told_as_it_must_be() -> None:
    said = help_for_call(
        "chat", "TypeError: X.create_endpoint() got an unexpected keyword argument 'api_key'"
    )
    assert "create_endpoint(self, *, base_url, api_key, **settings)" in said


BROKEN = """
import json
from mini import Mini


class SameId(Mini):
    def describe(self):
        return super().describe() | {"capabilities": ["native", "keys", "img-native", "tools", "chat"]}

    def create_endpoint(self, *, base_url, api_key, **settings):
        self.endpoints["only"] = (base_url.rstrip("/"), api_key)
        return "only"

    def generate(self, prompt, *, endpoint_id=None, **parameters):
        try:
            return super().generate(prompt if isinstance(prompt, str) else prompt[0], endpoint_id=endpoint_id)
        except Exception:
            return "sorry"

    def chat(self, messages, *, endpoint_id=None, **parameters):
        return "ready"
"""


def test_each_thing_that_goes_wrong_is_found_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "mini.py").write_text(MINI)
    (tmp_path / "broken.py").write_text(textwrap.dedent(BROKEN))
    done = run_cli(tmp_path, "doctor", "--backend", "broken.py:SameId")
    assert done.code == 1, done.out
    for said in (
        "create_endpoint() gave the id 'only' twice",
        "a generate() call that the server refuses with 422: answer 'sorry' in place of an error",
        "a generate() call with an image (img-native): the request holds no such image",
        "a healthy chat call: probe chat call: it was sent to /, the route of a native call",
    ):
        assert said in done.out, done.out


def test_what_does_not_start_is_told_once_and_without_frames_of_the_kit(tmp_path: Path) -> None:
    (tmp_path / "needs.py").write_text("import no_such_client\n\n\nclass A:\n    pass\n")
    done = run_cli(tmp_path, "doctor", "--backend", "needs.py:A")
    assert done.code == 12, done.out
    assert "does not have 'no_such_client': install it there" in done.out
    assert 'needs.py", line 1' in done.out
    assert "host.py" not in done.out
    assert "importlib" not in done.out


def test_what_a_backend_says_of_itself_moves_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(doctor.click, "echo", lines.append)
    doctor._show(Remark(tone="bad", text="\x1b]0;title\x07\n\x1b[2J", help="\x9b1A"))
    assert "".join(lines[1:]) == "        \\x1b[2J        -> \\x9b1A"
    assert lines[0].endswith("\\x1b]0;title\\x07")
