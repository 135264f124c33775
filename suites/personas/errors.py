"""Errors of servers of other generations: how each clause about them is tried."""

from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.error_kinds import ErrorKind, kinds_for_status
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Server, failing
from tgi_conformance.suites.areas.answers import is_other_model
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import describe, expect, expect_error
from tgi_conformance.suites.shapes.calls import Shape

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
    """One call to a persona that fails; the outcome and the status that it was answered with.

    That may be a 404 for the backend's own model: it is judged as such.
    """
    kind, message = FAILING[form]
    space = case.serve(failing(message, kind))
    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream)
    return outcome, space.journal().generations[0].status or 0


def _words(case: Case, form: str) -> str:
    """What the server said: of the failure, or that it does not have the backend's model."""
    return "not found" if is_other_model(case) else FAILING[form][1]


def raises(case: Case, shape: Shape, form: str) -> None:
    """A failure is an error."""
    outcome, code = _failing(case, shape, form)
    expect_error(outcome, because=f"the server answered {code}")


def keeps_status(case: Case, shape: Shape, form: str) -> None:
    """The error has the status, and its text says it too."""
    outcome, code = _failing(case, shape, form)
    expect_error(outcome, status=code, contains=str(code), because=f"the server answered {code}")


def no_crash(case: Case, shape: Shape, form: str) -> None:
    """A failure is one of the client's own errors, with its status."""
    outcome, code = _failing(case, shape, form)
    info = expect_error(outcome, status=code, because=f"the server answered {code}")
    expect(
        info is not None and info.kind is not ErrorKind.UNMAPPED,
        expected="one of the client's own errors",
        observed=describe(outcome),
    )


def kind_and_status(case: Case, shape: Shape, form: str) -> None:
    """The error is of the kind that its status stands for."""
    outcome, code = _failing(case, shape, form)
    expect_error(outcome, *sorted(kinds_for_status(code)), status=code, because=f"the server answered {code}")


def message(case: Case, shape: Shape, form: str) -> None:
    """The server's words are in the error."""
    outcome, code = _failing(case, shape, form)
    expect_error(outcome, contains=_words(case, form), because=f"the server said so with its {code}")


def refused_stream(case: Case, shape: Shape, form: str) -> None:
    """A refused stream call is an error with status and message, and gives no piece."""
    outcome, code = _failing(case, shape, form, stream=True)
    expect_error(outcome, status=code, contains=_words(case, form), because=f"the server answered {code}")
    expect(not outcome.pieces, expected="no piece at all", observed=describe(outcome))


def wrong_key(case: Case, shape: Shape, _: str) -> None:
    """The persona's own 401, which has a body where TGI's has none."""
    case.serve(server=Server(check_key=True))
    outcome = case.call(endpoint=case.endpoint(key="unknown"), shape=shape)
    expect_error(outcome, ErrorKind.AUTH, status=401, because="the key is not one of the server's")


def not_the_requests_fault(case: Case, shape: Shape, form: str) -> None:
    """The error does not blame the request."""
    outcome, code = _failing(case, shape, form)
    info = expect_error(outcome, because=f"the server answered {code}")
    blames = (ErrorKind.VALIDATION, ErrorKind.BAD_REQUEST, ErrorKind.INVALID_ARGUMENT)
    expect(
        info is not None and info.kind not in blames,
        expected="an error that does not blame the request",
        observed=describe(outcome),
    )
