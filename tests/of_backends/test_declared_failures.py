"""A returned value that the adapter declares to be a failure (ERR-01): read, told, and judged."""

from pathlib import Path

import pytest
from mini_backend import run_cli

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.failure import failure_in
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.contracts.adapter import Failure
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.unset import UNSET

FILE = Path(__file__).parents[1] / "adapters" / "returns_failures.py"
DECLARED = Failure(values=(None, False), key="error", status_key="status")


@pytest.mark.parametrize("value", ["", 0, [], {"text": "error"}, "error", {}])
def test_only_what_is_declared_is_a_failure(value: JSON) -> None:
    assert failure_in(value, DECLARED) is None
    assert failure_in(None, None) is None


def test_a_value_and_a_mapping_with_the_key_are_failures_that_tell_what_they_hold() -> None:
    for value in (None, False):
        assert failure_in(value, DECLARED) is not None
    info = failure_in({"error": "too long", "status": 422}, DECLARED)
    assert info is not None
    assert (info.kind, info.message, info.status) == (ErrorKind.UNMAPPED, "too long", 422)
    odd = failure_in({"error": {"message": "x"}, "status": True}, DECLARED)
    assert odd is not None
    assert (odd.message, odd.status) == (UNSET, UNSET)


def test_the_outcome_of_such_a_call_is_an_error_that_says_where_it_came_from() -> None:
    with Driver.start(parse_backend(f"{FILE}:Declared")) as driver:
        driver.run("create_endpoint", {"base_url": "http://127.0.0.1:9", "api_key": "k"})
        for _ in range(2):
            outcome = driver.run("generate", {"prompt": "x", "endpoint_id": "0"})
            assert (outcome.ending, outcome.raised, outcome.value) == ("error", True, False)
            assert "declares as a failure" in outcome.detail
            driver.restart()  # the declaration outlives the process
            driver.run("create_endpoint", {"base_url": "http://127.0.0.1:9", "api_key": "k"})


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("Declared", 0, ""),
        ("Undeclared", 1, "/error: unknown key"),
        ("AsText", 1, "observed answer 'Error: 500'"),
    ],
)
def test_err_01_is_content_with_a_declared_failure_and_with_nothing_else(
    name: str, code: int, words: str, tmp_path: Path
) -> None:
    done = run_cli(
        tmp_path, "run", "-n", "0", "--backend", f"{FILE}:{name}", "--case", "ERR-01/native-500",
        "--case", "ERR-01/refused-native",
    )  # fmt: skip
    assert done.code == code, done.out
    assert words in done.out
    assert done.rulings()["ERR-01/native-500"] == ("failed" if code else "passed")
