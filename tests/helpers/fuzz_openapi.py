"""The fake server against its own OpenAPI document, with schemathesis (not among the kit's dependencies).

    python tests/fuzz_openapi.py --examples 200 --seed 1

For each operation bodies that its schema takes and bodies that it does not take; what comes back has to be
documented, and right about the schema. The document says what TGI takes as far as a schema can; where TGI's
own rules say more, :data:`EXCEPTIONS` has the rule. Events are judged here, since OpenAPI 3.1 cannot say
that each event's data has a schema.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import negative_data_rejection, not_a_server_error, positive_data_acceptance
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tgi_conformance.contracts.schema.registry import problems
from tgi_conformance.fake_server.client import FakeServer

PATIENCE: Final = 10.0
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    positive_data_acceptance,
    negative_data_rejection,
)
EVENTS: Final[Mapping[str, str]] = {
    "POST /": "native-token-event",
    "POST /generate_stream": "native-token-event",
    "POST /v1/chat/completions": "chat-chunk",
    "POST /v1/completions": "completion-chunk",
}
ERROR_EVENTS: Final = ("native-error-event", "openai-error-event")


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between document and answer that TGI itself has."""

    #: Name of schemathesis' failure.
    failure: str
    #: What the answer's status and body look like ("422 text").
    answer: str
    reason: str
    operations: str = ".*"


_VALID: Final = "RejectedPositiveData"
_INVALID: Final = "AcceptedNegativeData"
EXCEPTIONS: Final = (
    Difference("ServerError", '500 .*"Incomplete generation"', "TGI masks every error so", "POST /vertex"),
    Difference(
        _VALID, "422 .*invalid type: floating point", "JSON Schema takes 1.0 for an integer, serde does not"
    ),
    Difference(_VALID, "422 .*invalid value: integer", "the same, for a large one written as a float"),
    Difference(_VALID, "4.. .*Unknown role", "a rule of the chat template, not of the route"),
    Difference(_VALID, "422 .*`stop` supports up to", "a limit of a launcher's flag"),
    Difference(_VALID, "422 .*`top_n_tokens` must be", "a limit of a launcher's flag"),
    Difference(_VALID, "4(22|29) .*(`best_of` must be|overloaded)", "a limit of a launcher's flag"),
    Difference(_VALID, "422 .*`truncate` must be", "a limit of a launcher's flag"),
    Difference(_VALID, "422 .*maximum allowed batch size", "a limit of a launcher's flag"),
    Difference(_VALID, "422 .*`inputs` tokens|422 .*must have less than", "a limit of a launcher's flag"),
    Difference(
        _VALID,
        "422 .*inputs` cannot be empty",
        "a conversation that the template makes empty, or a list by position, not bounded in the schema",
    ),
    Difference(_VALID, "422 .*Tool with name .* not found", "tool_choice has to name a tool of the request"),
    Difference(_VALID, "422 .*grammar is not valid|422 .*cannot compile", "a JSON Schema inside the request"),
    Difference(
        _VALID, "422 .*Failed to parse generated text", "the toy model talks where no tool is offered"
    ),
    Difference(_VALID, "422 .*duplicate field", "one field under two names"),
    Difference(
        _VALID,
        "422 .*(must be|must not be|you must use sampling|not supported)",
        "parameters as a list by position, whose values the schema does not bound",
        "POST /(|generate|generate_stream|invocations)",
    ),
    Difference(
        _VALID,
        "422 .*data did not match any variant",
        "the choices are read as above (1.0, two names for a field); the answer does not say which failed",
    ),
    Difference(
        _INVALID,
        "200 ",
        "limits are events of a stream that has begun with 200",
        "POST /.*stream|POST /v1/.*|POST /",
    ),
    Difference(
        _INVALID,
        "200 ",
        "keys that are no fields are ignored, and a last value may follow",
        "POST /.*tokenize",
    ),
    Difference(_INVALID, "200 ", "only max_new_tokens and seed are read", "POST /vertex"),
    Difference(_INVALID, "(200|500) ", "the first of three requests that decodes", "POST /invocations"),
)


@dataclass(slots=True)
class Findings:
    """What a run showed; ``problems`` has to be empty."""

    inputs: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)


def run(examples: int, number: int) -> Findings:
    """So many bodies of each mode for each operation, against a server of its own."""
    found = Findings()
    with tempfile.TemporaryFile() as errors:
        with FakeServer.start(stderr=errors) as server:
            document = schemathesis.openapi.from_url(f"{server.base_url}/api-doc/openapi.json")
            for result in document.get_all_operations():
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    _throw(result.ok(), mode, server.base_url, examples, number, found)
            server.status()
        errors.seek(0)
        if said := errors.read().decode("utf-8", "replace"):
            found.problems[f"standard error: {said[-3000:]}"] += 1
    return found


def _throw(operation, mode, base_url: str, examples: int, number: int, found: Findings) -> None:  # type: ignore[no-untyped-def]
    if operation.method.upper() == "GET" and mode is GenerationMode.NEGATIVE:
        return  # nothing of a GET can be wrong

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def check(case) -> None:  # type: ignore[no-untyped-def]
        response = case.call(base_url=base_url, timeout=PATIENCE)
        found.inputs[f"{operation.label} {mode.value}"] += 1
        found.statuses[response.status_code] += 1
        is_stream = response.headers.get("content-type", [""])[0].startswith("text/event-stream")
        checks = [check for check in CHECKS if not (is_stream and check is response_schema_conformance)]
        for failure in _failures(case, response, checks):
            _book(operation.label, type(failure).__name__, str(failure), case, response, found)
        if is_stream and (wrong := misfit(operation.label, response.text)) is not None:
            _book(operation.label, "Event", wrong, case, response, found)

    check()


def _failures(case, response, checks) -> Iterator[Failure]:  # type: ignore[no-untyped-def]
    try:
        case.validate_response(response, checks=checks)
    except FailureGroup as group:
        yield from group.exceptions


def _book(label: str, failure: str, text: str, case, response, found: Findings) -> None:  # type: ignore[no-untyped-def]
    answer = f"{response.status_code} {response.text if response.status_code >= 400 else ''}"
    for row in EXCEPTIONS:
        if (
            row.failure == failure
            and re.match(row.answer, answer, re.DOTALL)
            and re.fullmatch(row.operations, label)
        ):
            found.excused[f"{failure}: {row.reason}"] += 1
            return
    body = json.dumps(case.body, default=str)[:1500]
    said = text if failure not in {_VALID, _INVALID} else ""
    found.problems[f"{label}: {failure}: {said[:300]} {answer[:200]} for {body}"] += 1


def misfit(label: str, text: str) -> str | None:
    """What is wrong with the events of a stream, or None."""
    for block in text.split("\n\n"):
        data = block.removeprefix("data: ")
        if not block or block.startswith(":") or data == "[DONE]":
            continue
        value = json.loads(data)
        names = ERROR_EVENTS if "error" in value else (EVENTS[label],)
        wrong = [problems(f"tgi/{name}", value) for name in names]
        if all(wrong):
            return f"{wrong[0]}"
    return None


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="The fake server against its own OpenAPI document.")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given_options = parser.parse_args()
    begun = time.monotonic()
    found = run(given_options.examples, given_options.seed)
    took = time.monotonic() - begun
    print(f"{found.inputs.total()} requests, {took:.0f} s, seed {given_options.seed}")
    print(", ".join(f"{status}: {count}" for status, count in found.statuses.most_common()))
    for reason, count in found.excused.most_common():
        print(f"excused {count} x {reason}")
    for problem, count in found.problems.most_common():
        print(f"PROBLEM {count} x {problem}")
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
